"""Files and folders that appear whole or not at all, and files that end when they are read.

Whoever reads what is written here, and whatever happens meanwhile, finds the old content or the new one. Each writer
writes under a name of its own, so that two writers of one file do not meet. A file from elsewhere may be a pipe that
never ends or a device that never runs dry; only regular files of a bounded size are read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

LONGEST_NAME = 255
"""Bytes of the longest name of a file that the file systems take."""
LONGEST_PATH = 3800
"""Bytes of the longest path to a folder: Linux takes 4,095, and something is to lie in it."""
LARGEST = 2 << 30
"""Bytes of the largest file that is read unless a reader says otherwise: far beyond any annotations or weights."""


_HALF_OF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class Unreadable(OSError):
    """It is no regular file, or too large: it will be no other the next time, as a storage that is away may be."""


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes.

    Raises:
        Unreadable: it is none; a pipe without a writer does not block.
        OSError: it is absent, or cannot be opened otherwise.
    """
    return open(path, "rb", opener=_descriptor)


def read_bytes(path: Path, limit: int = LARGEST) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        Unreadable: it is larger, or no regular file.
        OSError: it is absent, or cannot be read otherwise.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read() if size <= limit else b""
    if max(size, len(content)) > limit:  # the latter where it grew meanwhile, or the file system knows no sizes
        raise Unreadable(errno.EFBIG, f"is larger than {limit} bytes", str(path))
    return content


def read_text(path: Path, limit: int = LARGEST) -> str:
    """Read a regular file of UTF-8, with a byte order mark or without.

    Raises:
        OSError: see `read_bytes`.
        ValueError: it is not UTF-8.
    """
    return as_text(read_bytes(path, limit))


def read_json(path: Path, limit: int = LARGEST) -> Any:
    """Read a regular file of JSON.

    Raises:
        OSError: see `read_bytes`.
        ValueError: see `parse_json`.
    """
    return parse_json(read_bytes(path, limit))


def parse_json(content: bytes) -> Any:
    """Read plain values from JSON, whose numbers may be NaN or infinite.

    Raises:
        ValueError: it is not UTF-8, not JSON, nested too deep, or has an integer of thousands of digits or a text that
            no file can hold; the message says which.
    """
    text = as_text(content)
    try:
        found = json.loads(text)
        if _HALF_OF_A_PAIR.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("a text in it holds half of a surrogate pair") from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise ValueError("an integer in it has thousands of digits") from error
    return found


def is_finite(value: object) -> bool:
    """Whether a value of a file is a number that a float holds, and neither NaN nor infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def as_text(content: bytes) -> str:
    """Read text from UTF-8, with a byte order mark or without.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, in UTF-8 whatever the locale is."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


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


def try_to_write(path: Path) -> None:
    """Find out whether a file can be written, and leave everything as it is.

    Raises:
        Unreadable: what lies there is no regular file, such as a pipe, which no file is to take the place of.
        OSError: it cannot be written otherwise.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(errno.EINVAL, "is not a regular file", str(path))
    except FileNotFoundError:
        pass
    partial = _partial(path)
    partial.touch()
    partial.unlink()


def shortened(name: str, room: int) -> str:
    """The beginning of a file's name that takes at most so many bytes."""
    while len(os.fsencode(name)) > room:
        name = name[:-1]
    return name


def leftovers(path: Path) -> Iterator[Path]:
    """Find what writers that were killed have left of a file or folder; `path` may be a pattern such as `NAME_*`."""
    return path.parent.glob(f".{path.stem}.*.partial{path.suffix}")


def _partial(path: Path) -> Path:
    ending = f".{secrets.token_hex(4)}.partial{path.suffix}"
    return path.with_name(f".{shortened(path.stem, LONGEST_NAME - len(os.fsencode(ending)) - 1)}{ending}")


def _descriptor(name: str, flags: int) -> int:
    try:
        descriptor = os.open(name, flags | os.O_NONBLOCK)  # else a pipe waits here for its writer
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ELOOP):  # a socket, a device that is not there, a link to itself
            raise Unreadable(errno.EINVAL, "is not a regular file", name) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(errno.EINVAL, "is not a regular file", name)
    return descriptor
