"""The first directory of a TIFF, read by ourselves: its decoders disagree about tags that come twice.

libtiff takes the first of two widths and Pillow the last, so that a small image's header may stand before a huge one;
and both turn the image on their own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from trs.data.image_fault import ImageFault

SIGNATURES = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})
"""Of TIFF and BigTIFF, in both orders of bytes."""
_WIDTH, _HEIGHT, _ORIENTATION, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 274, 277, 322, 323
_ONCE = (_WIDTH, _HEIGHT, _ORIENTATION, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT)
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Codes of `struct` by a value's type."""
_MOST_ENTRIES = 1 << 16
_USUAL_TILE = 1 << 22


@dataclass(frozen=True)
class Directory:
    """What decides how a TIFF is decoded.

    size: height and width as stored.
    orientation: 1 to 8.
    unpacked: pixels of the image, or of one tile where that is larger.
    orientation_at: where an orientation stands that turns the image, and how `struct` packs it; None if none does.
    """

    size: tuple[int, int]
    orientation: int
    unpacked: int
    orientation_at: tuple[int, str] | None


def read_directory(stream: BinaryIO) -> Directory:
    """Read the first directory of a TIFF.

    Raises:
        ImageFault: it has no size, or a tag of these twice.
    """
    try:
        entries = _entries(stream)
    except struct.error as error:
        raise ImageFault("is truncated") from error
    for tag in _ONCE:
        if len(entries.get(tag, [])) > 1:
            raise ImageFault(f"is malformed: its header has tag {tag} {len(entries[tag])} times")
    found = {tag: values[0] for tag, values in entries.items()}
    none = (0, 0, "")
    (height, *_), (width, *_) = found.get(_HEIGHT, none), found.get(_WIDTH, none)
    image, tile = height * width, found.get(_TILE_HEIGHT, none)[0] * found.get(_TILE_WIDTH, none)[0]
    if image == 0:
        raise ImageFault("is malformed: its header has no size")
    if tile > max(4 * image, _USUAL_TILE):
        raise ImageFault(f"is malformed: its tiles have {tile} pixels, the image {image}")
    orientation, at, code = found.get(_ORIENTATION, none)
    turned = 2 <= orientation <= 8
    return Directory((height, width), orientation if turned else 1, max(image, tile), (at, code) if turned else None)


def as_stored(content: bytes, directory: Directory) -> bytes:
    """The file with its orientation taken out, so that decoders leave the image as it is stored."""
    if directory.orientation_at is None:
        return content
    at, code = directory.orientation_at
    return content[:at] + struct.pack(code, 1) + content[at + struct.calcsize(code):]


def _entries(stream: BinaryIO) -> dict[int, list[tuple[int, int, str]]]:
    """The tags of the first directory that are `_ONCE`: the value, its place in the file, its code for `struct`."""
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    offset = struct.unpack_from(f"{order}Q", head, 8)[0] if big else struct.unpack_from(f"{order}I", head, 4)[0]
    stream.seek(offset)
    counter = f"{order}Q" if big else f"{order}H"
    count = struct.unpack(counter, stream.read(struct.calcsize(counter)))[0]
    size, value_at = (20, 12) if big else (12, 8)
    table = stream.read(size * min(count, _MOST_ENTRIES))
    entries: dict[int, list[tuple[int, int, str]]] = {}
    for at in range(0, len(table) - size + 1, size):
        tag, kind = struct.unpack_from(f"{order}HH", table, at)
        if tag in _ONCE:
            code = order + _INTEGERS.get(kind, "x")
            value = struct.unpack_from(code, table, at + value_at)
            place = offset + struct.calcsize(counter) + at + value_at
            entries.setdefault(tag, []).append((value[0] if value else 0, place, code))
    return entries
