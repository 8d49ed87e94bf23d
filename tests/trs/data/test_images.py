"""One image from disk: in the frame of its labels, or refused by name."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from trs.data import avif, images
from trs.data.image_fault import ImageFault
from trs.data.image_header import Header
from trs.data.images import BadImage, frame_count, image_path, read_header, read_image, read_photo
from trs.data.person_table import Frame

SIZE = (40, 30)
FORMATS = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {},
           "AVIF": {"quality": 95}}


@pytest.fixture
def image() -> np.ndarray:
    """Smooth, so that JPEG keeps it: red grows to the right, green downwards, blue is constant."""
    y, x = np.mgrid[0:40, 0:30]
    return np.stack([x * 8, y * 6, np.full_like(x, 60)], -1).astype(np.uint8)


def tiff(tags: list[tuple[int, int, int]], data: bytes) -> bytes:
    """A little-endian TIFF of one strip: its tags as (number, type, value), the strip's place under 273."""
    place = 8 + 2 + 12 * len(tags) + 4
    entries = [struct.pack("<HHII", tag, kind, 1, place if tag == 273 else value) for tag, kind, value in tags]
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4) + data


def strip(width: int, height: int, *more: tuple[int, int, int]) -> bytes:
    """A gray, deflated TIFF of nothing but zeros."""
    packed = zlib.compress(bytes(width * height), 9)
    sizes = sorted([(256, 4, width), (257, 4, height), *more], key=lambda tag: tag[0])
    return tiff([*sizes, (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 0), (277, 3, 1), (278, 4, height),
                 (279, 4, len(packed))], packed)


def refusal(root: Path, file: str, size: tuple[int, int] = SIZE) -> str:
    """Why an image is refused, in one printable line."""
    with pytest.raises(BadImage) as refused:
        read_image(str(root), file, size)
    assert str(refused.value).isprintable()
    return str(refused.value)


def test_colors_are_rgb(tmp_path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(str(tmp_path), "a.png", SIZE), image)


