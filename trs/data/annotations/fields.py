"""Checked values from annotation files: whatever is wrong is reported with the file and the record."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, isnan, nan
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from trs import files
from trs.errors import InputError, printable


def read_json(path: Path) -> Any:
    """The content of a JSON file in UTF-8.

    Raises:
        InputError: it is missing, no regular file, or not JSON.
    """
    try:
        return files.parse_json(files.read_bytes(path))
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; check its name and its folder") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"cannot read {path} as JSON: {error}") from error


Identity = int | str
"""What an id is compared by: a whole number, whether it is written as 7, 7.0 or "7", or else a text."""
_LARGEST = 2**63 - 1
_DIGITS = len(str(_LARGEST))


def identity(value: Any) -> Identity | None:
    """What an id of any spelling is compared by; None if it is no id at all."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        return value if 0 <= value <= _LARGEST else str(value)
    if isinstance(value, float):
        if not isfinite(value):
            return None
        return int(value) if value.is_integer() and 0 <= value < _LARGEST else repr(value)
    if value.isascii() and value.isdecimal() and len(value) <= _DIGITS and str(number := int(value)) == value:
        return number if number <= _LARGEST else value
    return value or None


_FLAGS = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True, "": False, None: False}


def flag(value: Any) -> bool | None:
    """What a flag says, as 0, 1, true, "0" or left out; None if that cannot be told."""
    key = value.strip().lower() if isinstance(value, str) else value
    try:
        return _FLAGS.get(key)
    except TypeError:  # a list or an object
        return None


def finite(value: Any) -> float:
    """A number, also one that is written as text; NaN if it is none, or not finite. True and false are none."""
    try:
        read = nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return nan
    return read if isfinite(read) else nan


def numbers_or_nan(value: Any) -> np.ndarray:
    """The numbers in a list of any nesting, flat; what is no finite number becomes NaN, what is no list is empty."""
    if not isinstance(value, list | tuple):
        return np.empty(0)
    try:
        values = np.array(value, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        values = np.array([float(item) if isinstance(item, bool) else finite(item) for item in _flat(value)])
    return np.where(np.isfinite(values), values, np.nan)


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def named(record: Any, index: int) -> str:
    """How a message names a record: by its id, or by its place in the list."""
    identifier = record.get("id") if isinstance(record, dict) else None
    return f"at place {index}" if identity(identifier) is None else printable(str(identifier))


def number(path: Path, record: dict[str, Any], key: str) -> Any:
    """A finite number of a record, or InputError."""
    value = record.get(key)
    if not isinstance(value, int | float) or isnan(finite(value)):
        raise InputError(f"{path}: record {record.get('id', '?')} has no finite number under {key!r}")
    return value


def numbers(path: Path, record: dict[str, Any], key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Finite numbers of a record as an array of this shape, or InputError."""
    try:
        values = np.array(record.get(key), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all():
        expected = "x".join(str(length) for length in shape)
        name = printable(str(record.get("id", "?")))
        raise InputError(f"{path}: record {name} needs {expected} finite numbers under {key!r}")
    return values


def file_name(path: Path, record: dict[str, Any], key: str) -> str:
    """An image's name below its folder, or InputError."""
    name = record.get(key)
    if not isinstance(name, str) or not name:
        raise InputError(f"{path}: record {record.get('id', '?')} names no file under {key!r}")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(f"{path}: image {record.get('id', '?')} points outside its folder: "
                         f"{printable(repr(name))}")
    return name


def is_list_of(content: Any, *keys: str) -> bool:
    """Whether the content of a file is a list whose first record has these keys."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and set(keys) <= first.keys()


def checked(path: Path, content: list[Any]) -> list[dict[str, Any]]:
    """The records of a list, or InputError if one of them is not a record."""
    for index, record in enumerate(content):
        if not isinstance(record, dict):
            raise InputError(f"{path}: record {index} is not an object but {type(record).__name__}")
    return content
