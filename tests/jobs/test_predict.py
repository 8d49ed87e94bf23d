"""Poses on pictures that no training knows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from jobs import predict
from jobs.cli import run
from trs import loop
from trs.config import Config
from trs.data.datasets import Datasets
from trs.evaluation.evaluate import evaluate
from trs.evaluation.predictor import load_predictor
from trs.methods.build import build_method


@pytest.fixture(scope="module")
def trained(config: Config, sets: Datasets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    training = loop.start(config, sets, build_method(config, len(sets.skeleton)), torch.device("cpu"))
    training.save(folder / "checkpoint_00000000")
    return folder


def test_with_the_annotated_boxes_it_predicts_what_the_evaluation_predicts(
        trained: Path, config: Config, sets: Datasets, drawn_root: Path, tmp_path: Path) -> None:
    predict.main([str(trained), str(drawn_root / config.data.val_images), "--out", str(tmp_path), "--boxes",
                  str(drawn_root / config.data.val_annotations)])
    found = {(result["image_id"], *result["bbox"]): result for result in
             json.loads((tmp_path / "predictions.json").read_text())}
    evaluated: dict[str, list] = {}
    evaluate(load_predictor(trained, torch.device("cpu")).method, sets, config, torch.device("cpu"), [],
             lambda name, results: evaluated.update({name: results}))
    assert len(found) == len(evaluated["ensemble"]) == len(sets.val)
    order = np.argsort(sets.val.ids)
    for row, expected in zip(order, evaluated["ensemble"], strict=True):
        result = found[int(sets.val.image_ids[row]), *sets.val.boxes[row]]
        np.testing.assert_allclose(result["keypoints"], expected["keypoints"], atol=2e-3)
        assert result["score"] == pytest.approx(expected["score"], abs=1e-4)
    assert {file.stem for file in tmp_path.glob("*.jpg")} == {
        file.stem for file in (drawn_root / config.data.val_images).iterdir()}


def test_a_photo_lies_as_its_viewer_shows_it_and_what_is_no_picture_is_survived(
        trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        photo, exif = Image.new("RGB", (80, 40), "green"), Image.Exif()
        exif[274] = 6  # to be turned by 90 degrees
        photo.save(tmp_path / folder / "photo.jpg", exif=exif)
    (tmp_path / "one" / "broken.jpg").write_bytes(b"no picture")
    with (tmp_path / "two" / "photo.jpg").open("ab") as file:
        file.write(bytes(5000))  # as phones append a film
    predict.main([str(trained), str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "out"),
                  "--heatmaps", "--network", "reviewer_b"])
    assert cv2.imread(str(tmp_path / "out" / "photo.jpg")).shape == (80, 40, 3)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "photo.jpg", "photo_2.jpg", "photo_2_heatmaps_1.jpg", "photo_heatmaps_1.jpg", "predictions.json"]
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [result["bbox"] for result in results] == [[0, 0, 40, 80]] * 2
    told = capsys.readouterr()
    assert "broken.jpg is not a picture" in told.err and "2 of 3 files" in told.out


def test_a_video_becomes_a_video_with_a_pose_a_frame(trained: Path, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for shade in range(7):
        writer.write(np.full((48, 64, 3), 30 * shade, np.uint8))
    writer.release()
    predict.main([str(trained), str(tmp_path / "clip.mp4"), "--out", str(tmp_path / "out"), "--min-confidence", "0"])
    assert [result["image_id"] for result in json.loads((tmp_path / "out" / "clip.json").read_text())] == list(range(7))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["clip.json", "clip.mp4"]
    drawn = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert (drawn.get(cv2.CAP_PROP_FRAME_COUNT), drawn.get(cv2.CAP_PROP_FPS)) == (7, 10)


@pytest.mark.parametrize(("arguments", "sentence"), [
    ([], "nothing to look at"), (["missing.jpg"], "there is no file missing.jpg"),
    (["{photo}", "--network", "c"], "--network c: this checkpoint has a, b, reviewer_a, reviewer_b, ensemble"),
    (["{photo}", "--boxes", "{photo}"], "cannot read"),
    (["{broken}"], "none of the files can be read"), (["{photo}", "--device", "nowhere"], "--device nowhere: "),
    (["{photo}", "--out", "{photo}"], "is a file"), (["{folder}", "--out", "{folder}"], "choose another --out")])
def test_mistakes_end_in_a_sentence(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                    arguments: list[str], sentence: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    given = [part.format(photo=tmp_path / "photo.png", broken=tmp_path / "broken.png", folder=tmp_path)
             for part in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        run(predict.main, [str(trained), *given, *out])
    assert ended.value.code == 2 and sentence in capsys.readouterr().err


def test_a_checkpoint_needs_no_pretrained_weights(trained: Path, config: Config, sets: Datasets, tmp_path: Path) -> None:
    training = loop.start(config, sets, build_method(config, len(sets.skeleton)), torch.device("cpu"))
    absent = dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained="gone.safetensors"))
    dataclasses.replace(training, config=absent).save(tmp_path / "checkpoint_00000000")
    predictor = load_predictor(tmp_path, torch.device("cpu"))
    assert predictor.poses(np.zeros((32, 32, 3), np.uint8), np.zeros((0, 4))).shape == (0, 17, 3)
