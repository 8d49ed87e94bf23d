"""The images that a COCO file lists, found again by whatever other records call them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from trs.data.annotations.fields import Identity, finite, identity
from trs.data.annotations.left_out import Findings
from trs.errors import InputError, printable


@dataclass(frozen=True, eq=False)
class ListedImages:
    """n images, a row each.

    rows: by what their ids are compared by.
    ids: [n] int64, or texts where the file's ids are not all whole numbers.
    files: [n] str, the file names; "" where the file has none.
    sizes: [n, 2] int64, height and width; 0 where the file does not declare them.
    """

    rows: dict[Identity, int]
    ids: np.ndarray
    files: np.ndarray
    sizes: np.ndarray

    def find(self, written: Any) -> int | None:
        """The row of the image that a record calls so: by its id, in either file's spelling; None if it is not listed.

        Detectors write 139 for "000000000139", or an image's name, with its ending or without, where its ids are not.
        """
        key = identity(written)
        if key is None:
            return None
        row = self.rows.get(key)
        if row is None and isinstance(key, str):
            row = self.rows.get(int(key)) if key.isascii() and key.isdecimal() and len(key) < 20 else None
            row = self._by_name.get(key) if row is None else row
        if row is None and isinstance(key, int):
            row = self._by_number.get(key)
        return row

    def finder(self, records: Collection[Any], findings: Findings) -> Callable[[dict[str, Any]], int | None]:
        """What finds the rows of the images of all these records, which call them in one way.

        A file name decides. Without one a number may be an id, or, as ultralytics writes it, the number in the image's
        name; where only the latter finds all, it is meant, and where both do, the ids, which is said.
        """
        contrary = sum(isinstance(record, dict) and self._contradicts_itself(record) for record in records)
        if contrary:
            findings.notes.append(f"{contrary:,} {'record names' if contrary == 1 else 'records name'} one image by "
                                  "file_name and another by image_id: the file_name decides")
        numbers = {identity(record.get("image_id")) for record in records
                   if isinstance(record, dict) and "file_name" not in record}
        named = all(self._by_stem.get(number) is not None for number in numbers)
        numbered = named and not numbers <= self.rows.keys()
        if named and not numbered and any(self._by_stem[number] != self.rows[number] for number in numbers if number):
            findings.notes.append("image ids are read as ids, though they are the numbers in other images' names too; "
                                  "give the records a file_name if these are meant")

        def find(record: dict[str, Any]) -> int | None:
            name = record.get("file_name")
            row = self._by_name.get(name) if isinstance(name, str) else None
            if row is None and numbered:
                row = self._by_stem.get(identity(record.get("image_id")))
            return self.find(record.get("image_id")) if row is None else row

        return find

    def _contradicts_itself(self, record: dict[str, Any]) -> bool:
        """Whether a record's file name and its id, however that is meant, are those of two images."""
        name, number = record.get("file_name"), identity(record.get("image_id"))
        row, meant = self._by_name.get(name) if isinstance(name, str) else None, self.find(number)
        return row is not None and meant is not None and row not in (meant, self._by_stem.get(number))

    @cached_property
    def _by_stem(self) -> dict[Identity | None, int | None]:
        """By the number that an image is named by: 139 for 000000000139.jpg."""
        return _unique((int(stem), row) for row, file in enumerate(self.files.tolist())
                       if (stem := PurePosixPath(file.replace("\\", "/")).stem).isascii() and stem.isdecimal()
                       and len(stem) < 20)

    @cached_property
    def _by_name(self) -> dict[str, int | None]:
        """By file name, by its last part, and by that without its ending; None where several are called so."""
        return _unique((name, row) for row, file in enumerate(self.files.tolist()) if file
                       for path in (PurePosixPath(file.replace("\\", "/")),)
                       for name in {file, path.name, path.stem})

    @cached_property
    def _by_number(self) -> dict[int, int | None]:
        """By the number that an id of digits stands for."""
        return _unique((int(key), row) for key, row in self.rows.items()
                       if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 20)


def _unique(found: Iterable[tuple[Any, int]]) -> dict[Any, int | None]:
    rows: dict[Any, int | None] = {}
    for name, row in found:
        rows[name] = row if rows.get(name, row) == row else None
    return rows


def list_images(path: Path, records: list[dict[str, Any]], findings: Findings) -> ListedImages:
    """Read a file's list of images.

    Raises:
        InputError: an id that occurs twice, or that numpy would merge with another.
    """
    rows: dict[Identity, int] = {}
    kept: list[dict[str, Any]] = []
    for record in records:
        key = identity(record.get("id"))
        if key is None:
            continue
        if isinstance(key, str) and key.endswith("\0"):  # an array of texts ends them before that
            raise InputError(f"{path}: image id {printable(key)} ends in a zero byte; take that off")
        if key in rows:
            if record == kept[rows[key]]:
                continue
            raise InputError(f"{path}: image id {printable(str(key))} occurs twice; ids must be unique")
        rows[key] = len(kept)
        kept.append(record)
    if len(kept) < len(records):
        findings.notes.append(f"{len(records) - len(kept):,} records of images without an id of their own are left out")
    nameless = [printable(str(key)) for key, record in zip(rows, kept, strict=True) if not _file(record)]
    if nameless:
        more = ", ..." if len(nameless) > _EXAMPLES else ""
        findings.notes.append(f"{len(nameless):,} {'image has' if len(nameless) == 1 else 'images have'} no file_name: "
                              f"{', '.join(nameless[:_EXAMPLES])}{more}")
    ids = list(rows)
    numbered = all(isinstance(key, int) for key in ids)
    return ListedImages(
        rows, np.array(ids, np.int64) if numbered else np.array([str(key) for key in ids]),
        np.array([_file(record) for record in kept], dtype=np.str_),
        np.array([_size(record) for record in kept], dtype=np.int64).reshape(-1, 2))


_EXAMPLES = 5
_LONGEST_NAME = 4096
"""Characters of the longest path that a system opens."""


def _file(record: dict[str, Any]) -> str:
    name = record.get("file_name")
    return name if isinstance(name, str) and len(name) <= _LONGEST_NAME and not name.endswith("\0") else ""


def _size(record: dict[str, Any]) -> tuple[int, int]:
    """Height and width, 0 0 if they are not both whole and positive."""
    sides = [finite(record.get(side)) for side in ("height", "width")]
    height, width = (int(side) if 0 < side < 2**31 and side.is_integer() else 0 for side in sides)
    return (height, width) if height and width else (0, 0)
