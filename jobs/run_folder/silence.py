"""No long silence: whenever nothing was printed for a while, a line says what goes on, or what is waited for."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator

SILENCE_SECONDS = 30.0
"""Between two lines of a command that works or waits."""

say = functools.partial(print, flush=True)
"""Print a line that is seen at once, also in a file."""


@contextlib.contextmanager
def break_silence(what: Callable[[], str], tell: Callable[[str], object] = say,
                  said: Callable[[], float] | None = None) -> Iterator[None]:
    """While the context lasts, tell what goes on whenever nothing else was told for SILENCE_SECONDS.

    Args:
        what: the line; it must not wait for anything itself.
        tell: prints it.
        said: when something was told last, by `time.monotonic`; by default whatever this process has printed.
    """
    ended, began = threading.Event(), time.monotonic()
    told = began

    def watch() -> None:
        nonlocal told
        while not ended.wait(0.5):
            last = said() if said is not None else getattr(sys.stdout, "said", began)
            if time.monotonic() - max(last, told) > SILENCE_SECONDS:
                tell(what())
                told = time.monotonic()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