@pytest.mark.parametrize("mode", ["L", "CMYK", "I;16", "RGBA"])
def test_other_color_models_become_rgb_uint8(tmp_path: Path, image: np.ndarray, mode: str) -> None:
    name = "a.jpg" if mode == "CMYK" else "a.png"
    if mode == "I;16":
        cv2.imwrite(str(tmp_path / name), image[..., 0].astype(np.uint16) * 257)
        expected = np.repeat(image[..., :1], 3, axis=2)
    else:
        Image.fromarray(image).convert(mode).save(tmp_path / name, quality=95)
        expected = np.array(Image.fromarray(image).convert(mode).convert("RGB"))
    found = read_image(str(tmp_path), name, SIZE)
    assert found.shape == (40, 30, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("file", ["a.JPG", "a.jfif", "a.webp", "a.bmp", "a.tif", "a.png", "a.gif", "a.avif", "a.txt"])
def test_the_content_decides_and_not_the_ending(tmp_path: Path, image: np.ndarray, file: str) -> None:
    kinds = {"JPG": "JPEG", "jfif": "JPEG", "tif": "TIFF", "txt": "JPEG"}
    ending = file.rpartition(".")[2]
    Image.fromarray(image).save(tmp_path / file, kinds.get(ending, ending), quality=95)
    assert np.abs(read_image(str(tmp_path), file, SIZE).astype(int) - image).mean() < 12


# The frame of the labels

def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """What Pillow makes of an image with this orientation."""
    plain = Image.fromarray(image)
    plain.getexif()[274] = orientation
    return np.array(ImageOps.exif_transpose(plain))


def blocks(height: int, width: int) -> np.ndarray:
    """Colored squares, no two turns of which are alike."""
    cells = np.random.default_rng(5).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.kron(cells // 2, np.ones((8, 8, 1), np.uint8))


def save(path: Path, image: np.ndarray, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(image).save(path, kind, exif=exif, **FORMATS[kind])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("shape", [(40, 24), (32, 32)], ids=["tall", "square"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_declared_size_says_the_frame_or_leaves_it_open(tmp_path: Path, kind: str, shape: tuple[int, int],
                                                            orientation: int) -> None:
    stored = blocks(*shape)
    shown = turned(stored, orientation)
    save(tmp_path / "a.img", stored, kind, orientation)
    height, width = stored.shape[:2]
    header = read_header(str(tmp_path), "a.img")
    assert (header.size, header.shown, header.orientation) == ((height, width), shown.shape[:2], orientation)
    for declared in {(height, width), shown.shape[:2], (0, 0), (height, 0), (0, shown.shape[1])}:
        fits = {"stored": all(said in (0, found) for said, found in zip(declared, (height, width), strict=True)),
                "shown": all(said in (0, found) for said, found in zip(declared, shown.shape[:2], strict=True))}
        assert header.is_open(declared) == (orientation > 1 and all(fits.values()))
        frames: list[Frame] = ["shown", "stored"]
        for frame in frames:
            expected = frame if fits[frame] else next(name for name in frames if fits[name])
            found = read_image(str(tmp_path), "a.img", declared, frame)
            wanted = {"stored": stored, "shown": shown}[expected]
            assert found.shape == wanted.shape and found.flags["C_CONTIGUOUS"]
            assert np.abs(found.astype(int) - wanted).mean() < 5, (declared, frame)
    assert np.abs(read_photo(tmp_path / "a.img").astype(int) - shown).mean() < 5


def test_the_oracle_tells_the_turns_apart() -> None:
    turns = [turned(blocks(32, 32), orientation) for orientation in range(1, 9)]
    assert min(np.abs(one.astype(int) - other).mean() for one in turns for other in turns if one is not other) > 20


def test_the_frame_is_shown_unless_it_is_said(tmp_path: Path) -> None:
    save(tmp_path / "a.png", blocks(40, 24), "PNG", 3)
    np.testing.assert_array_equal(read_image(str(tmp_path), "a.png", (40, 24)), turned(blocks(40, 24), 3))


@pytest.mark.parametrize("size", [(41, 30), (0, 31), (30, 40), (41, 0)])
def test_an_image_of_another_size_is_refused_before_it_is_decoded(
        tmp_path: Path, image: np.ndarray, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    said = "x".join(str(length or "?") for length in size)
    assert refusal(tmp_path, "a.png", size) == f"a.png is 40x30 pixels, its annotation says {said}"


def test_exif_behind_the_pixels_of_a_png_counts_and_nothing_is_decoded_for_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png", blocks(40, 24), "PNG", 6)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start:start + 4], "big")
    last = content.index(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(content[:start] + content[end:last] + content[start:end] + content[last:])
    np.testing.assert_array_equal(read_image(str(tmp_path), "a.png", (24, 40)), turned(blocks(40, 24), 6))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    assert read_header(str(tmp_path), "a.png").orientation == 6


@pytest.mark.parametrize("exif", [b"Exif\0\0" + b"nonsense", b"", bytes(10),
                                  b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\0\0\0\0"])
def test_damaged_exif_turns_nothing(tmp_path: Path, image: np.ndarray, exif: bytes) -> None:
    Image.fromarray(image).save(tmp_path / "a.webp", lossless=True, exif=exif)
    np.testing.assert_array_equal(read_image(str(tmp_path), "a.webp", SIZE), image)


# What is refused

@pytest.mark.parametrize("fault", ["missing", "empty", "garbage", "truncated", "folder"])
def test_unreadable_files_are_named(tmp_path: Path, image: np.ndarray, fault: str) -> None:
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.unlink()
    if fault == "folder":
        path.mkdir()
    elif fault != "missing":
        path.write_bytes({"empty": b"", "garbage": b"no image" * 50, "truncated": whole[: len(whole) // 2]}[fault])
    assert refusal(tmp_path, "a.jpg") == {
        "missing": "a.jpg: No such file or directory", "empty": "a.jpg is not an image that can be read",
        "garbage": "a.jpg is not an image that can be read", "truncated": "a.jpg is truncated",
        "folder": "a.jpg: is not a regular file"}[fault]


@pytest.mark.parametrize("shape", [(30_000, 30_000), (10_000, 12_000)], ids=["Pillow refuses", "Pillow warns only"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
                                           ) -> None:
    Image.new("1", shape).save(tmp_path / "bomb.png")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    assert refusal(tmp_path, "bomb.png", shape[::-1]).startswith("bomb.png unpacks to ")
    with pytest.raises(BadImage, match="unpacks to"):
        read_header(str(tmp_path), "bomb.png")


def test_an_image_below_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 30)
    assert read_image(str(tmp_path), "a.png", SIZE).shape == (40, 30, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 30 - 1)
    assert refusal(tmp_path, "a.png") == "a.png unpacks to 1200 pixels, more than 1199"


BOMBS = {"a width twice": lambda: strip(2_000, 2_000, (256, 4, 40), (257, 4, 60)),
         "a width twice, the first of an unusual type": lambda: strip(2_000, 2_000, (256, 9, 40), (257, 9, 60)),
         "no size": lambda: tiff([(258, 3, 8), (273, 4, 0)], b""),
         "huge tiles": lambda: strip(40, 60, (322, 4, 9_000), (323, 4, 9_000)),
         "a cut directory": lambda: strip(40, 60)[:9]}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_tiff_that_unpacks_to_more_than_its_header_says_is_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes]) -> None:
    (tmp_path / "bomb.tif").write_bytes(make())
    assert (tmp_path / "bomb.tif").stat().st_size < 1_000_000
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    assert refusal(tmp_path, "bomb.tif", (60, 40)).startswith(("bomb.tif is malformed: its ", "bomb.tif is truncated"))


def test_a_sound_tiff_of_this_make_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(strip(40, 60))
    assert not read_image(str(tmp_path), "a.tif", (60, 40)).any()


@pytest.mark.parametrize("module", ["trs.data.images", "jobs.training.reading", "run_tune"])
def test_the_decoder_has_a_limit_of_its_own_wherever_images_are_read(tmp_path: Path, module: str) -> None:
    """OpenCV reads its limit when it is loaded: in a fresh process, whatever is imported first."""
    Image.new("1", (10_001, 10_000)).save(tmp_path / "bomb.png")
    code = f"""
        import importlib, resource, sys
        importlib.import_module({module!r})
        import cv2, numpy as np
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            cv2.imdecode(np.fromfile({str(tmp_path / "bomb.png")!r}, np.uint8), cv2.IMREAD_COLOR_RGB)
        except cv2.error as error:
            print("refused", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000)
        """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENCV_")}
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=Path(__file__).parents[3],
                         env=environment, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1:] == ["refused True"], ran.stderr


def test_a_header_that_its_decoder_does_not_keep_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                               image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    monkeypatch.setattr(images, "parse", lambda _: Header("PNG", (40, 31), 1, 40 * 31))
    assert refusal(tmp_path, "a.png", (40, 31)) == "a.png decodes to 40x30 pixels, its header says 40x31"


def small_avif(size: tuple[int, int], frames: int = 1, mode: str = "RGB") -> bytes:
    """A plain AVIF, or an animated one."""
    stream = io.BytesIO()
    image = Image.new(mode, size[::-1], "green")
    image.save(stream, "AVIF", speed=10, quality=30, save_all=frames > 1, append_images=[image] * (frames - 1))
    return stream.getvalue()


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_avif_whose_frames_are_larger_than_its_boxes_say_is_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, mode: str) -> None:
    (tmp_path / "a.avif").write_bytes(small_avif((60, 40), frames, mode))
    assert read_image(str(tmp_path), "a.avif", (60, 40)).shape == (60, 40, 3)
    (tmp_path / "b.avif").write_bytes(small_avif((3000, 2000), frames, mode).replace(
        struct.pack(">II", 2000, 3000), struct.pack(">II", 40, 60)))
    assert read_header(str(tmp_path), "b.avif").size == (60, 40)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    assert refusal(tmp_path, "b.avif", (60, 40)) == (
        "b.avif is malformed: its frames have 6000000 pixels, the image 2400")


def test_an_avif_without_frames_and_one_that_overlaps_itself_are_refused() -> None:
    content = small_avif((60, 40))
    at = content.index(b"iloc")
    with pytest.raises(ImageFault, match="its frames have no size"):
        avif.check_frames(content[:at] + b"free" + content[at + 4:], 2400)
    with pytest.raises(ImageFault, match="its frames have 6000000 pixels"):  # what an animation's chunks hold
        avif.check_frames(small_avif((3000, 2000), frames=3).replace(b"iloc", b"free"), 2400)
    locations = b"\0\0\0\0\x44\0" + struct.pack(">H", 40) + b"".join(
        struct.pack(">HHHII", number, 0, 1, 0, len(content)) for number in range(40))
    meta = b"\0\0\0\0" + struct.pack(">I", 8 + len(locations)) + b"iloc" + locations
    with pytest.raises(ImageFault, match="its parts overlap"):
        avif.check_frames(content + struct.pack(">I", 8 + len(meta)) + b"meta" + meta, 2400)


def test_frame_sizes_are_found_in_headers_of_every_form() -> None:
    """Short ones, and long ones with and without a time base, written bit by bit."""
    size = "0101" + "0100" + f"{39:06b}" + f"{29:05b}"
    for bits in ("000" + "1" + "1" + "00101",
                 "000" + "0" + "0" + "0" + "0" + "00000" + 12 * "0" + "01001" + "1",
                 "000" + "0" + "0" + "1" + 64 * "0" + "1" + "00110" + "1" + "00111" + 42 * "1" + "1" + "00001"
                 + (12 * "0" + "00101" + "1" + 17 * "1" + "1" + "0101") * 2):
        whole = bits + size
        packed = int(whole + "0" * (-len(whole) % 8), 2).to_bytes((len(whole) + 7) // 8, "big")
        units = b"\x12\0" + b"\x0a" + bytes([len(packed)]) + packed + b"\x32\x01\0"
        assert list(avif._frame_sizes(memoryview(units))) == [(40, 30)]


def test_a_header_without_a_size_is_refused(tmp_path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    at = content.index(b"\xff\xc0") + 5
    (tmp_path / "a.jpg").write_bytes(content[:at] + bytes(2) + content[at + 2:])
    assert refusal(tmp_path, "a.jpg", (0, 0)) == "a.jpg is malformed: its header has no size"


def test_a_jpeg_2000_with_two_sizes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: np.ndarray
                                               ) -> None:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG2000", no_jp2=False)
    content = stream.getvalue()
    (tmp_path / "a.jp2").write_bytes(content)
    assert read_image(str(tmp_path), "a.jp2", SIZE).shape == (40, 30, 3)
    at = content.index(b"\xff\x4f\xff\x51") + 8
    (tmp_path / "a.jp2").write_bytes(content[:at] + struct.pack(">II", 9000, 9000) + content[at + 8:])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    assert refusal(tmp_path, "a.jp2") == "a.jp2 is malformed: it has two sizes"


@pytest.mark.parametrize("error", [RuntimeError("x\n\x1b[31m"), MemoryError(), struct.error("x"), SyntaxError("x"),
                                   ValueError("embedded null byte"), RecursionError(), cv2.error("x"), OSError("x\ny"),
                                   UnicodeDecodeError("utf-8", b"", 0, 1, "x"), KeyError("x"), ZeroDivisionError()],
                         ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["parse", "_decode_stored"])
def test_whatever_a_decoder_throws_is_a_bad_image_with_its_name(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: np.ndarray, error: Exception, where: str) -> None:
    def fail(*_: object) -> None:
        raise error

    Image.fromarray(image).save(tmp_path / "a.png")
    monkeypatch.setattr(images, where, fail)
    assert refusal(tmp_path, "a.png").startswith("a.png")
    with pytest.raises(BadImage, match=r"a\.png"):
        read_photo(tmp_path / "a.png")


def test_damaged_avif_is_a_bad_image(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(blocks(64, 64)).save(stream, "AVIF")
    content = stream.getvalue()
    start = content.index(b"mdat") + 4
    (tmp_path / "a.avif").write_bytes(content[:start] + bytes(len(content) - start))
    assert refusal(tmp_path, "a.avif", (64, 64)).startswith("a.avif")


@pytest.mark.parametrize("animated", [False, True], ids=["still", "animated"])
def test_a_damaged_png_is_refused(tmp_path: Path, animated: bool) -> None:
    frames = [Image.fromarray(blocks(48, 40)), Image.new("RGB", (40, 48))]
    frames[0].save(tmp_path / "a.png", save_all=animated, append_images=frames[1:] if animated else [])
    content = bytearray((tmp_path / "a.png").read_bytes())
    np.testing.assert_array_equal(read_image(str(tmp_path), "a.png", (48, 40)), blocks(48, 40))
    content[content.index(b"IDAT") + 30] ^= 4
    (tmp_path / "a.png").write_bytes(content)
    assert refusal(tmp_path, "a.png", (48, 40)) == "a.png is damaged: a checksum in it is wrong"
    (tmp_path / "a.png").write_bytes(content[:content.index(b"IEND") - 4])
    assert refusal(tmp_path, "a.png", (48, 40)).startswith("a.png is ")


@pytest.mark.parametrize("kind", [b"IEND", b"tEXt", b"IDAT"])
def test_a_chunk_that_leaves_its_png_takes_no_memory(tmp_path: Path, kind: bytes) -> None:
    """Where a chunk says that it has a gigabyte, OpenCV makes room for it; in a process of its own, to be measured."""
    Image.fromarray(blocks(48, 40)).save(tmp_path / "a.png", pnginfo=_text())
    content = (tmp_path / "a.png").read_bytes()
    at = content.index(kind) - 4
    (tmp_path / "a.png").write_bytes(content[:at] + struct.pack(">I", 1 << 30) + content[at + 4:])
    program = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from trs.data.images import BadImage, read_photo
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            read_photo(Path(sys.argv[1]))
        except BadImage as error:
            print(error, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, sep="|")
    """)
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], cwd=Path(__file__).parents[3],
                           capture_output=True, text=True, timeout=60)
    said, kilobytes = ended.stdout.split("|")
    assert "a.png" in said and said.lower().count("truncated") == 1 and int(kilobytes) < 100_000


def _text() -> PngInfo:
    text = PngInfo()
    text.add_text("a", "b")
    return text


def test_a_damaged_animation_shows_no_memory(tmp_path: Path) -> None:
    """Whose checksums are right."""
    frames = [Image.fromarray(blocks(48, 40)), Image.new("RGB", (40, 48))]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"IDAT") - 4
    end = start + 12 + int.from_bytes(content[start:start + 4], "big")
    pixels = content[start + 4:start + 10] + b"\xff" * 20 + content[start + 30:end - 4]
    checksum = struct.pack(">I", zlib.crc32(pixels))
    (tmp_path / "a.png").write_bytes(content[:start + 4] + pixels + checksum + content[end:])
    assert refusal(tmp_path, "a.png", (48, 40)) == "a.png cannot be decoded"


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_a_tiff_with_a_damaged_strip_is_refused(tmp_path: Path, compression: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.tif", compression=compression)
    assert (read_image(str(tmp_path), "a.tif", SIZE) == noise).all()
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[:1000] + bytes(1000) + content[2000:])
    assert refusal(tmp_path, "a.tif").startswith("a.tif")


def test_heic_names_the_package_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    assert refusal(tmp_path, "a.heic") == "a.heic is a HEIC image: install the package pillow-heif to read it"


def test_an_animation_gives_its_first_frame(tmp_path: Path, image: np.ndarray) -> None:
    for file in ("a.gif", "a.webp", "a.png"):
        frames = [Image.new("RGB", (30, 40), color) for color in ("red", "green", "blue")]
        frames[0].save(tmp_path / file, save_all=True, append_images=frames[1:], lossless=True)
        assert read_photo(tmp_path / file)[5, 5].tolist() == [255, 0, 0]
        assert frame_count(tmp_path / file) == 3
    Image.fromarray(image).save(tmp_path / "b.jpg")
    assert frame_count(tmp_path / "b.jpg") == 1


# Files that are no regular files

@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(path))
    expected = "leads out of" if kind == "device" else "a.jpg: is not a regular file"
    assert expected in refusal(tmp_path, "a.jpg")
    with pytest.raises(BadImage, match="is not a regular file"):
        read_photo(path)
    assert frame_count(path) == 1
    with pytest.raises(BadImage, match=expected):
        read_header(str(tmp_path), "a.jpg")


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    assert refusal(tmp_path, "a.jpg") == f"a.jpg: is larger than {images.MAX_BYTES} bytes"


# Names

@pytest.fixture
def folder(tmp_path: Path, image: np.ndarray) -> Path:
    """A folder with images/x.png in it, beside another whose name begins alike."""
    (tmp_path / "a" / "b" / "images").mkdir(parents=True)
    (tmp_path / "a" / "bc").mkdir()
    for place in ("a/b/images/x.png", "a/bc/x.png", "a/x.png"):
        Image.fromarray(image).save(tmp_path / place)
    return tmp_path / "a" / "b"


@pytest.mark.parametrize("name", ["images/x.png", "./images/x.png", "images\\x.png", ".\\images\\x.png",
                                  "images//x.png", "../b/images/x.png", "..\\b\\images\\x.png", "{folder}/images/x.png",
                                  "{link}/images/x.png"])
def test_names_below_the_folder_are_found_however_they_are_written(folder: Path, tmp_path: Path, image: np.ndarray,
                                                                   name: str) -> None:
    (tmp_path / "link").symlink_to(folder)
    name = name.format(folder=folder, link=tmp_path / "link")
    for root in (folder, tmp_path / "link"):
        np.testing.assert_array_equal(read_image(str(root), name, SIZE), image)
        assert image_path(str(root), name) == str(folder.resolve() / "images" / "x.png")


@pytest.mark.parametrize("name", ["../x.png", "..\\x.png", "images/../../x.png", "../bc/x.png", "{outside}",
                                  "{sibling}", "C:\\Users\\me\\x.png", "C:/Users/me/x.png", "\\\\server\\share\\x.png",
                                  "\\images\\x.png", ".", "link.png", "images\\link.png"])
def test_names_that_lead_out_of_the_folder_are_refused_before_anything_is_opened(
        folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for link in ("link.png", "images/link.png"):
        (folder / link).symlink_to(folder.parent / "x.png")
    name = name.format(outside=folder.parent / "x.png", sibling=folder.parent / "bc" / "x.png")
    monkeypatch.setattr(images, "read_bytes", lambda *_: pytest.fail("it was opened"))
    monkeypatch.setattr(images, "open_regular", lambda *_: pytest.fail("it was opened"))
    expected = f"{name} leads out of {folder}; images are named relative to that folder"
    assert refusal(folder, name) == expected
    with pytest.raises(BadImage, match="leads out of"):
        read_header(str(folder), name)


def test_a_record_without_a_name_is_told_as_that(folder: Path) -> None:
    assert refusal(folder, "") == "an image has no file_name in its record"


def test_a_name_with_a_backslash_of_its_own_is_taken_as_it_is_written(folder: Path, image: np.ndarray) -> None:
    Image.fromarray(image[::-1]).save(folder / "images\\x.png")
    np.testing.assert_array_equal(read_image(str(folder), "images\\x.png", SIZE), image[::-1])


@pytest.mark.parametrize("name", ["a\0.png", "\ud800.png", "a\udc80\0"])
def test_what_is_no_name_is_said(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, name)
    assert message.endswith(" is no name that a file can have") and message.encode()


@pytest.mark.parametrize("name", ["a\nb.png", "\x1b[2J\x1b[31mb.png", "a\tb\r.png", "\u202egnp.exe", "x" * 10_000,
                                  "\u2028.png", "a\x85b.png"])
def test_a_name_reaches_messages_as_one_printable_line(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, name)
    assert len(message) < 500 and message.endswith(("No such file or directory", "File name too long"))
    assert message.startswith(name[:2]) or "\\" in message
