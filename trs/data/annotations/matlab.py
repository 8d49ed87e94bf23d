"""Matlab's files, which SciPy reads once their elements are known to be whole: damaged ones crash its reader.

Format: MathWorks, "MAT-File Format", level 5, which Matlab has written since version 5. An element is a tag, its type
and its length, and data; a matrix holds further ones. Compressed elements carry a checksum, others nothing that tells
damage but the tags themselves.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trs.errors import InputError, printable
from trs.files import read_bytes

_HEADER = 128
_ORDERS = {b"IM": "<", b"MI": ">"}
"""Orders of bytes, as the last two of the header are read."""
_MATRIX, _COMPRESSED = 14, 15
_NAME, _LENGTHS, _FLAGS = 1, 5, 6
"""Types of the parts that every matrix begins with, in another order: its flags, its lengths, its name."""
_NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Bytes of a number by its type."""
_LETTERS = {**_NUMBERS, 16: 1, 17: 2, 18: 4}
_CELL, _STRUCTURE, _TEXT, _NUMERIC = 1, 2, 4, range(6, 16)
"""Classes of matrices; others, sparse ones and objects, are no annotations."""
_COMPLEX = 0x800
_DEEPEST = 32
_AT_ONCE = 1 << 20


def read_matlab(path: Path, name: str) -> Any:
    """A variable of a Matlab file, with structures as objects, and lengths of 1 left out.

    Raises:
        InputError: the file is missing, no regular file, damaged, or without this variable.
    """
    import scipy.io  # who reads no file of Matlab's does without its memory

    try:
        content = read_bytes(path)
        _check(content)
        return scipy.io.loadmat(io.BytesIO(content), struct_as_record=False, squeeze_me=True)[name]
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; check its name and its folder") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or printable(str(error))}") from error
    except KeyError as error:
        raise InputError(f"cannot read {name} from {path} as a Matlab file: there is no {error}") from error
    except Exception as error:  # SciPy raises of every kind where a file holds something else than it says
        said = printable(str(error).partition("\n")[0]) or type(error).__name__
        raise InputError(f"cannot read {name} from {path} as a Matlab file: {said}") from error


@dataclass(frozen=True)
class _Element:
    """An element of a file: its type, and where its data lie."""

    kind: int
    start: int
    end: int


def _check(content: bytes) -> None:
    """Raises ValueError unless all elements of a file are whole."""
    order = _ORDERS.get(content[_HEADER - 2:_HEADER])
    if order is None or struct.unpack_from(f"{order}H", content, _HEADER - 4)[0] >> 8 != 1:
        raise ValueError("it is none of version 5 to 7")
    reader = _Reader(content, order)
    for element in reader.elements(_HEADER, len(content)):
        if element.kind == _COMPRESSED:
            _check_compressed(content, element)
        elif element.kind == _MATRIX:
            reader.check_matrix(element, 0)
        else:
            raise ValueError("it is damaged")


def _check_compressed(content: bytes, element: _Element) -> None:
    """Raises ValueError unless the data end with their checksum."""
    stream, rest = zlib.decompressobj(), content[element.start:element.end]
    while rest and not stream.eof:
        try:
            stream.decompress(rest, _AT_ONCE)
        except zlib.error as error:
            raise ValueError("it is damaged") from error
        rest = stream.unconsumed_tail
    if not stream.eof:
        raise ValueError("it is truncated")


@dataclass(frozen=True)
class _Reader:
    """Reads the elements of a file in this order of bytes."""

    content: bytes
    order: str

    def elements(self, start: int, end: int) -> Iterator[_Element]:
        """The elements between two places; ValueError where one leaves them."""
        while start < end:
            if start + 8 > end:
                raise ValueError("it is truncated")
            kind, length = struct.unpack_from(f"{self.order}II", self.content, start)
            small = kind >> 16
            if small:  # type and length in four bytes, the data in the other four
                found, start = _Element(kind & 0xFFFF, start + 4, start + 4 + small), start + 8
            else:
                found = _Element(kind, start + 8, start + 8 + length)
                start = found.end if kind == _COMPRESSED else found.start + (length + 7) // 8 * 8
            if small > 4 or start > end:
                raise ValueError("it is truncated")
            yield found

    def check_matrix(self, element: _Element, depth: int) -> None:
        """Raises ValueError unless a matrix holds what its flags and lengths say, all of it."""
        parts = list(self.elements(element.start, element.end))
        if not parts:  # an empty one
            return
        if depth > _DEEPEST or [part.kind for part in parts[:3]] != [_FLAGS, _LENGTHS, _NAME]:
            raise ValueError("it is damaged")
        flags, lengths = self._integers(parts[0]), self._integers(parts[1])
        if len(flags) != 2 or len(lengths) < 2 or min(lengths) < 0:
            raise ValueError("it is damaged")
        kind, count, inside = flags[0] & 0xFF, math.prod(lengths), parts[3:]
        if kind in (_CELL, _STRUCTURE):
            if kind == _STRUCTURE:
                count, inside = count * self._fields(inside[:2]), inside[2:]
            if len(inside) != count or any(part.kind != _MATRIX for part in inside):
                raise ValueError("it is damaged")
            for part in inside:
                self.check_matrix(part, depth + 1)
            return
        sizes = _LETTERS if kind == _TEXT else _NUMBERS
        if kind != _TEXT and kind not in _NUMERIC:
            raise ValueError("it holds something else than numbers, texts and structures")
        if len(inside) != 1 + bool(flags[0] & _COMPLEX) or not all(
                part.kind in sizes and self._fits(part, count, sizes[part.kind], kind) for part in inside):
            raise ValueError("it is damaged")

    def _integers(self, element: _Element) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.order}{(element.end - element.start) // 4}i", self.content, element.start)

    def _fields(self, parts: list[_Element]) -> int:
        """How many fields a structure has, from the length of a name and all of them."""
        if [part.kind for part in parts] != [_LENGTHS, _NAME] or len(length := self._integers(parts[0])) != 1:
            raise ValueError("it is damaged")
        if length[0] < 1 or (parts[1].end - parts[1].start) % length[0]:
            raise ValueError("it is damaged")
        return (parts[1].end - parts[1].start) // length[0]

    def _fits(self, part: _Element, count: int, size: int, kind: int) -> bool:
        """Whether so many numbers are there; of letters in UTF-8 and UTF-16 there may be more bytes."""
        length = part.end - part.start
        return length == count * size or (kind == _TEXT and length % size == 0)
