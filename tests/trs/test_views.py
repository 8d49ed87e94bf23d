"""The sheets that show what a training would see."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.views import labeled_views, summary, unlabeled_views


def test_what_is_drawn_follows_the_method(sets: Datasets, config: Config) -> None:
    supervised = dataclasses.replace(config, method=SupervisedConfig())
    both = [labeled_views(sets, one, 2).image for one in (config, supervised)]
    assert both[1].shape[1] == both[0].shape[1] // 2  # annotated and easy alone
    np.testing.assert_array_equal(both[0][36:, :512], both[1][36:])  # and these are the same


def test_the_summary_counts_people_images_and_keypoints(sets: Datasets) -> None:
    labeled, unlabeled, validation, keypoints = summary(sets)
    assert labeled.startswith("8 labeled people in 8 images, their boxes ")
    assert unlabeled.startswith("40 unlabeled people in 40 images") and validation.startswith("13 validation people")
    assert keypoints.startswith("labeled keypoints: nose ") and keypoints.count("%") == 17
    nobody = dataclasses.replace(sets, unlabeled=sets.unlabeled.take(np.arange(0)))
    assert summary(nobody)[1] == "0 unlabeled people in 0 images"


def test_images_that_cannot_be_read_are_named(sets: Datasets, config: Config, tmp_path: Path) -> None:
    shutil.copytree(sets.labeled.root, tmp_path / "images")
    bad = str(sets.labeled.files[3])
    (tmp_path / "images" / bad).write_bytes(b"nothing that was ever seen")
    moved = dataclasses.replace(sets, labeled=dataclasses.replace(sets.labeled, root=str(tmp_path / "images")))
    sheet = labeled_views(moved, config, len(sets.labeled))
    assert sheet.bad_images and all(bad in sentence for sentence in sheet.bad_images)
    assert unlabeled_views(moved, config, 6).bad_images == []
    assert labeled_views(sets, config, 2).bad_images == []
