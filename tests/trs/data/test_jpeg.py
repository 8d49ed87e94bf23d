"""Damaged JPEGs are refused, and whole ones decode to the same bits as ever, whatever follows them."""

from __future__ import annotations

import functools
import io
import itertools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from trs.data import jpeg
from trs.data.image_fault import ImageFault
from trs.data.images import BadImage, read_image, read_photo

KINDS = {"plain": {"quality": 75}, "fine": {"quality": 95, "subsampling": 0},
         "optimized": {"quality": 80, "optimize": True}, "progressive": {"quality": 75, "progressive": True},
         "restarts": {"quality": 90, "restart_marker_rows": 1},
         "restarts within rows": {"quality": 90, "restart_marker_blocks": 4},
         "progressive restarts": {"quality": 80, "progressive": True, "restart_marker_rows": 1},
         "gray": {"quality": 80, "mode": "L"}, "CMYK": {"quality": 80, "mode": "CMYK"}}
IN_PARTS = ["restarts", "restarts within rows", "progressive restarts"]
SCENES = ["waves", "grainy", "flat", "mid gray", "noise"]


@functools.cache
def scene(name: str, height: int = 120, width: int = 157) -> np.ndarray:
    """An image [H, W, 3]; the flat ones have long codes of zeros, the mid gray one is what libjpeg fills in."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([128 + 90 * np.sin(x / 17 + y / 31), 128 + 90 * np.cos(x / 23), 128 + 80 * np.sin((x + y) / 29)],
                     -1)
    plain = np.full((height, width, 3), 128.0 if name == "mid gray" else 235.0)
    plain[height // 4:height // 2, width // 4:width // 2] = (200, 30, 30)
    found = {"waves": waves, "grainy": waves + random.normal(0, 12, waves.shape), "flat": plain, "mid gray": plain,
             "noise": random.integers(0, 255, waves.shape).astype(float)}[name]
    return found.clip(0, 255).astype(np.uint8)


@functools.cache
def encoded(name: str, kind: str) -> bytes:
    options = dict(KINDS[kind])
    stream = io.BytesIO()
    Image.fromarray(scene(name)).convert(options.pop("mode", "RGB")).save(stream, "JPEG", **options)
    return stream.getvalue()


def data_start(content: bytes) -> int:
    """Where the first scan's data begin."""
    at = content.index(b"\xff\xda") + 2
    return at + int.from_bytes(content[at:at + 2], "big")


def decoded(content: bytes) -> np.ndarray | None:
    found: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8),
                                            cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return found


def refused(content: bytes) -> bool:
    try:
        return decoded(jpeg.whole(content)) is None
    except ImageFault:
        return True


TRAILERS = {"nothing": b"", "a film": b"MotionPhoto_Data\0\0\0\x18ftypmp42" + bytes(range(200)) * 20,
            "ends": b"\xff\xd9" * 600, "zeros": bytes(5000), "another JPEG": encoded("waves", "plain"),
            "half a JPEG": encoded("waves", "plain")[:2000], "starts of scans": b"\xff\xda\0\x08" * 400}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["grainy", "mid gray"])
def test_whole_images_decode_to_the_same_bits_whatever_follows_them(name: str, kind: str, trailer: bytes) -> None:
    content = encoded(name, kind)
    found, expected = decoded(jpeg.whole(content + trailer)), decoded(content)
    assert found is not None
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENES)
def test_a_cut_is_found_with_and_without_an_end_behind_it(name: str, kind: str, share: float) -> None:
    content = encoded(name, kind)
    start = data_start(content)
    cut = content[:start + round((len(content) - 2 - start) * share)]
    assert refused(cut)
    assert refused(cut + b"\xff\xd9")
    assert refused(cut + b"\xff\xd9" + bytes(range(256)) * 8 + b"\xff\xd9")  # with a trailer
    assert refused(cut + bytes(len(content)))  # what a file system leaves of a download


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_end_marker_an_image_is_cut(kind: str) -> None:
    assert refused(encoded("grainy", kind)[:-2])


