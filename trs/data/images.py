"""One image from disk, in the frame of its labels, or a named refusal."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from trs import MAX_IMAGE_PIXELS
from trs.data import avif, jpeg, tiff
from trs.data.image_fault import ImageFault
from trs.data.image_header import Header, open_image, parse
from trs.data.person_table import Frame
from trs.errors import printable
from trs.files import open_regular, read_bytes

MAX_PIXELS = MAX_IMAGE_PIXELS
MAX_BYTES = 256 << 20
_BY_PILLOW = frozenset({"AVIF", "GIF", "HEIF"})
"""Formats that some of the OpenCVs that we run with do not read."""
_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"})
_LOSSLESS_TIFF = frozenset({"tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits"})
_OF_ANIMATIONS = frozenset({b"acTL", b"fcTL", b"fdAT"})
_SIZE_OF_JPEG2000 = b"\xff\x4f\xff\x51"


class BadImage(Exception):
    """An image that cannot be used; the message says which and why, in one printable line."""


def read_image(root: str, file: str, size: tuple[int, int], frame: Frame = "shown") -> np.ndarray:
    """Decode an image into RGB uint8 [H, W, 3] in the annotation's coordinates.

    Gray, CMYK and 16-bit images become RGB uint8.

    Args:
        root: folder of the images.
        file: path below it.
        size: height and width that the annotation declares, each 0 if it does not.
        frame: of the labels where viewers turn the image by its EXIF orientation and the declared size does not tell.

    Raises:
        BadImage: outside of the folder, missing, no regular file, damaged, not an image, too large, or not of the
            declared size.
    """
    path = image_path(root, file)
    with _named(file):
        content = read_bytes(Path(path), MAX_BYTES)
        header = _check(file, parse(io.BytesIO(content)))
        in_frame = header.frame(size, frame)
        if in_frame is None:
            (height, width), (said_height, said_width) = header.shown, size
            raise BadImage(f"{printable(file)} is {height}x{width} pixels, its annotation says "
                           f"{said_height or '?'}x{said_width or '?'}")
        return _decode(file, content, header, in_frame)


def read_header(root: str, file: str) -> Header:
    """Read what an image's header says: its size and how viewers turn it. Nothing is decoded.

    Raises:
        BadImage: outside of the folder, missing, no regular file, not an image, or too large.
    """
    path = image_path(root, file)
    with _named(file), open_regular(Path(path)) as stream:
        return _check(file, parse(stream))


def read_photo(path: Path) -> np.ndarray:
    """Decode any image into RGB uint8 [H, W, 3], turned as its EXIF orientation says; of several frames the first.

    Raises:
        BadImage: missing, no regular file, damaged, not an image, or too large.
    """
    with _named(str(path)):
        content = read_bytes(path, MAX_BYTES)
        return _decode(str(path), content, _check(str(path), parse(io.BytesIO(content))), "shown")


def frame_count(path: Path) -> int:
    """How many images a file holds: frames of an animation, pages of a document; 1 where that cannot be told."""
    try:
        with open_regular(path) as stream:
            kind = parse(stream).format
            stream.seek(0)
            with open_image(stream) as image:
                return int(getattr(image, "n_frames", 1)) if kind in _ANIMATED else 1
    except Exception:  # whatever is wrong with the frames that are not read
        return 1


def image_path(root: str, file: str) -> str:
    r"""Where an image lies that is named relative to a folder; nothing is opened.

    A name is taken as it is written, and where there is no such file with slashes for Windows' backslashes. An absolute
    name below the folder is as good.

    Raises:
        BadImage: it leads out of the folder, as `../x.jpg`, `C:\x.jpg`, another absolute name or a link may, or
            is no name that a file can have; it is empty where a record has none.
    """
    if not file:
        raise BadImage("an image has no file_name in its record")
    for name in dict.fromkeys((file, file.replace("\\", "/"))):
        try:
            path = os.path.realpath(os.path.join(root, name))
            there = os.path.lexists(path)
        except ValueError as error:  # a zero byte, or half a surrogate pair
            raise BadImage(f"{printable(file)} is no name that a file can have") from error
        if not path.startswith(_real_folder(root)) or (not there and PureWindowsPath(file).drive):
            raise BadImage(f"{printable(file)} leads out of {printable(root)}; images are named relative to that "
                           "folder")
        if there:
            break
    return path


@functools.lru_cache(maxsize=8)
def _real_folder(root: str) -> str:
    return os.path.join(os.path.realpath(root), "")


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Turn whatever a damaged file makes a decoder raise into a BadImage with the file's name."""
    name = printable(file)
    try:
        yield
    except BadImage:
        raise
    except ImageFault as error:
        raise BadImage(f"{name} {error}") from error
    except UnidentifiedImageError as error:  # an OSError whose message has an address of the memory
        raise BadImage(f"{name} is not an image that can be read") from error
    except Image.DecompressionBombError as error:
        raise BadImage(f"{name} unpacks to more than {MAX_PIXELS} pixels") from error
    except OSError as error:
        raise BadImage(f"{name}: {error.strerror or printable(str(error))}") from error
    except cv2.error as error:
        raise BadImage(f"{name} cannot be decoded: {printable(str(error.err))}") from error
    except Exception as error:
        raise BadImage(f"{name} cannot be decoded: {type(error).__name__}") from error


