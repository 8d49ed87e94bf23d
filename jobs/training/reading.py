"""The training streams as Ray Data datasets.

Each worker reads the rows that are its own (`trs.data.stream.batch_rows`), instead of its part of a `streaming_split`:
which rows a worker gets is then a function of the step and not of who asked first, and a resumed run starts at its row
without reading those before. Blocks are coarse and come in order; a batch is a view into one.

A stream is read in windows, each a small dataset that Ray Data executes to its end while the one before it is consumed.
One long dataset would be throttled by its consumer, and Ray 2.60's executor polls without a pause while it is
throttled: inside of a training process that took two thirds of the interpreter's time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import ray
import ray.data
from ray.data import DataContext, Dataset

from jobs.training.source import BatchSource
from trs.data.reader import Rows, delayed

if TYPE_CHECKING:
    from trs.loop import OpenBatches, ShareRows

WINDOW_BYTES = 64 * 2**20
"""Decoded pictures in a window of one stream; two windows of each stream are held."""
FIRST_WINDOW = 4
"""Steps in the first window, so that the training begins soon; each further one has twice as many, up to the limit."""
STARVED_SECONDS = 45.0
"""After so long without a picture the worker's node reads, whether it has a CPU free or not."""
GIVE_UP_SECONDS = 600.0


def open_batches(streams: dict[str, ray.ObjectRef], data_cpus: float, picture_bytes: int,
                 complain: Callable[[str], object] = lambda sentence: None) -> OpenBatches:
    """How a worker reads its batches.

    Args:
        streams: `trs.data.stream.Stream`s in the object store, by name.
        data_cpus: CPUs of this worker's reading tasks, shared among the streams that it reads.
        picture_bytes: of one decoded crop.
        complain: told when no CPU is free for the reading tasks.
    """
    def read(shares: Iterator[ShareRows]) -> Iterator[dict[str, Rows]]:
        reader = _Reader(streams, data_cpus, complain)
        try:
            started = (reader.start(window) for window in _windows(shares, picture_bytes))
            for window in delayed(started, depth=1):
                batches = {name: _batches(*reader.finish(reading)) for name, reading in window.items()}
                for columns in zip(*batches.values(), strict=True):
                    yield dict(zip(batches, columns, strict=True))
        finally:
            reader.close()

    return read


def _windows(shares: Iterator[ShareRows], picture_bytes: int) -> Iterator[list[ShareRows]]:
    size = FIRST_WINDOW
    while window := list(islice(shares, size)):
        yield window
        batch_bytes = picture_bytes * max(len(rows) for rows in window[0].values())
        size = max(FIRST_WINDOW, min(2 * size, WINDOW_BYTES // batch_bytes))


@dataclass(frozen=True)
class _Window:
    """One stream's part of some steps, and the CPUs that it may be read with."""

    stream: ray.ObjectRef
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
    or several trainings may hold all that are left; slow pictures are then better than none.
    """

    streams: dict[str, ray.ObjectRef]
    cpus: float
    complain: Callable[[str], object]
    _starved: list[Future[Dataset]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._reserved, self._unreserved = (ThreadPoolExecutor(len(self.streams)) for _ in range(2))

    def start(self, shares: list[ShareRows]) -> dict[str, tuple[_Window, Future[Dataset]]]:
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
                self.complain(f"no picture has come for {STARVED_SECONDS:.0f} s: no CPU is free to read, or the "
                              "storage is slow; this worker's node now reads beside its work")
            self._starved.append(future)
            futures = [future, self._submit(window)]
            future = next(iter(wait(futures, GIVE_UP_SECONDS, FIRST_COMPLETED).done), future)
        if not future.done():
            raise RuntimeError(f"no picture has come for {GIVE_UP_SECONDS:.0f} s; does the storage answer?")
        return future.result(), len(window.rows[0])

    def close(self) -> None:
        """Whoever breaks off does not wait for what is being read."""
        for pool in (self._reserved, self._unreserved):
            pool.shutdown(wait=False, cancel_futures=True)

    def _starving(self) -> bool:
        """Until the windows that waited in vain have got their CPUs after all."""
        self._starved = [future for future in self._starved if not future.done()]
        return bool(self._starved)

    def _submit(self, window: _Window) -> Future[Dataset]:
        if self._starving():
            return self._unreserved.submit(window.read, reserve=False)
        return self._reserved.submit(window.read, reserve=True)


def _batches(window: Dataset, batch_size: int) -> Iterator[Rows]:
    return iter(window.iter_batches(batch_size=batch_size, batch_format="numpy", prefetch_batches=2))