@pytest.mark.parametrize(("filled", "kind"), [
    *itertools.product(["zeros", "ones"], KINDS),
    # Noise may read as codes; it is found by the markers in it, or where the image is not over before its data.
    *itertools.product(["noise"], ["plain", "progressive", *IN_PARTS, "gray", "CMYK"])])
@pytest.mark.parametrize("name", ["waves", "grainy", "noise"])
def test_a_hole_in_the_middle_is_found(name: str, kind: str, filled: str) -> None:
    content = encoded(name, kind)
    start = data_start(content)
    third = (len(content) - start) // 3
    filling = {"zeros": bytes(third), "ones": b"\xff" * third, "noise": np.random.default_rng(3).integers(
        0, 256, third, dtype=np.uint8).tobytes()}[filled]
    assert refused(content[:start + third] + filling + content[start + 2 * third:])


@pytest.mark.parametrize(("kind", "begin", "end"), [("optimized", 0.3, 0.6), ("optimized", 0.1, 0.2),
                                                    ("plain", 0.5, 0.55), ("restarts", 0.1, 0.2)])
def test_a_hole_in_a_flat_image_is_found(kind: str, begin: float, end: float) -> None:
    """Where zeros are a code it takes a look at the image, and where they are none not even that would tell."""
    content = encoded("flat", kind)
    start = data_start(content)
    first, last = (start + round((len(content) - start) * share) for share in (begin, end))
    assert not refused(content) and refused(content[:first] + bytes(last - first) + content[last:])


@pytest.mark.parametrize("name", ["flat", "mid gray"])
@pytest.mark.parametrize("kind", ["optimized", "progressive"])
def test_codes_of_zeros_at_the_end_are_sound_where_the_image_is_flat(name: str, kind: str) -> None:
    np.testing.assert_array_equal(decoded(jpeg.whole(encoded(name, kind))), decoded(encoded(name, kind)))


@pytest.mark.parametrize("name", ["flat", "mid gray"])
@pytest.mark.parametrize("kind", ["optimized", "progressive"])
def test_long_codes_of_zeros_are_sound_where_the_image_is_flat(name: str, kind: str) -> None:
    big = io.BytesIO()
    Image.fromarray(scene(name, 900, 1200)).save(big, "JPEG", **KINDS[kind])
    content = big.getvalue()
    assert content.find(bytes(16), data_start(content)) > 0
    np.testing.assert_array_equal(decoded(jpeg.whole(content)), decoded(content))
    padded = content[:-2] + bytes(300) + content[-2:]
    np.testing.assert_array_equal(decoded(jpeg.whole(padded)), decoded(content))


@pytest.mark.parametrize("kind", IN_PARTS)
@pytest.mark.parametrize("lost", ["all", "one", "order"])
def test_lost_restart_markers_are_found(kind: str, lost: str) -> None:
    content = encoded("grainy", kind)
    start = data_start(content)
    data, marker = content[start:], re.compile(rb"\xff[\xd0-\xd7]")
    found = list(marker.finditer(data))
    first, second = found[0], found[1]
    damaged = {"all": marker.sub(b"", data), "one": data[:second.start()] + data[second.end():],
               "order": data[:first.start()] + second[0] + data[first.end():second.start()] + first[0]
               + data[second.end():]}[lost]
    with pytest.raises(ImageFault, match="has lost restart markers"):
        jpeg.whole(content[:start] + damaged)


