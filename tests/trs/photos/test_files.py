"""Which files are found, and what their results are called."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from trs.data.images import BadImage
from trs.errors import InputError
from trs.photos import files
from trs.photos.files import find_files, is_video, open_video, other_files, photo_size, read_photos, result_names


def test_folders_are_searched_for_images_and_videos(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "frames.mp4").mkdir()
    for name in ("b.JPG", "a.mp4", "notes.txt", "deep/c.webp", "deep/labels.json", ".hidden"):
        (tmp_path / name).touch()
    found = find_files([tmp_path / "notes.txt", tmp_path])
    assert [file.name for file in found] == ["notes.txt", "a.mp4", "b.JPG", "c.webp"]  # what is named is taken
    assert [is_video(file) for file in found] == [False, True, False, False]
    assert [file.name for file in other_files([tmp_path / "notes.txt", tmp_path])] == ["labels.json", "notes.txt"]


@pytest.mark.parametrize("ending", ["JPG", "jpeg", "jfif", "webp", "bmp", "tif", "TIFF", "png", "avif", "gif", "HEIC",
                                    "MOV", "webm"])
def test_what_phones_browsers_and_scanners_write_is_found_in_any_case(tmp_path: Path, ending: str) -> None:
    for name in (f"a.{ending}", f"b.{ending.swapcase()}"):
        (tmp_path / name).touch()
    assert [file.name for file in find_files([tmp_path])] == [f"a.{ending}", f"b.{ending.swapcase()}"]
    assert other_files([tmp_path]) == []


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*gone\.jpg"):
        find_files([tmp_path / "gone.jpg"])
    with pytest.raises(InputError, match=r"there is no file x+\.\.\."):
        find_files([Path("x" * 400)])
    with pytest.raises(InputError, match=r"no images and no videos in .* end in \.3gp \.apng"):
        find_files([tmp_path])


def test_no_two_files_share_their_results() -> None:
    paths = [Path("one/x.jpg"), Path("two/x.png"), Path("x_2.jpg"), Path("x.mp4"), Path("predictions.jpg")]
    assert list(result_names(paths).values()) == ["x", "x_2", "x_2_2", "x_3", "predictions_2"]


def test_names_leave_room_for_their_results() -> None:
    paths = [Path(f"{folder}/{stem}.jpg") for folder in "ab" for stem in ("あ" * 80, "x" * 251)]
    found = list(result_names(paths).values())
    assert found == ["あ" * 71, "x" * 215, f"{'あ' * 71}_2", f"{'x' * 215}_2"]
    assert all(len(f"{name}_123456_heatmaps_123.jpg".encode()) <= 255 for name in found)


def test_a_photos_size_is_that_of_its_header(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees
    Image.new("RGB", (80, 40)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "broken.jpg").write_bytes(b"nothing that was ever seen")
    names = ("turned.jpg", "broken.jpg", "clip.mp4", "gone.png")
    assert [photo_size(tmp_path / name) for name in names] == [(80, 40), None, None, None]


def test_records_are_numbered_by_the_file_name_or_the_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("000000000139.png", "broken.png", "photo.png")]
    for file in (paths[0], paths[2]):
        Image.new("RGB", (3, 2), "red").save(file)
    paths[1].write_bytes(b"nothing that was ever seen")
    unreadable: list[str] = []
    photos = list(read_photos(result_names(paths), unreadable))
    assert [(photo.name, photo.file, photo.image_id) for photo in photos] == [
        ("000000000139", "000000000139.png", 139), ("photo", "photo.png", 3)]
    assert photos[0].image.shape == (2, 3, 3) and photos[0].image[0, 0].tolist() == [255, 0, 0]
    assert len(unreadable) == 1 and "broken.png" in unreadable[0]


def test_an_animation_is_its_first_image_and_says_how_many_there_are(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (3, 2), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.png")
    photos = list(read_photos(result_names([tmp_path / "a.gif", tmp_path / "b.png"]), []))
    assert [photo.of for photo in photos] == [3, 1] and photos[0].image[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("fault", ["garbage", "empty", "missing", "pipe", "folder", "huge"])
def test_what_is_no_video_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    path = tmp_path / "clip.avi"
    if fault == "pipe":
        os.mkfifo(path)
    elif fault == "folder":
        path.mkdir()
    elif fault == "huge":
        monkeypatch.setattr(files, "MAX_PIXELS", 63 * 48)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
    elif fault != "missing":
        path.write_bytes(b"nothing that was ever seen" if fault == "garbage" else b"")
    with pytest.raises(BadImage) as refused:
        open_video(path, "clip")
    assert str(refused.value) == str(path) + {
        "garbage": " is not a video that can be read", "empty": " is empty", "missing": ": No such file or directory",
        "pipe": ": is not a regular file", "folder": ": is not a regular file",
        "huge": " has frames of 3072 pixels, more than 3024"}[fault]
