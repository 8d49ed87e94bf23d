"""Whether a JPEG holds all of its image, found from its markers and by how it is handed to the decoder.

libjpeg fills in with gray, or with coarser coefficients, what a damaged file lacks, and says so on stderr only. Where
it meets a marker before the last block it fills; where it meets none it asks for more bytes, which OpenCV refuses. So
an image in one scan is handed over without its end marker: no second decoding is needed to tell. One in several scans
or restart intervals, which few are, is decoded twice more, by Pillow, when a process reads it for the first time.

What is not found are other bytes in place of some of the image's, unless they are zeros or look like markers.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from PIL import Image

from trs.data.image_fault import ImageFault

SIGNATURE = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment: TEM, the restarts, the start of an image."""
_RESTARTS = range(0xD0, 0xD8)
_END, _SCAN, _TABLES, _INTERVAL, _APPLICATION = 0xD9, 0xDA, 0xC4, 0xDD, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN = frozenset({0xC0, 0xC1, 0xC2})
_PROGRESSIVE = 0xC2
_FILLING = b"\xff\0" * 10
"""The decoder loads up to eight bytes ahead of those that it needs; ones are no code, and soon end what is cut."""
_MOST_MARKERS = 1 << 16
_STRIDE = 1 << 20
"""Bytes that are searched at once."""
_HOLE = bytes(16)
_NOISE = bytes(np.random.default_rng(0).integers(0, 255, 256, dtype=np.uint8))
_MOST_REMEMBERED = 1 << 17
_verified: set[int] = set()
"""Hashes of the JPEGs in several scans or intervals that this process has found whole."""


@dataclass(frozen=True)
class _Frame:
    """What the frame's header says.

    components: the sampling factors of each, horizontal and vertical.
    """

    code: int
    height: int
    width: int
    components: dict[int, tuple[int, int]]

    def units(self, identifiers: list[int]) -> int:
        """How many units of a scan a restart interval counts: of one component its blocks, else those interleaved."""
        across = max(factors[0] for factors in self.components.values())
        down = max(factors[1] for factors in self.components.values())
        if len(identifiers) > 1:
            return _parts(self.width, 8 * across) * _parts(self.height, 8 * down)
        horizontal, vertical = self.components[identifiers[0]]
        return _parts(_parts(self.width * horizontal, across), 8) * _parts(_parts(self.height * vertical, down), 8)


@dataclass(frozen=True)
class _Scan:
    """A scan: the components that it holds, the coefficients of these, and where its data lie.

    first, last: of the coefficients.
    low: their bits that it leaves out.
    restarts: where the restart markers in its data lie.
    blank_is_flat: whether zeros in its data are sound: the code of a block without change, or plain bits.
    """

    components: list[int]
    first: int
    last: int
    low: int
    restarts: list[int]
    start: int
    end: int
    blank_is_flat: bool

    def parts(self) -> list[range]:
        """Where its data lie between its restart markers."""
        return [range(begin, end) for begin, end in zip([self.start, *(place + 2 for place in self.restarts)],
                                                        [*self.restarts, self.end], strict=True)]


@dataclass
class _Walk:
    """What has been met on the way through a file's markers.

    first_symbols: what a code of zeros means, by a table's class and number as they are written.
    interval: units between restarts.
    """

    frame: _Frame | None = None
    first_symbols: dict[int, int] = field(default_factory=dict)
    interval: int = 0
    scans: list[_Scan] = field(default_factory=list)


