"""One image from disk, as the annotator saw it, or a named refusal."""

from __future__ import annotations

import functools
import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 100_000_000


class BadImage(Exception):
    """An image that cannot be used; the message says which and why."""


def read_image(root: str, file: str, size: tuple[int, int]) -> np.ndarray:
    """Decode an image into RGB uint8 [H, W, 3] in the annotation's coordinates.

    Gray, CMYK and 16-bit images become RGB uint8. The EXIF orientation is applied, as every viewer does, unless only
    the unrotated image has the annotated size, or none is declared.

    Args:
        root: folder of the images.
        file: path below it.
        size: height and width that the annotation declares; 0 0 if it does not.

    Raises:
        BadImage: outside of the folder, missing, truncated, not an image, too large, or not of the declared size.
    """
    path = os.path.realpath(os.path.join(root, file))
    if not path.startswith(_real_folder(root)):
        raise BadImage(f"{file} leads out of {root}")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadImage(f"{file}: {error.strerror}") from error
    _check_header(file, content)
    if not any(size):  # as the loaders of the datasets that declare no size do it
        return _decode(file, content, cv2.IMREAD_IGNORE_ORIENTATION)
    for orientation in (0, cv2.IMREAD_IGNORE_ORIENTATION):
        image = _decode(file, content, orientation)
        if image.shape[:2] == tuple(size):
            return image
    raise BadImage(f"{file} is {image.shape[0]}x{image.shape[1]} pixels, its annotation says {size[0]}x{size[1]}")


def read_photo(path: Path) -> np.ndarray:
    """Decode any image into RGB uint8 [H, W, 3], turned as its EXIF orientation says.

    Raises:
        BadImage: missing, truncated, not an image, or too large.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadImage(f"{path}: {error.strerror}") from error
    _check_header(str(path), content, whole=False)  # phones append films to their images
    return _decode(str(path), content, 0)


@functools.lru_cache(maxsize=8)
def _real_folder(root: str) -> str:
    return os.path.join(os.path.realpath(root), "")


def _check_header(file: str, content: bytes, whole: bool = True) -> None:
    # Before decoding: a small file may unpack to gigabytes.
    try:
        with Image.open(io.BytesIO(content)) as header:
            width, height = header.size
            if whole and header.format == "JPEG" and b"\xff\xd9" not in content[-1024:]:
                raise BadImage(f"{file} is truncated")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadImage(f"{file} is not an image that can be read: {type(error).__name__}") from error
    if width * height > MAX_PIXELS:
        raise BadImage(f"{file} unpacks to {width * height} pixels, more than {MAX_PIXELS}")


def _decode(file: str, content: bytes, flags: int) -> np.ndarray:
    # IMREAD_COLOR_RGB spares the channel swap; it is the color order of the ImageNet statistics and of this library.
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB | flags)
    except cv2.error as error:
        raise BadImage(f"{file} cannot be decoded: {error.err}") from error
    if image is None:
        raise BadImage(f"{file} cannot be decoded")
    return image
