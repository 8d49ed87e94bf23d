"""A command that is told to stop: its trainings save a checkpoint and end, and the same command goes on with --resume.

SIGTERM comes from `kill` and `ray job stop`, SIGINT from Ctrl-C.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray.train.torch
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.execution.context import get_train_context

from trs.errors import Interruption

STOP_FILE = "stop"
"""In the folder of a run, a search or a table, while it is being stopped."""


class Stopped(Exception):
    """The command was told to stop, and what it ran has saved its state.

    code: the exit code of a process that ends by this signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextlib.contextmanager
def stop_gently(folder: Path) -> Iterator[None]:
    """While the context lasts, the first signal asks the workers below `folder` to save and end, the second ends all.

    Raises:
        Stopped: when the context is left after a signal.
        SystemExit: the second signal.
    """
    file = folder / STOP_FILE
    file.unlink(missing_ok=True)
    heard: list[int] = []

    def ask(number: int, frame: Any) -> None:
        heard.append(number)
        if len(heard) > 1:
            sys.exit(128 + number)
        file.touch()
        print("saving, then stopping; a second Ctrl-C or SIGTERM ends it at once", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        file.unlink(missing_ok=True)
    if heard:
        raise Stopped(heard[0])


def aside(work: Callable[[], None]) -> None:
    """Do the work in another thread, and wait for its end or its error.

    In the main one Ray Train and Ray Tune would take Ctrl-C for themselves, and end without a checkpoint.
    """
    ended: Future[None] = Future()

    def do() -> None:
        try:
            work()
            ended.set_result(None)
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    ended.result()


_LOOK_SECONDS = 0.5


_terminated = threading.Event()


@dataclass
class Watch:
    """Asked by a worker after each step.

    file: that a stopping command leaves.
    """

    file: Path
    _looked: float = field(default=0.0, init=False)

    def __call__(self) -> Interruption | None:
        """Why this worker ought to stop, if it ought to."""
        if self._told_to_stop():
            return Interruption.STOP
        return Interruption.LEAVE if _terminated.is_set() or preempted() else None

    def _told_to_stop(self) -> bool:
        """Looked up now and then, for the file may lie on another machine."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return self.file.exists()


def preempted() -> bool:
    """Whether the node of any worker is being drained.

    Ray's public `ray.train.get_preemption_info` would make all workers wait for one another in each step.
    """
    return get_train_context().preemption_context.preemption_info is not None


def _catch_sigterm() -> None:
    def note(number: int, frame: Any) -> None:
        if _terminated.is_set():
            sys.exit(128 + number)
        _terminated.set()

    signal.signal(signal.SIGTERM, note)


class _Backend(_TorchBackend):
    """Only a worker's main thread may set signal handlers; the training runs in another one."""

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        super().on_training_start(worker_group, backend_config)
        worker_group.execute(_catch_sigterm)


@dataclass
class TorchConfig(ray.train.torch.TorchConfig):
    """Ray Train's process group, whose workers notice SIGTERM."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """What sets the process group up."""
        return _Backend
