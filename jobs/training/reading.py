"""The training streams, read by Ray Data.

Each worker reads the rows that are its own (`trs.data.sampler.batch_rows`), instead of its part of a `streaming_split`:
which rows a worker gets is then a function of the step and not of who asked first, and a resumed run starts at its row
without reading those before. Blocks are coarse and come in order; a batch is a view into one.

A stream is read in windows, each a small dataset that Ray Data executes to its end while the one before it is consumed.
One long dataset would be throttled by its consumer, and Ray 2.60's executor polls without a pause while it is
throttled: inside of a training process that took two thirds of the interpreter's time.

Reading tasks import this module and what it needs, so it stays clear of torch: a reading process starts in seconds and
needs little memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import groupby, islice

import cv2
import numpy as np
import ray
import ray.data
from ray.data import DataContext, Dataset
from ray.data.block import Block, BlockAccessor, BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from jobs.config import WINDOW_BYTES
from trs.config import Config
from trs.data.person_table import PersonTable
from trs.data.reader import Rows, Stream, delayed, stream_of

FIRST_WINDOW = 4
"""Steps in the first window, so that the training begins soon; each further one has twice as many, up to the limit."""
STARVED_SECONDS = 45.0
"""After so long without an image the worker's node reads, whether it has a CPU free or not."""
GIVE_UP_SECONDS = 600.0


_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredStream:
    """A `trs.data.reader.Stream` whose people lie in the object store.

    people: the reference of a `PersonTable`.
    flip_order: the keypoint that each keypoint becomes in a mirror image, see `trs.data.reader.Stream`.
    config: of the training.
    """

    people: ray.ObjectRef[PersonTable]
    flip_order: list[int] | None
    config: Config

    def load(self) -> Stream:
        """The stream, with the table in the node's shared memory."""
        return stream_of(ray.get(self.people), self.flip_order, self.config)


def read_shares(streams: dict[str, StoredStream], data_cpus: float, shares: Iterator[dict[str, range]]
                ) -> Iterator[dict[str, Rows]]:
    """Read the rows of a worker's shares, one after the other and ahead of their use.

    Args:
        streams: by name.
        data_cpus: CPUs of this worker's reading tasks, shared among the streams that it reads.
        shares: the rows of each share by stream.
    """
    height, width = next(iter(streams.values())).config.data.input_size
    reader = _Reader(streams, data_cpus)
    try:
        started = (reader.start(window) for window in _windows(shares, 3 * height * width))
        for window in delayed(started, depth=1):
            batches = {name: _batches(*reader.finish(reading)) for name, reading in window.items()}
            for columns in zip(*batches.values(), strict=True):
                yield dict(zip(batches, columns, strict=True))
    finally:
        reader.close()


def _names(rows: dict[str, range]) -> tuple[str, ...]:
    return tuple(rows)


