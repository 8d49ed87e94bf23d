"""Files and folders that appear whole or not at all.

Whoever reads them, and whatever happens meanwhile, finds the old content or the new one. Each writer writes under a
name of its own, so that two writers of one file do not meet.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with whole_file(path) as partial:
        partial.write_text(text)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, of the same ending; what is written there becomes `path` when the context ends well."""
    partial = _partial(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """Give a new folder to fill, which becomes `path` when the context ends well.

    Args:
        path: of the folder.
        replace: whether it takes the place of an older one; of several writers at the same time one wins.

    Raises:
        FileExistsError: `path` exists by then, and is not to be replaced.
    """
    partial, before = _partial(path), _partial(path)
    partial.mkdir(parents=True)
    try:
        yield partial
        if replace:
            with contextlib.suppress(OSError):  # there is none, or another writer was faster
                os.rename(path, before)
        try:
            os.rename(partial, path)
        except OSError as error:
            if not path.exists():
                if before.exists():
                    os.rename(before, path)
                raise
            if not replace:
                raise FileExistsError(f"{path} exists already; delete it or name another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def leftovers(path: Path) -> Iterator[Path]:
    """Find what writers that were killed have left of a file or folder; `path` may be a pattern such as `NAME_*`."""
    return path.parent.glob(f".{path.stem}.*.partial{path.suffix}")


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
