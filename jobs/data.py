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
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import ray
import ray.data
from ray.data import DataContext, Dataset, ExecutionResources

from jobs.source import BatchSource
from trs.data.stream import Rows, delayed

if TYPE_CHECKING:
    from trs.loop import OpenBatches, ShareRows

WINDOW_BYTES = 64 * 2**20
"""Decoded pictures in a window of one stream; two windows of each stream are held."""
FIRST_WINDOW = 4
"""Steps in the first window, so that the training begins soon; each further one has twice as many, up to the limit."""

_PATIENCE_SECONDS = 600.0
TASKS_PER_CPU = 2
"""Reading tasks of a window for each CPU that may read it."""


def open_batches(streams: dict[str, ray.ObjectRef], data_cpus: float, picture_bytes: int) -> OpenBatches:
    """How a worker reads its batches.

    Args:
        streams: `trs.data.stream.Stream`s in the object store, by name.
        data_cpus: CPUs of this worker's reading tasks, shared among the streams that it reads.
        picture_bytes: of one decoded crop.
    """
    def read(shares: Iterator[ShareRows]) -> Iterator[dict[str, Rows]]:
        pool = ThreadPoolExecutor(len(streams))
        try:
            submitted = ({name: pool.submit(_materialize, streams[name], [rows[name] for rows in window],
                                            data_cpus / len(window[0])) for name in window[0]}
                         for window in _windows(shares, picture_bytes))
            for futures in delayed(submitted, depth=1):
                batches = {name: _batches(*_wait(future)) for name, future in futures.items()}
                for columns in zip(*batches.values(), strict=True):
                    yield dict(zip(batches, columns, strict=True))
        finally:  # whoever breaks off does not wait for what is being read
            pool.shutdown(wait=False, cancel_futures=True)

    return read


def _wait(future: Future[tuple[Dataset, int]]) -> tuple[Dataset, int]:
    try:
        return future.result(_PATIENCE_SECONDS)
    except TimeoutError as error:
        raise RuntimeError(f"no picture has come for {_PATIENCE_SECONDS:.0f} s: no CPU is free for the reading tasks, "
                           "or the storage does not answer; lower --train.cpus-per-worker, or add nodes") from error


def _windows(shares: Iterator[ShareRows], picture_bytes: int) -> Iterator[list[ShareRows]]:
    size = FIRST_WINDOW
    while window := list(islice(shares, size)):
        yield window
        batch_bytes = picture_bytes * max(len(rows) for rows in window[0].values())
        size = max(FIRST_WINDOW, min(2 * size, WINDOW_BYTES // batch_bytes))


def _materialize(stream: ray.ObjectRef, shares: list[range], cpus: float) -> tuple[Dataset, int]:
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    dataset = ray.data.read_datasource(BatchSource(stream, shares), num_cpus=min(1.0, cpus),
                                       override_num_blocks=math.ceil(TASKS_PER_CPU * cpus))
    dataset.context.execution_options.preserve_order = True
    dataset.context.execution_options.resource_limits = ExecutionResources.for_limits(cpu=cpus)
    return dataset.materialize(), len(shares[0])


def _batches(window: Dataset, batch_size: int) -> Iterator[Rows]:
    return iter(window.iter_batches(batch_size=batch_size, batch_format="numpy", prefetch_batches=2))
