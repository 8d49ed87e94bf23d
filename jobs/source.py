"""One stream as a Ray Data source.

Reading tasks import this module and what it needs, so it stays clear of torch: a reading process starts in seconds
and needs little memory.
"""

from __future__ import annotations

import cv2
import ray
from ray.data import DataContext
from ray.data.block import Block, BlockAccessor, BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from trs.data.stream import Stream


class StepSource(Datasource):
    """A stream's rows, one read task and one block for each step."""

    def __init__(self, stream: ray.ObjectRef, steps: list[range]) -> None:
        super().__init__()
        self.stream, self.steps = stream, steps

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before the first batch is read."""
        return None

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None,
                       data_context: DataContext | None = None) -> list[ReadTask]:
        """A task a step, whatever parallelism is asked for: a block is a batch."""
        return [ReadTask(_Read(self.stream, rows), BlockMetadata(len(rows), None, None, None)) for rows in self.steps]


class _Read:
    """Read one step's rows in a Ray task."""

    def __init__(self, stream: ray.ObjectRef, rows: range) -> None:
        self.stream, self.rows = stream, rows

    def __call__(self) -> list[Block]:
        cv2.setNumThreads(0)  # the task has a share of a CPU, not the machine
        stream: Stream = ray.get(self.stream)
        return [BlockAccessor.batch_to_block(stream.read(self.rows))]
