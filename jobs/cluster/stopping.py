"""How Ctrl-C and SIGTERM become a checkpoint.

    SIGTERM, SIGHUP or Ctrl-C           `kill`, `timeout`, `ray job stop`, a pod that ends, a terminal that closes, a
    to the command                      person: the command leaves a file in the folder (`stop_gently`), which the
                                        workers see (`StopSignal`)
    SIGUSR1, SIGUSR2, SIGXCPU           the same, from a batch system whose time is over: Slurm's --signal, SGE's
                                        -notify, LSF's limits
    SIGTERM to a worker                 a machine that shuts down
    a node that is drained              `ray drain-node`, a Kubernetes pod that ends, `jobs/deploy/spot.py`

Workers ask after each step; the loop saves, and raises `trs.errors.Interrupted`. After the first the run ends, to be
resumed with --resume; after the others Ray restarts it elsewhere.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil
import ray

from jobs.cluster.failures import OfMachine
from jobs.cluster.ray_private import ProcessGroup, ProcessGroupConfig, is_being_drained, start_no_cluster
from jobs.cluster.waiting import Head
from jobs.run_folder.layout import STOP_FILE
from jobs.run_folder.lease import Lease
from trs.errors import Interruption

_POLL_SECONDS, _LOOK_SECONDS = 0.5, 2.0
_ONE_SIGNAL_SECONDS = 1.0
"""`timeout` sends its signal to the command and at once again to the group that the command is in."""
_LEAVE_SECONDS = 10.0
SAVE_SECONDS = 60.0
"""That workers have to save, once a stop is asked for: a step and a checkpoint take less, one that hangs for ever."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
"""What asks a command to end."""
_terminated, _hangs = threading.Event(), threading.Event()


class Stopped(Exception):
    """The command was asked to stop, and what it ran has saved its state.

    code: the exit code of a process that ends by this signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@dataclass
class Stop:
    """What a signal has asked for.

    file: that the workers see.
    lease: of the command; who has lost it leaves the next holder's file alone.
    number: of the signal; None as long as none was heard.
    asked: when, by `time.monotonic`.
    """

    file: Path
    lease: Lease
    number: int | None = None
    asked: float = 0.0

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Ask the workers to save; a second time, end the command."""
        if self.number is None:
            self.number, self.asked = number, time.monotonic()
            try:
                if not self.lease.is_lost:
                    self.file.touch()
            except OSError:  # a full disk: the workers cannot be asked
                self.asked = -math.inf
            print("saving, then stopping; a second Ctrl-C or SIGTERM ends it at once", file=sys.stderr, flush=True)
        elif time.monotonic() - self.asked > _ONE_SIGNAL_SECONDS:
            sys.exit(128 + number)

    @property
    def is_overdue(self) -> bool:
        """Whether the workers have had their time to save."""
        return self.number is not None and time.monotonic() - self.asked > SAVE_SECONDS


def _heard() -> list[signal.Signals]:
    """What asks a command to end, but for what it was started to ignore."""
    return [number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def stop_gently(folder: Path, lease: Lease) -> Iterator[Stop]:
    """While the context lasts, the first signal asks the workers below `folder` to save and end, the second ends all.

    Signals that the command was started to ignore, as `nohup` does with SIGHUP, stay ignored.

    Args:
        folder: of the runs.
        lease: of this command.

    Raises:
        Stopped: when the context is left after a signal.
        SystemExit: the second signal.
    """
    stop = Stop(folder / STOP_FILE, lease)
    stop.file.unlink(missing_ok=True)
    before = {number: signal.signal(number, stop.hear) for number in _heard()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if not lease.is_lost:
            stop.file.unlink(missing_ok=True)
    if stop.number is not None:
        raise Stopped(stop.number)


class Terminated(SystemExit):
    """A signal has ended the command where there was nothing to save."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = signal.Signals(number)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


def end_on_signals() -> None:
    """Have what asks a command to end raise an exception, as Ctrl-C does: what is open is closed, and the exit code
    says what it was. While there is something to save, `stop_gently` hears the signals.
    """
    for number in _heard():
        if number != signal.SIGINT:
            signal.signal(number, _terminate)


@contextlib.contextmanager
def finish_first(hasten: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While the context lasts, signals wait: what it does is short, and must be done whatever ends the command.

    Args:
        hasten: called at a signal.

    Raises:
        Stopped: when the context is left without another error, and a signal was heard meanwhile.
    """
    heard = list[int]()

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        hasten()

    before = {number: signal.signal(number, hear) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise Stopped(heard[0])


def run_aside(work: Callable[[], None], stop: Stop) -> None:
    """Do the work in another thread, and wait for its end or its error.

    In the main one Ray Train and Ray Tune would take Ctrl-C for themselves, and end without a checkpoint. Workers that
    hang do not hold the end: once they have had their time to save, the cluster is left without them.

    Raises:
        Lost: the folder that the work writes is another command's by now, or gone; the work is left where it is.
        OfMachine: the cluster's head is lost.
    """
    ended: Future[None] = Future()

    def do() -> None:
        try:
            work()
            ended.set_result(None)
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    head = Head(ended.done) if ray.is_initialized() else None
    try:
        while not wait([ended], timeout=_LOOK_SECONDS).done:
            stop.lease.require()
            if head is not None and head.is_lost():
                _leave_cluster(ended)
                raise OfMachine("the cluster's head has died or hangs; what was trained goes on from its last "
                                "checkpoint")
            if stop.is_overdue:
                print(f"what has not saved within {SAVE_SECONDS:.0f} s is given up: it goes on from its last "
                      "checkpoint", file=sys.stderr, flush=True)
                return _leave_cluster(ended)
    except SystemExit:  # a second signal
        _leave_cluster(ended)
        raise
    if ended.exception() is not None:
        stop.lease.require()  # what it has failed from may be that
    ended.result()


def _leave_cluster(ended: Future[None]) -> None:
    """End what this command has running, while its work is still asked to stop: it starts and records nothing more."""
    start_no_cluster()  # else the work's next call would
    leaving = threading.Thread(target=ray.shutdown, daemon=True)  # a head that hangs holds nobody either
    leaving.start()
    leaving.join(_LEAVE_SECONDS)
    if leaving.is_alive():
        _hangs.set()
    wait([ended], timeout=_LEAVE_SECONDS)


def end(code: int) -> NoReturn:
    """End this process, also where Ray's own end would wait for a head that hangs.

    Args:
        code: its exit code.

    Raises:
        SystemExit: where nothing hangs.
    """
    if not _hangs.is_set():
        sys.exit(code)
    for process in psutil.Process().children(recursive=True):  # a cluster of one's own ends with its command
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


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


class _Signaled(ProcessGroup):
    """Workers that note SIGTERM instead of ending at once; a second one ends them."""

    @staticmethod
    def in_main_thread() -> None:
        def note(number: int, frame: FrameType | None) -> None:
            if _terminated.is_set():
                sys.exit(128 + number)
            _terminated.set()

        signal.signal(signal.SIGTERM, note)


@dataclass
class SignaledConfig(ProcessGroupConfig):
    """A process group of workers that note SIGTERM."""

    @property
    def backend_cls(self) -> type[ProcessGroup]:
        """The class that sets the process group up."""
        return _Signaled
