"""What is wrong with a dataset's images, where only their headers are read and where alike is not the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trs.check.dataset import check_dataset
from trs.config import DataConfig
from trs.data.synthetic import draw_dataset

TRAIN, VAL = "annotations/person_keypoints_train.json", "annotations/person_keypoints_val.json"


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    draw_dataset(tmp_path / "people", train_count=6, val_count=3, seed=1)
    return DataConfig(root=str(tmp_path / "people"), train_annotations=TRAIN, train_images="train",
                      val_annotations=VAL, val_images="val", labeled_count=None, include_labeled=True)


def test_images_of_one_size_are_no_copies(data: DataConfig) -> None:
    """So many bytes, but others."""
    files = [next(iter(sorted(Path(data.root, folder).iterdir()))) for folder in ("train", "val")]
    length = max(file.stat().st_size for file in files)
    for file in files:  # what follows an image is no part of it
        file.write_bytes(file.read_bytes() + bytes(length - file.stat().st_size))
    assert len({file.stat().st_size for file in files}) == 1
    assert check_dataset(data, decode=False).problems == []


@pytest.mark.parametrize("decode", [False, True])
def test_an_image_of_another_size_than_declared_is_found(data: DataConfig, decode: bool) -> None:
    path = Path(data.root, TRAIN)
    content = json.loads(path.read_text())
    content["images"][0]["height"] += 7
    path.write_text(json.dumps(content))
    (problem,) = check_dataset(data, decode=decode).problems
    assert problem.count == 1 and problem.stops and "1 of 6 images cannot be used" in problem.problem
    assert problem.examples[0].startswith("000001.jpg is ")
