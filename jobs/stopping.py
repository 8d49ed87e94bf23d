"""A command that is told to stop: its trainings save a checkpoint and end, and the same command goes on with --resume.

SIGTERM comes from `kill` and `ray job stop`, SIGINT from Ctrl-C.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

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
