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

from trs.data.stream import Stream


class StepSource(Datasource):
    """A stream's rows; consecutive steps share a reading task, whose start costs as much as many a read."""

    def __init__(self, stream: ray.ObjectRef, steps: list[range]) -> None:
        super().__init__()
        self.stream, self.steps = stream, steps

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before the first batch is read."""
        return None

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None,
                       data_context: DataContext | None = None) -> list[ReadTask]:
        """As many tasks as are asked for, each with its share of the steps, in order."""
        shares = np.array_split(np.arange(len(self.steps)), min(parallelism, len(self.steps)))
        return [self._task([self.steps[index] for index in share]) for share in shares]

    def _task(self, steps: list[range]) -> ReadTask:
        rows = sum(len(step) for step in steps)
        return ReadTask(_Read(self.stream, steps), BlockMetadata(rows, None, None, None))


class _Read:
    """Read some steps' rows in a Ray task."""

    def __init__(self, stream: ray.ObjectRef, steps: list[range]) -> None:
        self.stream, self.steps = stream, steps

    def __call__(self) -> Iterator[Block]:
        cv2.setNumThreads(0)  # the task has a share of a CPU, not the machine
        stream: Stream = ray.get(self.stream)
        for rows in self.steps:
            yield BlockAccessor.batch_to_block(stream.read(rows))
