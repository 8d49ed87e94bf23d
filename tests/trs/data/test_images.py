from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from trs.data.images import BadImage, read_image

SIZE = (40, 30)


@pytest.fixture
def image() -> np.ndarray:
    """Smooth, so that JPEG keeps it: red grows to the right, green downwards, blue is constant."""
    y, x = np.mgrid[0:40, 0:30]
    return np.stack([x * 8, y * 6, np.full_like(x, 60)], -1).astype(np.uint8)


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


def test_exif_rotation_follows_the_annotated_size(tmp_path: Path, image: np.ndarray) -> None:
    exif = Image.Exif()
    exif[274] = 6  # shown after a quarter turn
    Image.fromarray(image).save(tmp_path / "a.jpg", exif=exif, quality=98)
    as_stored = read_image(str(tmp_path), "a.jpg", (40, 30))
    as_shown = read_image(str(tmp_path), "a.jpg", (30, 40))
    assert np.abs(as_stored.astype(int) - image).mean() < 4
    assert np.abs(as_shown.astype(int) - np.rot90(image, -1)).mean() < 4


def test_an_image_of_another_size_is_refused_not_misaligned(tmp_path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(BadImage, match=r"a.png is 40x30 pixels, its annotation says 41x30"):
        read_image(str(tmp_path), "a.png", (41, 30))


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
    with pytest.raises(BadImage, match=r"a\.jpg"):
        read_image(str(tmp_path), "a.jpg", SIZE)


def test_a_bomb_is_refused_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(BadImage, match=r"bomb\.png"):
        read_image(str(tmp_path), "bomb.png", (30_000, 30_000))


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path, image: np.ndarray) -> None:
    root = tmp_path / "root"
    root.mkdir()
    Image.fromarray(image).save(tmp_path / "outside.png")
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    for file in ("link.png", "../outside.png", str(tmp_path / "outside.png")):
        with pytest.raises(BadImage, match="leads out of"):
            read_image(str(root), file, SIZE)
