"""Images with a fault each, in place of a dataset's own, and the sentence that whoever reads them must give."""

from __future__ import annotations

import dataclasses
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from trs.data.images import MAX_BYTES
from trs.data.person_table import PersonTable


def _cut(path: Path, end: bytes = b"") -> None:
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2] + end)


def _hole(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-900] + bytes(800) + content[-100:])


def _progressive(path: Path) -> None:
    Image.open(path).convert("RGB").save(path, "JPEG", progressive=True)
    _cut(path, b"\xff\xd9")


def _restarts(path: Path) -> None:
    Image.open(path).convert("RGB").save(path, "JPEG", restart_marker_rows=1)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\xff\xd1", b"", 1))


def _other_size(path: Path) -> None:
    Image.new("RGB", (31, 33)).save(path, "JPEG")


def _too_many_pixels(path: Path) -> None:
    Image.new("1", (12_000, 10_000)).save(path, "PNG")


def _two_widths(path: Path) -> None:
    width, height = Image.open(path).size
    tags = [(256, 4, 20_000), (256, 4, width), (257, 4, 20_000), (257, 4, height), (258, 3, 8), (259, 3, 8),
            (262, 3, 1), (273, 4, 8 + 2 + 12 * 10 + 4), (277, 3, 1), (279, 4, 100)]
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags) + bytes(4) + zlib.compress(bytes(9)))


def _checksum(path: Path) -> None:
    Image.open(path).convert("RGB").save(path, "PNG")
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 40] ^= 8
    path.write_bytes(content)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


def _heic(path: Path) -> None:
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, ": No such file or directory"),
    "empty": (lambda path: path.write_bytes(b""), " is not an image that can be read"),
    "garbage": (lambda path: path.write_bytes(b"nothing that was ever seen"), " is not an image that can be read"),
    "cut": (_cut, " is truncated"),
    "cut, with an end": (lambda path: _cut(path, b"\xff\xd9"), " is truncated or damaged"),
    "a hole": (_hole, " has a hole of zeros in its image"),
    "progressive, cut": (_progressive, " is truncated: "),
    "restart markers": (_restarts, " has lost restart markers"),
    "another size": (_other_size, " is 33x31 pixels, its annotation says "),
    "too many pixels": (_too_many_pixels, " unpacks to 120000000 pixels, more than 100000000"),
    "two widths": (_two_widths, " is malformed: its header has tag 256 2 times"),
    "a checksum": (_checksum, " is damaged: a checksum in it is wrong"),
    "a pipe": (_pipe, ": is not a regular file"),
    "a folder": (_folder, ": is not a regular file"),
    "gigabytes": (_gigabytes, f": is larger than {MAX_BYTES} bytes"),
    "HEIC": (_heic, "")}
"""What is done to an image file, and how the sentence goes on behind its name."""
NAMES: dict[str, tuple[str, str]] = {
    "a name that leads out": ("../../out.jpg", "../../out.jpg leads out of "),
    "a name of Windows": ("C:\\Users\\me\\x.jpg", "C:\\Users\\me\\x.jpg leads out of "),
    "no name": ("a\0.jpg", "a\\x00.jpg is no name that a file can have"),
    "escape codes": ("\x1b[2J\n.jpg", "\\x1b[2J\\n.jpg: No such file or directory"),
    "an endless name": ("x" * 5000, "x" * 300 + "...: File name too long")}
"""Names in a table of people, and how the sentence begins."""


def spoil(people: PersonTable) -> tuple[PersonTable, list[str]]:
    """Spoil the images of a table's first people, each in its own way.

    Returns: the table, and of each of these people how the sentence begins; all others' images are left as they are.
    """
    files = people.files.astype(object)
    assert len(np.unique(files)) == len(files) > len(FAULTS) + len(NAMES), "each person has an image, and some are left"
    begin = []
    for row, (fault, then) in enumerate(FAULTS.values()):
        fault(Path(people.root) / files[row])
        begin.append(files[row] + then)
    for row, (name, then) in enumerate(NAMES.values(), start=len(FAULTS)):
        files[row] = name
        begin.append(then)
    return dataclasses.replace(people, files=files.astype(str)), begin
