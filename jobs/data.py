"""The training streams as Ray Data datasets.

One block is one worker's batch of one step, so nothing is cut or joined on the way, and the blocks come in order. Each
worker opens its own datasets over the rows that are its own (`trs.data.stream.batch_rows`), instead of a
`streaming_split` of one dataset over all workers: which rows a worker gets is then a function of the step, not of who
asked first, a resumed run starts at its row without reading those before, and the plan stays short however long
the training is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import cv2
import ray
import ray.data
from ray.data import DataContext, ExecutionResources
from ray.data.block import Block, BlockAccessor, BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from trs.data.stream import Rows, Stream
from trs.loop import OpenBatches, StepRows

SEGMENT = 1000
"""Steps planned as one dataset; a plan of a whole long training would hold a million tasks."""
READ_AHEAD = 4
"""Batches that wait, decoded, in front of a worker."""


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


def open_batches(streams: dict[str, ray.ObjectRef], data_cpus: float) -> OpenBatches:
    """How a worker reads its batches.

    Args:
        streams: `trs.data.stream.Stream`s in the object store, by name.
        data_cpus: CPUs of this worker's reading tasks, shared among the streams that it reads.
    """
    def read(steps: Iterator[StepRows]) -> Iterator[dict[str, Rows]]:
        while segment := list(itertools.islice(steps, SEGMENT)):
            names = segment[0].keys()
            batches = {name: _batches(streams[name], [rows[name] for rows in segment], data_cpus / len(names))
                       for name in names}
            for _ in segment:
                yield {name: next(stream) for name, stream in batches.items()}

    return read


def _batches(stream: ray.ObjectRef, steps: list[range], cpus: float) -> Iterator[Rows]:
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    dataset = ray.data.read_datasource(StepSource(stream, steps), num_cpus=min(1.0, cpus),
                                       override_num_blocks=len(steps))
    dataset.context.execution_options.preserve_order = True
    dataset.context.execution_options.resource_limits = ExecutionResources.for_limits(cpu=cpus)
    yield from dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=READ_AHEAD)
