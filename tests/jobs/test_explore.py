"""The command that shows what a training would see."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import cv2
import pytest

from jobs import explore
from trs import config as configs
from trs.config import Config


def test_it_counts_the_people_and_shows_their_views(config: Config, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    configs.save(config, tmp_path / "config.yaml")
    explore.main(["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path), "--name", "seen", "--count", "3"])
    told = capsys.readouterr()
    assert "8 labeled people in 8 images" in told.out and ", left_ankle " in told.out and told.err == ""
    views = cv2.imread(str(tmp_path / "seen" / "views.jpg"))
    assert views.shape == (36 + 3 * 256, 4 * 256, 3)  # annotated, easy, keypoint_mix, hard
    assert cv2.imread(str(tmp_path / "seen" / "unlabeled.jpg")) is not None


def test_images_that_cannot_be_read_are_reported_once(config: Config, drawn_root: Path, tmp_path: Path,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(drawn_root, tmp_path / "people")
    images = sorted((tmp_path / "people" / config.data.train_images).iterdir())
    for image in images[::4]:
        image.write_bytes(b"nothing that was ever seen")
    data = dataclasses.replace(config.data, root=str(tmp_path / "people"))
    configs.save(dataclasses.replace(config, data=data), tmp_path / "config.yaml")
    explore.main(["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path), "--name", "seen",
                  "--count", "10"])  # so that every person is shown
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(line.startswith("WARNING: ") for line in lines)
    assert len(lines) == len(images[::4]) and all(any(image.name in line for line in lines) for image in images[::4])
