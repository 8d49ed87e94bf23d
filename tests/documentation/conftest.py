"""Drawn people as the pages lay out COCO, and what makes a documented command small enough for two cores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SMALL = ["--model.backbones", "resnet_tiny", "resnet_tiny", "--model.pretrained", "none", "--model.head-channels", "16",
         "--data.input-size", "64", "64", "--data.labeled-count", "8", "--train.batch-size", "8", "--train.epochs", "1",
         "--train.workers", "1", "--train.burn-in", "0", "--data.dev-count", "None", "--cpus-per-worker", "0.7",
         "--data-cpus", "0.25", "--no-use-gpu", "--eval.every", "1", "--eval.batch-size", "4"]
"""Options that go behind those of the pages: the later ones count."""


@pytest.fixture(scope="session")
def coco(drawn_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files and folders of docs/data.md: COCO, and WILD whose unlabeled images are the training images."""
    root = tmp_path_factory.mktemp("data") / "coco"
    (root / "annotations").mkdir(parents=True)
    for part in ("train", "val"):
        (root / f"{part}2017").symlink_to(drawn_root / part)
        (root / "annotations" / f"person_keypoints_{part}2017.json").symlink_to(
            drawn_root / "annotations" / f"person_keypoints_{part}.json")
    (root / "unlabeled2017").symlink_to(drawn_root / "train")
    images = json.loads((root / "annotations" / "person_keypoints_train2017.json").read_text())["images"]
    (root / "annotations" / "image_info_unlabeled2017.json").write_text(json.dumps({"images": images}))
    detections(root, "train", root / "annotations" / "unlabeled2017_person_detections.json")
    return root


def detections(root: Path, part: str, target: Path) -> None:
    """Write the annotated boxes in COCO's result format, as a detector would."""
    people = json.loads((root / "annotations" / f"person_keypoints_{part}2017.json").read_text())["annotations"]
    target.write_text(json.dumps([{"image_id": person["image_id"], "category_id": 1, "bbox": person["bbox"],
                                   "score": 0.9} for person in people]))
