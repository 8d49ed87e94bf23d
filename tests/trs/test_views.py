"""The sheets that show what a training would see."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.views import labeled_views, summary, unlabeled_views


def test_what_is_drawn_follows_the_method(datasets: Datasets, config: Config) -> None:
    supervised = dataclasses.replace(config, method=SupervisedConfig())
    both = [labeled_views(datasets, one, 2).image for one in (config, supervised)]
    assert both[1].shape[1] == both[0].shape[1] // 2  # annotated and easy alone
    np.testing.assert_array_equal(both[0][36:, :512], both[1][36:])  # and these are the same


def test_the_summary_counts_people_images_and_keypoints(datasets: Datasets) -> None:
    labeled, unlabeled, validation, keypoints = summary(datasets)
    assert labeled.startswith("8 labeled people in 8 images, their boxes ")
    assert unlabeled.startswith("40 unlabeled people in 40 images") and validation.startswith("13 validation people")
    assert keypoints.startswith("labeled keypoints: nose ") and keypoints.count("%") == 17
    nobody = dataclasses.replace(datasets, unlabeled=datasets.unlabeled.take(np.arange(0)))
    assert summary(nobody)[1] == "0 unlabeled people in 0 images"


def test_images_that_cannot_be_read_are_named(datasets: Datasets, config: Config, tmp_path: Path) -> None:
    shutil.copytree(datasets.labeled.root, tmp_path / "images")
    bad = str(datasets.labeled.files[3])
    (tmp_path / "images" / bad).write_bytes(b"nothing that was ever seen")
    moved = dataclasses.replace(datasets, labeled=dataclasses.replace(datasets.labeled, root=str(tmp_path / "images")))
    sheet = labeled_views(moved, config, len(datasets.labeled))
    assert sheet.bad_images and all(bad in sentence for sentence in sheet.bad_images)
    assert unlabeled_views(moved, config, 6).bad_images == []
    assert labeled_views(datasets, config, 2).bad_images == []
