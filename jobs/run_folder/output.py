"""What a command prints outlives whoever reads it: `| head`, a terminal that closes, a log on a disk that is full."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

OUTPUT_FILE = "output.txt"
"""In the folder of a run or search: what was printed when nobody read it any more."""


class Output:
    """A text stream that goes on in a file once it cannot be written any more.

    said: when something was written last, by `time.monotonic`.

    Args:
        stream: to write to, over a file descriptor.
        file: that takes its place.
    """

    def __init__(self, stream: IO[str], file: Path) -> None:
        self.stream, self.file, self.said = stream, file, time.monotonic()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write, and at the end of a line see to it that it has arrived."""
        self.said = time.monotonic()
        try:
            written = self.stream.write(text)
            if "\n" in text:
                self.stream.flush()
            return written
        except OSError:
            self._go_on_in_file()
            if getattr(self.stream, "write_through", False):  # as PYTHONUNBUFFERED makes it: it has kept nothing
                self.stream.write(text)
            return len(text)

    def flush(self) -> None:
        """Flush."""
        try:
            self.stream.flush()
        except OSError:
            self._go_on_in_file()

    def _go_on_in_file(self) -> None:
        """Point the descriptor elsewhere: what the stream still holds, and whatever else writes to it, goes there."""
        try:
            there = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError:  # the folder's disk may be the full one
            there = os.open(os.devnull, os.O_WRONLY)
        os.dup2(there, self.stream.fileno())
        os.close(there)
        with contextlib.suppress(OSError):
            self.stream.flush()


@contextlib.contextmanager
def outlive_readers(folder: Path) -> Iterator[None]:
    """While the context lasts, output that nobody takes any more goes on in a file in the folder."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Output(stream, folder / OUTPUT_FILE) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
