"""Checked values from annotation files: whatever is wrong is reported with the file and the record."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from trs.errors import InputError


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; check data.root and the annotation paths") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"cannot read {path} as JSON: {error}") from error


def number(path: Path, record: dict[str, Any], key: str) -> Any:
    """A finite number of a record, or InputError."""
    value = record.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
        raise InputError(f"{path}: record {record.get('id', '?')} has no finite number under {key!r}")
    return value


def numbers(path: Path, record: dict[str, Any], key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Finite numbers of a record as an array of this shape, or InputError."""
    try:
        values = np.array(record.get(key), dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all():
        expected = "x".join(str(length) for length in shape)
        raise InputError(f"{path}: record {record.get('id', '?')} needs {expected} finite numbers under {key!r}")
    return values


def file_name(path: Path, record: dict[str, Any], key: str) -> str:
    """An image's name below its folder, or InputError."""
    name = record.get(key)
    if not isinstance(name, str) or not name:
        raise InputError(f"{path}: record {record.get('id', '?')} names no file under {key!r}")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(f"{path}: image {record.get('id', '?')} points outside its folder: {name!r}")
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
