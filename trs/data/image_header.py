"""What an image's header says, before anything is decoded: its size and how viewers turn it."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from trs.data import jpeg, tiff
from trs.data.image_fault import ImageFault
from trs.data.person_table import Frame

ORIENTATION = 274
"""The EXIF tag, which TIFF has too."""
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "SUN")
_HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftyphevx", b"ftypheim", b"ftypheis", b"ftypmif1", b"ftypmsf1")

# What it warns of is refused here by name, or does no harm; its lines have places in packages and no image's name.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Header:
    """An image's header.

    format: its name in Pillow, such as JPEG.
    size: height and width as the pixels are stored.
    orientation: the EXIF orientation, 1 to 8; 1 where there is none.
    unpacked: pixels that decoding takes memory for.
    """

    format: str
    size: tuple[int, int]
    orientation: int
    unpacked: int

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width as viewers show it."""
        return self.size[::-1] if self.orientation >= 5 else self.size

    def frame(self, declared: tuple[int, int], otherwise: Frame) -> Frame | None:
        """The frame of the labels in this image.

        Args:
            declared: height and width in the annotation file, each 0 where it does not tell.
            otherwise: taken where they fit both frames.

        Returns: the frame that they fit; None if they fit none.
        """
        fitting = self._fitting(declared)
        return otherwise if otherwise in fitting else next(iter(fitting), None)

    def is_open(self, declared: tuple[int, int]) -> bool:
        """Whether viewers turn the image, and the declared size does not tell whether its labels are turned too."""
        return self.orientation != 1 and len(self._fitting(declared)) == 2

    def _fitting(self, declared: tuple[int, int]) -> list[Frame]:
        frames: dict[Frame, tuple[int, int]] = {"shown": self.shown, "stored": self.size}
        return [frame for frame, size in frames.items()
                if all(said in (0, found) for said, found in zip(declared, size, strict=True))]


def parse(stream: BinaryIO) -> Header:
    """Read an image's header; the decoders' own errors come as they are.

    Raises:
        ImageFault: the format needs a package that is not here, or it is a TIFF without a size or with several.
        Image.DecompressionBombError, UnidentifiedImageError, or whatever a malformed file makes Pillow raise.
    """
    start = stream.read(4)
    stream.seek(0)
    if start in tiff.SIGNATURES:
        found = tiff.read_directory(stream)
        return Header("TIFF", found.size, found.orientation, found.unpacked)
    if start[:3] == jpeg.SIGNATURE:
        size, packed = jpeg.read_header(stream)
        return Header("JPEG", size, _orientation(packed), size[0] * size[1])
    with open_image(stream) as image:
        size, kind = (image.height, image.width), str(image.format)
        return Header(kind, size, _orientation(_exif(image, stream)), size[0] * size[1])


def open_image(stream: BinaryIO) -> Image.Image:
    """Let Pillow read the header of an image of the formats that are read here.

    Raises:
        ImageFault: the format needs a package that is not here.
        UnidentifiedImageError: it is no image of these formats.
    """
    heic = stream.read(12)[4:] in _HEIC_BRANDS
    stream.seek(0)
    try:
        return Image.open(stream, formats=(*_FORMATS, "HEIF") if heic and _reads_heic() else _FORMATS)
    except UnidentifiedImageError as error:
        if heic and not _reads_heic():
            raise ImageFault("is a HEIC image: install the package pillow-heif to read it") from error
        raise


@functools.lru_cache(maxsize=1)
def _reads_heic() -> bool:
    """Whether Pillow reads HEIC, which it is told to where the package for it is installed."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def _exif(image: Image.Image, stream: BinaryIO) -> bytes:
    """An image's EXIF: Pillow's own way decodes PNGs for it, and takes XMP for EXIF."""
    if image.format == "HEIF":  # Pillow's reader turns it already
        return b""
    packed = image.info.get("exif")
    if packed is None and image.format == "PNG":
        packed = _late_exif(stream) or _text_exif(image)
    return packed or b""


def _orientation(packed: bytes) -> int:
    if not packed:
        return 1
    try:
        exif = Image.Exif()
        exif.load(packed)
        found = exif.get(ORIENTATION)
    except Exception:  # whatever is wrong with it, the image itself may be whole
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _late_exif(stream: BinaryIO) -> bytes:
    """The EXIF that follows a PNG's image."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return stream.read(length)
        stream.seek(length + 4, os.SEEK_CUR)
    return b""


def _text_exif(image: Image.Image) -> bytes:
    """The EXIF that some tools write into a PNG as text: three lines, then hexadecimal digits."""
    text = image.info.get("Raw profile type exif") or image.info.get("Raw profile type APP1") or ""
    try:
        return bytes.fromhex("".join(str(text).split("\n")[3:]))
    except ValueError:
        return b""
