"""What a training would see."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from jobs import explore
from trs import config as configs
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets


def test_it_counts_the_people_and_shows_their_views(config: Config, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    configs.save(config, tmp_path / "config.yaml")
    explore.main(["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path), "--name", "seen", "--count", "3"])
    printed = capsys.readouterr().out
    assert "8 labelled people in 8 pictures" in printed and ", left_ankle " in printed
    views = cv2.imread(str(tmp_path / "seen" / "views.jpg"))
    assert views.shape == (36 + 3 * 256, 4 * 256, 3)  # annotated, easy, keypoint_mix, hard
    assert cv2.imread(str(tmp_path / "seen" / "unlabeled.jpg")) is not None


def test_what_is_drawn_follows_the_method(sets: Datasets, config: Config) -> None:
    supervised = dataclasses.replace(config, method=SupervisedConfig())
    both = [explore.labeled_views(sets, one, 2) for one in (config, supervised)]
    assert both[1].shape[1] == both[0].shape[1] // 2  # annotated and easy alone
    np.testing.assert_array_equal(both[0][36:, :512], both[1][36:])  # and these are the same