def read_header(stream: BinaryIO) -> tuple[tuple[int, int], bytes]:
    """Height and width of a JPEG, and its EXIF; nothing behind them is read.

    Raises:
        ImageFault: it ends before its size.
    """
    stream.seek(2)
    exif, before = b"", b""
    for _ in range(_MOST_MARKERS):
        mark = stream.read(1)
        if not mark or (before == b"\xff" and mark[0] in (_END, _SCAN)):
            break
        if before != b"\xff" or mark[0] in _ALONE or mark in (b"\0", b"\xff"):  # as decoders do, skip what is no marker
            before = mark
            continue
        before = b""
        length = max(0, int.from_bytes(stream.read(2), "big") - 2)
        if mark[0] in _FRAMES:
            frame = _read_frame(mark[0], stream.read(length))
            return (frame.height, frame.width), exif
        if mark[0] == _APPLICATION and not exif:
            segment = stream.read(length)
            exif = segment if segment.startswith(b"Exif\0\0") else b""
        else:
            stream.seek(length, os.SEEK_CUR)
    raise ImageFault("is truncated")


def whole(content: bytes) -> bytes:
    """Check that a JPEG holds all of its image, as far as its markers tell, and give what its decoder is to read.

    What follows the image, such as the film of a motion photo, is left out.

    Raises:
        ImageFault: it does not.
    """
    try:
        walk, end = _walk(content)
    except IndexError as error:
        raise ImageFault("is damaged: a header in it is too short") from error
    if walk.frame is None or not walk.scans:
        raise ImageFault("is truncated")
    _check_scans(walk.frame, walk.scans)
    if walk.frame.code not in _HUFFMAN:
        return content[:end]
    simple = len(walk.scans) == 1 and walk.frame.code != _PROGRESSIVE
    parts = [part for scan in walk.scans for part in scan.parts()]
    holes = [part for part in parts if content.find(_HOLE, part.start, part.stop) >= 0]
    if holes and any(
            content.find(_HOLE, scan.start, scan.end) >= 0 and not scan.blank_is_flat for scan in walk.scans):
        raise ImageFault("has a hole of zeros in its image")
    if holes or len(parts) > 1:
        _check_parts(content[:end], parts, holes)
    return b"".join((memoryview(content)[:walk.scans[0].end], _FILLING)) if simple else content[:end]


def _walk(content: bytes) -> tuple[_Walk, int]:
    """Go through the markers to the end of the image, and say where that is."""
    walk, place = _Walk(), 2
    for _ in range(_MOST_MARKERS):
        if (found := _MARKER.search(content, place)) is None:
            break
        code, place = found[1][0], found.end()
        if code == _END:
            return walk, place
        if code in _ALONE:
            continue
        length = int.from_bytes(content[place:place + 2], "big")
        segment, place = content[place + 2:place + length], place + length
        if code == _TABLES:
            walk.first_symbols |= _first_symbols(segment)
        elif code == _INTERVAL:
            walk.interval = int.from_bytes(segment[:2], "big")
        elif code in _FRAMES:
            if walk.frame is not None:
                raise ImageFault("holds two images in one")
            walk.frame = _read_frame(code, segment)
        elif code == _SCAN:
            if walk.frame is None:
                break
            scan = _read_scan(content, place, segment, walk)
            walk.scans.append(scan)
            place = scan.end
    raise ImageFault("is truncated")


def _parts(length: int, part: int) -> int:
    """Parts of this length that cover the whole."""
    return (length + part - 1) // part


def _read_frame(code: int, segment: bytes) -> _Frame:
    return _Frame(code, int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big"),
                  {segment[at]: (max(1, segment[at + 1] >> 4), max(1, segment[at + 1] & 15))
                   for at in range(6, 6 + 3 * segment[5], 3)})


def _first_symbols(segment: bytes) -> dict[int, int]:
    """What the shortest code of each Huffman table means, which is all zeros."""
    symbols, place = {}, 0
    while place + 17 < len(segment):
        symbols[segment[place]] = segment[place + 17]
        place += 17 + sum(segment[place + 1:place + 17])
    return symbols


