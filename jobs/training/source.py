"""One stream as a Ray Data source.

Reading tasks import this module and what it needs, so it stays clear of torch: a reading process starts in seconds
and needs little memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import ray
from ray.data import DataContext
from ray.data.block import Block, BlockAccessor, BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from trs.data.reader import Stream


class BatchSource(Datasource):
    """A stream's rows; consecutive batches share a reading task, whose start costs as much as many a read."""

    def __init__(self, stream: ray.ObjectRef, batches: list[range]) -> None:
        super().__init__()
        self.stream, self.batches = stream, batches

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before the first batch is read."""
        return None

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None,
                       data_context: DataContext | None = None) -> list[ReadTask]:
        """As many tasks as are asked for, each with its part of the batches, in order."""
        parts = np.array_split(np.arange(len(self.batches)), min(parallelism, len(self.batches)))
        return [self._task([self.batches[index] for index in part]) for part in parts]

    def _task(self, batches: list[range]) -> ReadTask:
        rows = sum(len(batch) for batch in batches)
        return ReadTask(_Read(self.stream, batches), BlockMetadata(rows, None, None, None))


class _Read:
    """Read some batches' rows in a Ray task."""

    def __init__(self, stream: ray.ObjectRef, batches: list[range]) -> None:
        self.stream, self.batches = stream, batches

    def __call__(self) -> Iterator[Block]:
        cv2.setNumThreads(0)  # the task has a share of a CPU, not the machine
        stream: Stream = ray.get(self.stream)
        for rows in self.batches:
            yield BlockAccessor.batch_to_block(stream.read(rows))
