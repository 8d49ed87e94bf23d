"""How Ctrl-C and SIGTERM become a checkpoint.

    SIGTERM or Ctrl-C to the command    `kill`, `ray job stop`, a pod that ends, a person: the command leaves a file in
                                        the folder (`stop_gently`), which the workers see (`StopSignal`)
    SIGTERM to a worker                 a machine that shuts down
    a node that is drained              `ray drain-node`, a Kubernetes pod that ends, `jobs/deploy/spot.py`

Workers ask after each step; the loop saves, and raises `trs.errors.Interrupted`. After the first the run ends, to be
resumed with --resume; after the others Ray restarts it elsewhere.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import ray.train.torch

from jobs.cluster.ray_private import SignalledBackend, is_being_drained
from jobs.run_folder.layout import STOP_FILE
from jobs.run_folder.lease import Lease
from trs.errors import Interruption

_POLL_SECONDS, _LOOK_SECONDS = 0.5, 2.0
_terminated = threading.Event()


class Stopped(Exception):
    """The command was asked to stop, and what it ran has saved its state.

    code: the exit code of a process that ends by this signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextlib.contextmanager
def stop_gently(folder: Path, lease: Lease) -> Iterator[None]:
    """While the context lasts, the first signal asks the workers below `folder` to save and end, the second ends all.

    Args:
        folder: of the runs.
        lease: of this command; who has lost it leaves the next holder's file alone.

    Raises:
        Stopped: when the context is left after a signal.
        SystemExit: the second signal.
    """
    file = folder / STOP_FILE
    file.unlink(missing_ok=True)
    heard: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
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
        if not lease.is_lost:
            file.unlink(missing_ok=True)
    if heard:
        raise Stopped(heard[0])


def run_aside(work: Callable[[], None], lease: Lease) -> None:
    """Do the work in another thread, and wait for its end or its error.

    In the main one Ray Train and Ray Tune would take Ctrl-C for themselves, and end without a checkpoint.

    Raises:
        Lost: the folder that the work writes is another command's by now, or gone; the work is left where it is.
    """
    ended: Future[None] = Future()

    def do() -> None:
        try:
            work()
            ended.set_result(None)
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    while not wait([ended], timeout=_LOOK_SECONDS).done:
        lease.require()
    if ended.exception() is not None:
        lease.require()  # what it has failed from may be that
    ended.result()


@dataclass
class StopSignal:
    """Asked by a worker after each step whether it ought to stop.

    file: that a stopping command leaves.
    """

    file: Path
    _polled: float = field(default=0.0, init=False)

    def __call__(self) -> Interruption | None:
        """Say why this worker ought to stop, if it ought to."""
        if self._stop_is_asked():
            return Interruption.STOP
        return Interruption.LEAVE if _terminated.is_set() or is_being_drained() else None

    def _stop_is_asked(self) -> bool:
        """Look up the file now and then, for it may lie on another machine."""
        if time.monotonic() - self._polled < _POLL_SECONDS:
            return False
        self._polled = time.monotonic()
        return self.file.exists()


class _Backend(SignalledBackend):
    """Ray Train's process group, whose workers note SIGTERM instead of ending at once; a second one ends them."""

    @staticmethod
    def in_main_thread() -> None:
        def note(number: int, frame: FrameType | None) -> None:
            if _terminated.is_set():
                sys.exit(128 + number)
            _terminated.set()

        signal.signal(signal.SIGTERM, note)


@dataclass
class TorchConfig(ray.train.torch.TorchConfig):
    """Ray Train's settings for torch, with workers that note SIGTERM."""

    @property
    def backend_cls(self) -> type[SignalledBackend]:
        """The class that sets the process group up."""
        return _Backend