def _read_scan(content: bytes, start: int, segment: bytes, walk: _Walk) -> _Scan:
    """A scan, whose restart markers are checked."""
    assert walk.frame is not None
    count = segment[0]
    chosen = {segment[1 + 2 * at]: segment[2 + 2 * at] for at in range(count)}
    if not chosen.keys() <= walk.frame.components.keys():
        raise ImageFault("has a scan of no component")
    first, last, bits = (segment[1 + 2 * count + at] for at in range(3))
    expected = _parts(walk.frame.units(list(chosen)), walk.interval) - 1 if walk.interval else 0
    most = expected + (walk.interval > 0)  # one more is harmless: some cameras put it behind the last interval
    restarts, end = _find_end(content, start, most + 1)
    if not expected <= len(restarts) <= most or any(
            content[place + 1] != _RESTARTS[at % 8] for at, place in enumerate(restarts)):
        raise ImageFault("has lost restart markers")
    progressive = walk.frame.code == _PROGRESSIVE
    if progressive and first:
        flat = bits >> 4 != 0
    else:
        flat = (progressive and bits >> 4 != 0) or all(
            walk.first_symbols.get(tables >> 4) == 0 and (progressive or walk.first_symbols.get(16 + tables % 16) == 0)
            for tables in chosen.values())
    return _Scan(list(chosen), first, last, bits & 15, restarts, start, end, flat)


def _find_end(content: bytes, start: int, most: int) -> tuple[list[int], int]:
    """Where the restart markers in a scan's data lie, and where these end: at another marker, or after `most`."""
    restarts: list[int] = []
    for begin in range(start, len(content), _STRIDE):
        data = np.frombuffer(content, np.uint8, min(_STRIDE + 1, len(content) - begin), begin)
        found = np.flatnonzero(data[:-1] == 0xFF)
        codes = data[found + 1]
        for place, code in zip(*(values[(codes != 0) & (codes != 0xFF)].tolist() for values in (found, codes)),
                               strict=True):
            if code not in _RESTARTS or len(restarts) == most:
                return restarts, begin + place
            restarts.append(begin + place)
    return restarts, len(content)


def _check_scans(frame: _Frame, scans: list[_Scan]) -> None:
    """Every coefficient of every component has come, down to its lowest bit."""
    missing = {component: [True] * 64 for component in frame.components}
    for scan in scans:
        for component in scan.components:
            if frame.code == _PROGRESSIVE:
                missing[component][scan.first:scan.last + 1] = [scan.low > 0] * (scan.last + 1 - scan.first)
            else:
                missing[component] = [False] * 64
    if any(any(coefficients) for coefficients in missing.values()):
        raise ImageFault("is truncated: scans of it are missing")


def _check_parts(image: bytes, parts: list[range], holes: list[range]) -> None:
    """Find by decoding whether parts of a JPEG lack data or have too many; raises ImageFault.

    Where data are missing, what follows them is taken for a part of them. Where zeros are no flat part of the image but
    a hole in the file, they read as too many flat blocks, and the decoder has its image long before the data end.
    """
    if (key := hash(image)) in _verified:
        return
    original = _pixels(image)

    def uses(*places: range) -> bool:
        """Whether the image depends on these bytes, or on what is put at these places where they hold none."""
        changed = bytearray(image)
        for place in sorted(places, key=lambda place: -place.start):
            changed[place.start:place.stop] = _NOISE[:len(place)] if place else _NOISE
        return not np.array_equal(original, _pixels(bytes(changed)))

    def is_flat(part: range) -> bool:
        if uses(_last(part)):
            return True
        rest = range(part.start + len(image[part.start:part.stop].rstrip(b"\0")), part.stop)
        return uses(_last(range(part.start, rest.start))) and not uses(rest)  # zeros behind the image do no harm

    if uses(*(range(part.stop, part.stop) for part in parts)):
        raise ImageFault("is truncated: data of a part of it are missing")
    if not all(is_flat(part) for part in holes):
        raise ImageFault("has a hole of zeros in its image")
    if len(_verified) < _MOST_REMEMBERED:
        _verified.add(key)


def _last(part: range) -> range:
    """Its end, without which it surely lacks something."""
    return range(max(part.start, part.stop - 8), part.stop)


def _pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        return np.asarray(image)