def _check(file: str, header: Header) -> Header:
    if not all(header.size):
        raise BadImage(f"{printable(file)} is malformed: its header has no size")
    # Before decoding: a small file may unpack to gigabytes.
    if header.unpacked > MAX_PIXELS:
        raise BadImage(f"{printable(file)} unpacks to {header.unpacked} pixels, more than {MAX_PIXELS}")
    return header


def _decode(file: str, content: bytes, header: Header, frame: Frame) -> np.ndarray:
    image = _decode_stored(content, header)
    if image is None:
        raise BadImage(f"{printable(file)} cannot be decoded")
    if image.shape[:2] != header.size:
        raise BadImage(f"{printable(file)} decodes to {image.shape[0]}x{image.shape[1]} pixels, its header says "
                       f"{header.size[0]}x{header.size[1]}")
    return image if frame == "stored" or header.orientation == 1 else _turn(image, header.orientation)


def _decode_stored(content: bytes, header: Header) -> np.ndarray | None:
    """RGB uint8 [H, W, 3] as stored: OpenCV turns some formats, and others in some versions only."""
    if header.format == "JPEG":
        content = jpeg.whole(content)
    elif header.format == "TIFF":
        content = _sound_tiff(content)
    elif header.format == "PNG":
        content = _still_png(content)
    elif header.format == "AVIF":
        avif.check_frames(content, header.unpacked)
    elif header.format == "JPEG2000":
        _check_jpeg2000(content, header)
    elif header.format == "HEIF":
        return _by_pillow(content)
    # IMREAD_COLOR_RGB spares the channel swap; it is the color order of the ImageNet statistics and of this library.
    image: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8),
                                            cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None and header.format == "JPEG":
        raise ImageFault("is truncated or damaged")
    return _by_pillow(content) if image is None and header.format in _BY_PILLOW else image


def _by_pillow(content: bytes) -> np.ndarray:
    with open_image(io.BytesIO(content)) as image:
        return np.array(image.convert("RGB"))


def _sound_tiff(content: bytes) -> bytes:
    """The file for a decoder that turns nothing; Pillow says what libtiff only prints, where a strip is damaged."""
    with open_image(io.BytesIO(content)) as image:
        if image.info.get("compression") in _LOSSLESS_TIFF:
            image.load()
    return tiff.as_stored(content, tiff.read_directory(io.BytesIO(content)))


def _still_png(content: bytes) -> bytes:
    """The file without its animation, of which the first image is left, after a look at its pixels' checksums.

    OpenCV reads damaged animations, with whatever the memory held in place of what they lack.
    """
    place, data, kept = 8, memoryview(content), [memoryview(content)[:8]]
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(content[place:place + 4], "big")
        kind = content[place + 4:place + 8]
        if end > len(content):  # OpenCV makes room for what a chunk says
            raise ImageFault("is truncated")
        if kind == b"IDAT" and zlib.crc32(data[place + 4:end - 4]) != int.from_bytes(content[end - 4:end], "big"):
            raise ImageFault("is damaged: a checksum in it is wrong")
        if kind not in _OF_ANIMATIONS:
            kept.append(data[place:end])
        if kind == b"IEND":
            return content if b"acTL" not in content else b"".join(kept)
        place = end
    raise ImageFault("is truncated")


def _check_jpeg2000(content: bytes, header: Header) -> None:
    """The box around a JPEG 2000 and the codestream in it each say a size."""
    at = content.find(_SIZE_OF_JPEG2000) + 8
    width, height, left, top = (int.from_bytes(content[place:place + 4], "big") for place in range(at, at + 16, 4))
    if (height - top, width - left) != header.size:
        raise ImageFault("is malformed: it has two sizes")


def _turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a stored image as viewers do, by its EXIF orientation."""
    if orientation in (5, 6, 7, 8):  # mirrored at the diagonal
        image = cv2.transpose(image)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}  # OpenCV's: 1 left and right, 0 top and bottom, -1 both
    return cv2.flip(image, flips[orientation]) if orientation in flips else image
