"""Which files are found, and what their results are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from trs.errors import InputError
from trs.photos.files import find_files, is_video, open_video, read_photos, result_names


def test_folders_are_searched_for_images_and_videos(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.JPG", "a.mp4", "notes.txt", "deep/c.webp"):
        (tmp_path / name).touch()
    found = find_files([tmp_path / "notes.txt", tmp_path])
    assert [file.name for file in found] == ["notes.txt", "a.mp4", "b.JPG", "c.webp"]  # what is named is taken
    assert [is_video(file) for file in found] == [False, True, False, False]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*gone\.jpg"):
        find_files([tmp_path / "gone.jpg"])
    with pytest.raises(InputError, match=r"no images and no videos in .* end in \.avi \.bmp"):
        find_files([tmp_path])


def test_no_two_files_share_their_results() -> None:
    files = [Path("one/x.jpg"), Path("two/x.png"), Path("x_2.jpg"), Path("x.mp4"), Path("predictions.jpg")]
    assert list(result_names(files).values()) == ["x", "x_2", "x_2_2", "x_3", "predictions_2"]


def test_records_are_numbered_by_the_file_name_or_the_order(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("000000000139.png", "broken.png", "photo.png")]
    for file in (files[0], files[2]):
        Image.new("RGB", (3, 2), "red").save(file)
    files[1].write_bytes(b"nothing that was ever seen")
    unreadable: list[str] = []
    photos = list(read_photos(result_names(files), unreadable))
    assert [(photo.name, photo.file, photo.image_id) for photo in photos] == [
        ("000000000139", "000000000139.png", 139), ("photo", "photo.png", 3)]
    assert photos[0].image.shape == (2, 3, 3) and photos[0].image[0, 0].tolist() == [255, 0, 0]
    assert len(unreadable) == 1 and "broken.png" in unreadable[0]


def test_what_is_no_video_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"nothing that was ever seen")
    assert list(open_video(tmp_path / "clip.mp4", "clip").frames) == []
