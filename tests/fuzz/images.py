"""Images of every format that is read, damaged in their bytes and in their chunks; to RGB arrays."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from PIL import Image, features

from tests.fuzz import mutate
from tests.fuzz.target import require_sentence
from trs.data.image_header import Header
from trs.data.images import MAX_PIXELS, BadImage, frame_count, read_header, read_image, read_photo
from trs.data.person_table import Frame
from trs.errors import printable

NAMES = ("a.jpg", "two\nlines\x1b[31m.png", "\u202eturned.tif")
_HEIGHT, _WIDTH = 24, 17


class ImageFiles:
    """Files of a folder, read as a training reads them and as predictions do."""

    most_bytes = 10 * MAX_PIXELS
    """Three bytes a pixel, in a decoder's own form, as an array, and turned."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, dict[str, bytes]()
        self._whole = whole_images()
        self._contents = tuple(self._whole.values())

    def check(self, random: Random) -> bool:
        """Damage an image, and read its header, its pixels in the frame of some annotation, and those of a photo."""
        content = self._draw(random)
        name = random.choice(NAMES)
        size = random.choice(((0, 0), (_HEIGHT, _WIDTH), (_HEIGHT, _WIDTH), (_WIDTH, _HEIGHT), (_HEIGHT, 0), (0, 99)))
        frames: tuple[Frame, ...] = ("shown", "stored")
        frame = random.choice(frames)
        self.written = {name: content}
        path = self.folder / name
        path.write_bytes(content)
        header = _read(read_header, name, str(self.folder), name)
        in_frame = _read(read_image, name, str(self.folder), name, size, frame)
        photo = _read(read_photo, name, path)
        count = _read(frame_count, name, path)
        if isinstance(header, Header):
            require_sound_header(header)
            chosen = header.frame(size, frame)
            for image, expected in ((photo, header.shown), (in_frame, {"shown": header.shown, "stored": header.size,
                                                                       None: None}[chosen])):
                require_image(image, expected)
            assert isinstance(count, BadImage) or (type(count) is int and count >= 1)
        else:
            assert isinstance(photo, BadImage) and isinstance(in_frame, BadImage), "read, though its header is not"
        if isinstance(in_frame, np.ndarray) and isinstance(photo, np.ndarray) and in_frame.shape == photo.shape:
            assert not isinstance(header, Header) or chosen != "shown" or np.array_equal(in_frame, photo)
        return isinstance(in_frame, np.ndarray) or isinstance(photo, np.ndarray)

    def _draw(self, random: Random) -> bytes:
        content = random.choice(self._contents)
        way = random.random()
        if way < 0.03:
            return content
        if way < 0.5:
            content = mutate.damage_chunks(random, content)
        if way >= 0.45:
            content = mutate.damage_bytes(random, content, self._contents)
        return content


def _read(read: Any, name: str, *arguments: Any) -> Any:
    """What is read, or the BadImage that tells why not, in a printable line with the file's name."""
    try:
        return read(*arguments)
    except BadImage as error:
        require_sentence(error, printable(name))
        return error


def require_sound_header(header: Header) -> None:
    """A size that may be decoded, and an orientation that there is."""
    height, width = header.size
    assert height > 0 and width > 0 and height * width <= header.unpacked <= MAX_PIXELS
    assert 1 <= header.orientation <= 8


def require_image(image: Any, size: tuple[int, int] | None) -> None:
    """RGB uint8 of the size that was promised, or a BadImage."""
    if isinstance(image, BadImage):
        return
    assert size is not None, "an image of another size than its annotation says"
    assert image.dtype == np.uint8 and image.shape == (*size, 3), (image.dtype, image.shape, size)
    assert image.flags["C_CONTIGUOUS"]