@pytest.mark.parametrize("kind", ["restarts", "restarts within rows"])
def test_an_interval_that_lacks_data_is_found(kind: str) -> None:
    content = encoded("grainy", kind)
    second, third = (content.index(marker, data_start(content)) for marker in (b"\xff\xd1", b"\xff\xd2"))
    with pytest.raises(ImageFault, match="data of a part of it are missing"):
        jpeg.whole(content[:(second + third) // 2] + content[third:])


def test_a_restart_marker_without_intervals_is_damage() -> None:
    content = encoded("grainy", "plain")
    middle = (data_start(content) + len(content)) // 2
    with pytest.raises(ImageFault, match="has lost restart markers"):
        jpeg.whole(content[:middle] + b"\xff\xd0" + content[middle:])


def test_a_progressive_image_without_its_last_scans_is_cut() -> None:
    content = encoded("grainy", "progressive")
    last = content.rindex(b"\xff\xda")
    with pytest.raises(ImageFault, match="is truncated: scans of it are missing"):
        jpeg.whole(content[:last] + b"\xff\xd9")


def test_a_second_frame_is_refused() -> None:
    content = encoded("grainy", "plain")
    frame = content.index(b"\xff\xc0")
    length = 2 + int.from_bytes(content[frame + 2:frame + 4], "big")
    with pytest.raises(ImageFault, match="holds two images in one"):
        jpeg.whole(content[:frame] + content[frame:frame + length] + content[frame:])


def test_headers_are_found_as_decoders_find_them_and_not_forever() -> None:
    content = encoded("grainy", "plain")
    for more in (b"\xff" * 9, b"no marker", b"\xff\0", b"\xff\x01"):
        assert jpeg.read_header(io.BytesIO(content[:2] + more + content[2:])) == ((120, 157), b"")
    for less in (content[:2], content[:2] + bytes(50_000_000), content[:content.index(b"\xff\xc0")] + b"\xff\xd9",
                 content[:2] + b"\xff\xd8" * 1_000_000):
        with pytest.raises(ImageFault, match="is truncated"):
            jpeg.read_header(io.BytesIO(less))


def test_what_was_found_whole_is_not_decoded_twice_more_again(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded("noise", "progressive")
    jpeg.whole(content)
    monkeypatch.setattr(jpeg, "_pixels", lambda _: pytest.fail("it was decoded"))
    jpeg.whole(content)
    jpeg.whole(encoded("noise", "plain"))  # and this is the case of most


def test_mutated_files_are_read_or_refused_by_name(tmp_path: Path) -> None:
    """Seeded: flips, cuts, insertions and repetitions anywhere in files of every kind."""
    random = np.random.default_rng(11)
    outcomes = {True: 0, False: 0}
    for number in range(360):
        content = bytearray(encoded(SCENES[number % len(SCENES)], list(KINDS)[number % len(KINDS)]))
        for _ in range(random.integers(1, 6)):
            at, length = int(random.integers(2, len(content))), int(random.integers(1, 60))
            content[at:at + length * (number % 3 != 0)] = {
                0: random.integers(0, 256, length, dtype=np.uint8).tobytes(), 1: b"",
                2: bytes([content[at % len(content)] ^ 1 << int(random.integers(8))]),
                3: b"\xff" + bytes(random.integers(0xC0, 0x100, 1, dtype=np.uint8))}[int(random.integers(4))]
        (tmp_path / "a.jpg").write_bytes(content)
        try:
            assert read_image(str(tmp_path), "a.jpg", (120, 157)).shape == (120, 157, 3)
            outcomes[True] += 1
        except BadImage as error:
            assert str(error).startswith("a.jpg")
            outcomes[False] += 1
    assert min(outcomes.values()) > 30


def test_predictions_and_trainings_refuse_the_same(tmp_path: Path) -> None:
    content = encoded("grainy", "plain")
    (tmp_path / "motion.jpg").write_bytes(content + TRAILERS["a film"])
    (tmp_path / "half.jpg").write_bytes(content[:len(content) // 2] + b"\xff\xd9")
    np.testing.assert_array_equal(read_image(str(tmp_path), "motion.jpg", (120, 157)), decoded(content))
    np.testing.assert_array_equal(read_photo(tmp_path / "motion.jpg"), decoded(content))
    with pytest.raises(BadImage, match=r"half\.jpg is truncated or damaged"):
        read_image(str(tmp_path), "half.jpg", (120, 157))
    with pytest.raises(BadImage, match=r"half\.jpg is truncated or damaged"):
        read_photo(tmp_path / "half.jpg")
