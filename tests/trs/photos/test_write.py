"""Poses in photos that belong to no dataset, and the files that show them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from trs.config import Config
from trs.data.annotations.boxes import read_boxes
from trs.data.datasets import Datasets
from trs.errors import Diverged
from trs.evaluation.evaluate import evaluate
from trs.evaluation.predictor import Predictor, load_predictor
from trs.photos.files import find_files
from trs.photos.predict import PhotoPredictor, heatmap_sheets
from trs.photos.write import predict_files

VIDEO_CODEC = b"vp09"


@pytest.fixture(scope="module")
def predictor(checkpoint_folder: Path) -> Predictor:
    return load_predictor(checkpoint_folder, torch.device("cpu"))


def test_with_the_annotated_boxes_it_predicts_what_the_evaluation_predicts(
        predictor: Predictor, config: Config, datasets: Datasets, drawn_root: Path, tmp_path: Path) -> None:
    images = drawn_root / config.data.val_images
    find_boxes = read_boxes(drawn_root / config.data.val_annotations, 0.5)
    bad = predict_files(PhotoPredictor(predictor, find_boxes=find_boxes), find_files([images]), tmp_path, print)
    assert bad == []
    found = {(record["image_id"], *record["bbox"]): record for record in
             json.loads((tmp_path / "predictions.json").read_text())}
    evaluated: dict[str, list] = {}
    evaluate(predictor.method, datasets, config, torch.device("cpu"), [],
             lambda name, results: evaluated.update({name: results}))
    assert len(found) == len(evaluated["ensemble"]) == len(datasets.val)
    order = np.argsort(datasets.val.ids)
    for row, expected in zip(order, evaluated["ensemble"], strict=True):
        record = found[int(datasets.val.image_ids[row]), *datasets.val.boxes[row]]
        np.testing.assert_allclose(record["keypoints"], expected["keypoints"], atol=2e-3)
        assert record["score"] == pytest.approx(expected["score"], abs=1e-4)
    assert {file.stem for file in tmp_path.glob("*.jpg")} == {file.stem for file in images.iterdir()}


def test_a_photo_lies_as_its_viewer_shows_it_and_what_is_no_image_is_survived(predictor: Predictor, tmp_path: Path
                                                                              ) -> None:
    for folder in ("one", "two", "out"):
        (tmp_path / folder).mkdir()
    for folder in ("one", "two"):
        photo, exif = Image.new("RGB", (80, 40), "green"), Image.Exif()
        exif[274] = 6  # to be turned by 90 degrees
        photo.save(tmp_path / folder / "photo.jpg", exif=exif)
    (tmp_path / "one" / "broken.jpg").write_bytes(b"nothing that was ever seen")
    with (tmp_path / "two" / "photo.jpg").open("ab") as file:
        file.write(bytes(5000))  # as phones append a film
    lines: list[str] = []
    bad = predict_files(PhotoPredictor(predictor, "reviewer_b"), find_files([tmp_path / "one", tmp_path / "two"]),
                        tmp_path / "out", lines.append, heatmaps=True)
    assert cv2.imread(str(tmp_path / "out" / "photo.jpg")).shape == (80, 40, 3)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "photo.jpg", "photo_2.jpg", "photo_2_heatmaps_1.jpg", "photo_heatmaps_1.jpg", "predictions.json"]
    records = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [record["bbox"] for record in records] == [[0, 0, 40, 80]] * 2
    assert lines == ["photo.jpg: 1 person"] * 2
    assert len(bad) == 1 and "broken.jpg" in bad[0]


def test_a_network_that_gives_no_numbers_has_diverged(checkpoint_folder: Path, tmp_path: Path) -> None:
    broken = load_predictor(checkpoint_folder, torch.device("cpu"))
    for name, buffer in broken.method.predictors["a"].named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(-1)  # a finite number, whose root is none
    Image.new("RGB", (40, 30), "green").save(tmp_path / "photo.png")
    (tmp_path / "out").mkdir()
    with pytest.raises(Diverged, match=r"^network ensemble has diverged: its poses in photo\.png are not finite; use "
                                       r"an earlier checkpoint$"):
        predict_files(PhotoPredictor(broken), [tmp_path / "photo.png"], tmp_path / "out", print)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_photo_without_people_is_shown_as_it_is(predictor: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "green").save(tmp_path / "empty.png")
    (tmp_path / "out").mkdir()
    nobody = PhotoPredictor(predictor, find_boxes=lambda file: np.zeros((0, 4)))
    lines: list[str] = []
    predict_files(nobody, [tmp_path / "empty.png"], tmp_path / "out", lines.append, heatmaps=True)
    assert lines == ["empty.png: 0 people"]
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == []
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["empty.jpg", "predictions.json"]


def test_a_video_becomes_a_video_with_a_pose_a_frame(predictor: Predictor, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for shade in range(7):
        writer.write(np.full((48, 64, 3), 30 * shade, np.uint8))
    writer.release()
    (tmp_path / "broken.mp4").write_bytes(b"nothing that was ever seen")
    (tmp_path / "out").mkdir()
    lines: list[str] = []
    bad = predict_files(PhotoPredictor(predictor, min_confidence=0.0), find_files([tmp_path]), tmp_path / "out",
                        lines.append)
    assert len(bad) == 1 and "broken.mp4 is not a video that can be read" in bad[0]
    assert lines == ["clip.mp4: 7 frames, 7 poses"]
    assert [record["image_id"] for record in json.loads((tmp_path / "out" / "clip.json").read_text())] == list(range(7))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["clip.json", "clip.mp4"]
    assert VIDEO_CODEC in (tmp_path / "out" / "clip.mp4").read_bytes()
    drawn = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert (drawn.get(cv2.CAP_PROP_FRAME_COUNT), drawn.get(cv2.CAP_PROP_FPS)) == (7, 10)


PLAYED = """const [address, done] = arguments, video = document.createElement('video');
video.muted = true;
video.onerror = () => done('error ' + video.error.code + ' ' + video.error.message);
video.onended = () => done([video.videoWidth, video.videoHeight, video.duration]);
video.src = address;
document.body.append(video);
video.play().catch(error => done(String(error)));"""
"""Plays a video to its end, and tells its size and its length in seconds, or what went wrong."""


@pytest.mark.parametrize("size", [(64, 48), (63, 47)], ids=["even", "odd"])
def test_a_browser_plays_the_videos(predictor: Predictor, tmp_path: Path, browser: Any, size: tuple[int, int]) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, size)
    for shade in range(7):
        writer.write(np.full((size[1], size[0], 3), 30 * shade, np.uint8))
    writer.release()
    (tmp_path / "out").mkdir()
    nobody = PhotoPredictor(predictor, find_boxes=lambda file: np.zeros((0, 4)))
    assert predict_files(nobody, [tmp_path / "clip.avi"], tmp_path / "out", print) == []
    page = tmp_path / "out" / "page.html"
    page.write_text("<body></body>")
    browser.get(f"file://{page}")
    browser.set_script_timeout(60)
    played = browser.execute_async_script(PLAYED, "clip.mp4")
    assert isinstance(played, list), played
    width, height, seconds = played
    assert (width, height) == (size[0] // 2 * 2, size[1] // 2 * 2) and abs(seconds - 0.7) < 0.15


def test_a_video_that_ends_early_says_how_many_frames_it_lacks(predictor: Predictor, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for _ in range(9):
        writer.write(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    writer.release()
    content = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "clip.avi").write_bytes(content[:len(content) // 2])
    (tmp_path / "out").mkdir()
    lines: list[str] = []
    assert predict_files(PhotoPredictor(predictor), [tmp_path / "clip.avi"], tmp_path / "out", lines.append) == []
    assert re.fullmatch(r"clip\.avi: (\d) frames of the 9 that it claims to have, \1 poses", lines[-1])


def test_names_and_animations_are_told_in_one_printable_line(predictor: Predictor, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green")]
    frames[0].save(tmp_path / "two\x1b[31m\nlines.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "bad\n.png").write_bytes(b"")
    (tmp_path / "out").mkdir()
    lines: list[str] = []
    bad = predict_files(PhotoPredictor(predictor), find_files([tmp_path]), tmp_path / "out", lines.append)
    assert lines == ["two\\x1b[31m\\nlines.gif: 1 person, in the first of its 2 images"]
    assert bad == [f"{tmp_path}/bad\\n.png is not an image that can be read"]


def test_an_image_too_long_for_a_jpeg_is_named(predictor: Predictor, tmp_path: Path) -> None:
    Image.new("1", (70_000, 4)).save(tmp_path / "long.png")
    (tmp_path / "out").mkdir()
    bad = predict_files(PhotoPredictor(predictor), [tmp_path / "long.png"], tmp_path / "out", print)
    assert bad == ["long.png cannot be drawn: a JPEG has at most 65500 pixels in a row"]
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == []


def test_a_heatmap_sheet_shows_every_keypoint_to_teacher_and_reviewer(predictor: Predictor) -> None:
    image = np.zeros((90, 70, 3), np.uint8)
    sheets = list(heatmap_sheets(predictor, predictor.crop(image, np.array([[5.0, 5, 20, 30], [30, 30, 20, 40]]))))
    columns, rows, crop, title = 4, 5, 192, 36  # of 17 keypoints; crops of 64 pixels, three times as large
    assert [drawn.shape for drawn in sheets] == [(rows * (crop + title), columns * 2 * crop, 3)] * 2
