"""Named pipes for tests of what reads files: a reader that is not on its guard gets content, and does not hang."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


def make_pipe(path: Path, content: bytes = b"") -> None:
    """Make a named pipe that gives this content to the first who waits for it."""
    os.mkfifo(path)

    def give() -> None:
        with contextlib.suppress(OSError):  # who is on his guard has gone before it comes
            path.write_bytes(content)

    threading.Thread(target=give, daemon=True).start()