def whole_images() -> dict[str, bytes]:
    """Small images of all formats, color models and compressions that are at hand, some of them turned."""
    image = Image.fromarray(_drawn())
    found: dict[str, bytes] = {}

    def save(name: str, kind: str, image: Image.Image = image, turn: int = 0, **options: Any) -> None:
        if turn:
            exif = Image.Exif()
            exif[274] = turn
            options["exif"] = exif
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        found[name] = stream.getvalue()

    save("jpeg", "JPEG")
    save("jpeg without subsampling", "JPEG", quality=95, subsampling=0)
    save("jpeg, optimized", "JPEG", optimize=True, quality=30)
    save("jpeg, progressive", "JPEG", progressive=True)
    save("jpeg in restart intervals", "JPEG", restart_marker_blocks=1)
    save("jpeg, gray", "JPEG", image.convert("L"))
    save("jpeg, gray and progressive", "JPEG", image.convert("L"), progressive=True)
    save("jpeg, CMYK", "JPEG", image.convert("CMYK"))
    save("jpeg with a comment", "JPEG", comment=b"x" * 40, dpi=(72, 72))
    found["motion photo"] = found["jpeg"] + b"\0\0\0\x18ftypmp42" + bytes(200)
    save("two images in one", "MPO", save_all=True, append_images=[image.rotate(180)])
    save("png", "PNG")
    save("png with text", "PNG", dpi=(72, 72))
    for mode in ("L", "LA", "RGBA", "P", "1", "I;16"):
        save(f"png, {mode}", "PNG", image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode))
    save("png with a transparent color", "PNG", image.quantize(7), transparency=3)
    save("animated png", "PNG", save_all=True, append_images=[image.rotate(180)])
    for name, ending in (("png of 16 bits", ".png"), ("tiff of 16 bits", ".tif")):
        found[name] = cv2.imencode(ending, _drawn().astype(np.uint16) * 257)[1].tobytes()
    save("webp", "WEBP")
    save("webp, lossless", "WEBP", lossless=True)
    save("webp with alpha", "WEBP", image.convert("RGBA"))
    save("animated webp", "WEBP", save_all=True, append_images=[image.rotate(180)])
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        save(f"tiff, {compression}", "TIFF", compression=compression)
    save("tiff, gray", "TIFF", image.convert("L"))
    save("tiff, CMYK", "TIFF", image.convert("CMYK"))
    save("tiff, one bit", "TIFF", image.convert("1"), compression="group4")
    save("tiff of two pages", "TIFF", save_all=True, append_images=[image.rotate(180)])
    save("big tiff", "TIFF", big_tiff=True)
    found["tiff, big-endian"] = _big_endian_tiff()
    for mode in ("RGB", "P", "1", "L"):
        save(f"bmp, {mode}", "BMP", image.convert(mode))
    save("gif", "GIF")
    save("animated gif", "GIF", save_all=True, append_images=[image.rotate(180)], duration=40)
    save("ppm", "PPM")
    save("pgm", "PPM", image.convert("L"))
    found["plain ppm"] = b"P3\n2 2\n255\n" + b"0 128 255 " * 4
    found["sun raster"] = cv2.imencode(".ras", _drawn())[1].tobytes()
    if features.check("avif"):
        save("avif", "AVIF")
        save("avif, turned", "AVIF", turn=6)
    if features.check("jpg_2000"):
        save("jpeg 2000", "JPEG2000")
        save("jpeg 2000 codestream", "JPEG2000", no_jp2=True)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        for turn in (3, 5, 6, 8):
            save(f"{kind.lower()}, turned {turn}", kind, turn=turn)
    return found


def _drawn() -> np.ndarray:
    """A gradient with a bright square in it, of an odd size."""
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    image = np.stack([x * 14, y * 10, (x * y) % 256], -1).astype(np.uint8)
    image[4:9, 5:12] = 250
    return image


def _big_endian_tiff() -> bytes:
    """A gray TIFF in the other order of bytes, without compression."""
    tags = ((256, 3, _WIDTH), (257, 3, _HEIGHT), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 0), (274, 3, 6),
            (277, 3, 1), (278, 3, _HEIGHT), (279, 4, _WIDTH * _HEIGHT))
    place = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack(">HHI", tag, kind, 1) + (
        struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", place if tag == 273 else value))
        for tag, kind, value in tags)
    return b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4) + _drawn()[..., 0].tobytes()