def _windows(shares: Iterator[dict[str, range]], image_bytes: int) -> Iterator[list[dict[str, range]]]:
    size = FIRST_WINDOW
    for _, alike in groupby(shares, _names):  # a burn-in reads one stream, what follows both
        while window := list(islice(alike, size)):
            yield window
            batch_bytes = image_bytes * max(len(rows) for rows in window[0].values())
            size = max(FIRST_WINDOW, min(2 * size, WINDOW_BYTES // batch_bytes))


@dataclass(frozen=True)
class _Window:
    """One stream's part of some steps, and the CPUs that it may be read with."""

    stream: StoredStream
    rows: list[range]
    cpus: float

    def read(self, reserve: bool) -> Dataset:
        """Execute it, with a task for each CPU or part of one, which Ray sets aside, or on this node as it is."""
        context = DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        dataset = ray.data.read_datasource(
            BatchSource(self.stream, self.rows), override_num_blocks=math.ceil(self.cpus),
            num_cpus=self.cpus / math.ceil(self.cpus) if reserve else 0,
            label_selector=None if reserve else {"ray.io/node-id": ray.get_runtime_context().get_node_id()})
        dataset.context.execution_options.preserve_order = True
        # Ray Data holds CPUs back for operators that wait for one another, here until one task ran at a time.
        dataset.context.op_resource_reservation_enabled = False
        return dataset.materialize()


@dataclass
class _Reader:
    """Reads windows ahead.

    Workers and reading tasks ask for CPUs independently of one another. After the loss of a node the workers of one
    or several trainings may hold all that are left; slow images are then better than none.
    """

    streams: dict[str, StoredStream]
    cpus: float
    _starved: list[Future[Dataset]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._reserved, self._unreserved = (ThreadPoolExecutor(len(self.streams)) for _ in range(2))

    def start(self, shares: list[dict[str, range]]) -> dict[str, tuple[_Window, Future[Dataset]]]:
        """Begin to read the rows of some steps, each stream on its own."""
        windows = {name: _Window(self.streams[name], [rows[name] for rows in shares], self.cpus / len(shares[0]))
                   for name in shares[0]}
        return {name: (window, self._submit(window)) for name, window in windows.items()}

    def finish(self, reading: tuple[_Window, Future[Dataset]]) -> tuple[Dataset, int]:
        """What was read, and the rows of a step in it.

        Raises:
            RuntimeError: nothing came for GIVE_UP_SECONDS.
        """
        window, future = reading
        if not wait([future], STARVED_SECONDS).done:
            if not self._starving():
                _log.warning(f"no image has come for {STARVED_SECONDS:.0f} s: no CPU is free to read, or the storage "
                             "is slow; this worker's node now reads beside its work")
            self._starved.append(future)
            futures = [future, self._submit(window)]
            future = next(iter(wait(futures, GIVE_UP_SECONDS, FIRST_COMPLETED).done), future)
        if not future.done():
            raise RuntimeError(f"no image has come for {GIVE_UP_SECONDS:.0f} s; does the storage answer?")
        return future.result(), len(window.rows[0])

    def close(self) -> None:
        """End without waiting for what is being read."""
        for pool in (self._reserved, self._unreserved):
            pool.shutdown(wait=False, cancel_futures=True)

    def _starving(self) -> bool:
        """Say whether windows that waited in vain still have not got their CPUs."""
        self._starved = [future for future in self._starved if not future.done()]
        return bool(self._starved)

    def _submit(self, window: _Window) -> Future[Dataset]:
        if self._starving():
            return self._unreserved.submit(window.read, reserve=False)
        return self._reserved.submit(window.read, reserve=True)


def _batches(window: Dataset, batch_size: int) -> Iterator[Rows]:
    return iter(window.iter_batches(batch_size=batch_size, batch_format="numpy", prefetch_batches=2))


class BatchSource(Datasource):
    """A stream's rows; consecutive batches share a reading task, whose start costs as much as many a read."""

    def __init__(self, stream: StoredStream, batches: list[range]) -> None:
        super().__init__()
        self.stream, self.batches = stream, batches

    def estimate_inmemory_data_size(self) -> int | None:
        """Return None: the size is not known before the first batch is read."""
        return None

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None,
                       data_context: DataContext | None = None) -> list[ReadTask]:
        """Make as many tasks as are asked for, each with its part of the batches, in order."""
        parts = np.array_split(np.arange(len(self.batches)), min(parallelism, len(self.batches)))
        return [self._task([self.batches[index] for index in part]) for part in parts]

    def _task(self, batches: list[range]) -> ReadTask:
        rows = sum(len(batch) for batch in batches)
        return ReadTask(_Read(self.stream, batches), BlockMetadata(rows, None, None, None))


class _Read:
    """Read some batches' rows in a Ray task."""

    def __init__(self, stream: StoredStream, batches: list[range]) -> None:
        self.stream, self.batches = stream, batches

    def __call__(self) -> Iterator[Block]:
        cv2.setNumThreads(0)  # the task has a share of a CPU, not the machine
        stream = self.stream.load()
        for rows in self.batches:
            yield BlockAccessor.batch_to_block(stream.read(rows))
