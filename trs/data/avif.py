"""How large the frames in an AVIF are, read from its AV1 data: the boxes around these may say less.

A file of a kilobyte can hold a frame that its decoder takes a gigabyte for, before it scales that to the size in the
boxes.

Format: AV1 Image File Format, ISO/IEC 14496-12 and 23008-12 (boxes), AV1 Bitstream 5.3 and 5.5 (units).
"""

from __future__ import annotations

from collections.abc import Iterator

from trs.data.image_fault import ImageFault

_USUAL = 1 << 22
_SEQUENCE_HEADER = 1
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_MOST = 512
"""Items and chunks of a file, and units of each, that are looked at."""


def check_frames(content: bytes, pixels: int) -> None:
    """Raise ImageFault if a frame is far larger than the image, which has so many pixels, or of no size at all."""
    sizes = [size for find in (_items, _chunks) for data in find(content) for size in _frame_sizes(data)]
    if not sizes:
        raise ImageFault("is malformed: its frames have no size")
    largest = max(width * height for width, height in sizes)
    if largest > max(4 * pixels, _USUAL):
        raise ImageFault(f"is malformed: its frames have {largest} pixels, the image {pixels}")


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places: name, where their content begins, where it ends."""
    while start + 8 <= end:
        size, name, head = int.from_bytes(content[start:start + 4], "big"), content[start + 4:start + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[start + 8:start + 16], "big"), 16
        size = end - start if size == 0 else size
        if size < head:
            return
        yield name, start + head, min(start + size, end)
        start += size


def _items(content: bytes) -> Iterator[memoryview]:
    """The data of each still image, its alpha and its thumbnails."""
    for name, start, end in _boxes(content, 0, len(content)):
        if name == b"meta":
            inside = {name: (start, end) for name, start, end in _boxes(content, start + 4, end)}
            if b"iloc" in inside:
                yield from _located(content, inside[b"iloc"][0], inside.get(b"idat", (0, 0))[0])


def _located(content: bytes, start: int, stored: int) -> Iterator[memoryview]:
    """The data of the items that a box of places tells; those of one kind lie behind `stored`."""
    place = start

    def take(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(content[place - size:place], "big")

    version, sizes = take(4) >> 24, take(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    left = 2 * len(content)
    for _ in range(min(take(wide), _MOST)):
        take(wide)  # its id
        begin = stored if version and take(2) & 15 == 1 else 0
        take(2)  # the file that it is in
        begin += take(base_size)
        extents = []
        for _ in range(min(take(2), _MOST)):
            take(index_size if version else 0)
            offset, length = take(offset_size), take(length_size)
            extents.append(memoryview(content)[begin + offset:begin + offset + length if length else None])
            left -= len(extents[-1])
        if left < 0:
            raise ImageFault("is malformed: its parts overlap")
        yield memoryview(b"".join(extents))


def _chunks(content: bytes) -> Iterator[memoryview]:
    """What follows the place of each chunk of an animation, to the file's end."""
    waiting = [(0, len(content))]
    while waiting:
        for name, start, end in _boxes(content, *waiting.pop()):
            if name in _CONTAINERS:
                waiting.append((start, end))
            elif name in (b"stco", b"co64"):
                size = 4 if name == b"stco" else 8
                count = int.from_bytes(content[start + 4:start + 8], "big")
                for number in range(min(count, _MOST)):
                    at = start + 8 + number * size
                    yield memoryview(content)[int.from_bytes(content[at:min(at + size, end)], "big"):]


def _frame_sizes(data: memoryview) -> Iterator[tuple[int, int]]:
    """Width and height in each of the sequence headers among some AV1 units."""
    place = 0
    for _ in range(_MOST):
        if place >= len(data) or data[place] & 0x81 or not data[place] & 2:  # no unit, or one to the end of the data
            return
        kind, place = data[place] >> 3 & 15, place + 1 + (data[place] >> 2 & 1)
        size = shift = 0
        while place < len(data) and shift < 56:
            byte, place = data[place], place + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if kind == _SEQUENCE_HEADER:
            yield _frame_size(data[place:place + size])
        place += size
    raise ImageFault("is malformed: it has too many parts")


def _frame_size(header: memoryview) -> tuple[int, int]:
    """Width and height in a sequence header."""
    bits, place = int.from_bytes(header, "big"), 8 * len(header)

    def take(count: int) -> int:
        nonlocal place
        place -= count
        if place < 0:
            raise ImageFault("is malformed: a header in it is too short")
        return bits >> place & ((1 << count) - 1)

    take(4)  # profile, whether it is a still image
    if take(1):  # a short header
        take(5)
    else:
        delay_bits = 0
        if take(1):  # a time base
            take(64)
            if take(1):
                zeros = 0
                while not take(1):
                    zeros += 1
                take(zeros)
            if take(1):
                delay_bits = take(5) + 1
                take(42)
        delayed, points = take(1), take(5) + 1
        for _ in range(points):
            take(12)
            if take(5) > 7:
                take(1)
            if delay_bits and take(1):
                take(2 * delay_bits + 1)
            if delayed and take(1):
                take(4)
    across, down = take(4) + 1, take(4) + 1
    return take(across) + 1, take(down) + 1
