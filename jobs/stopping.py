"""A command that gets SIGTERM: its trainings save a checkpoint and end, and the same command goes on with --resume."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STOP_FILE = "stop"
"""In the folder of a run, a search or a table, while it is being stopped."""


class Stopped(Exception):
    """The command got SIGTERM, and what it ran has saved its state."""


@contextlib.contextmanager
def stop_gently(folder: Path) -> Iterator[None]:
    """While the context lasts, the first SIGTERM asks the workers below `folder` to save and end, the second ends all.

    Raises:
        Stopped: when the context is left after a SIGTERM.
    """
    file = folder / STOP_FILE
    file.unlink(missing_ok=True)

    def ask(number: int, frame: Any) -> None:
        if file.exists():
            sys.exit(128 + number)
        print("stopping after this step; a second SIGTERM ends it at once", file=sys.stderr, flush=True)
        file.touch()

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if asked := file.exists():
            file.unlink()
    if asked:
        raise Stopped
