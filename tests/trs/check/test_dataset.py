"""What is wrong with a dataset, all at once: each fault is put into drawn people, and found with count and names."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from trs.check.dataset import check_dataset
from trs.check.report import Problem, Report
from trs.config import DataConfig
from trs.data.datasets import load_datasets
from trs.data.synthetic import draw_dataset
from trs.errors import InputError

TRAIN, VAL = "annotations/person_keypoints_train.json", "annotations/person_keypoints_val.json"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    draw_dataset(tmp_path / "people", train_count=12, val_count=4, seed=1)
    return tmp_path / "people"


def data(root: Path, **changes: Any) -> DataConfig:
    return DataConfig(root=str(root), train_annotations=TRAIN, train_images="train", val_annotations=VAL,
                      val_images="val", labeled_count=None, include_labeled=True, **changes)


def edit(root: Path, change: Change, file: str = TRAIN) -> None:
    content = json.loads((root / file).read_text())
    change(content)
    (root / file).write_text(json.dumps(content))


def find(report: Report, words: str) -> Problem:
    found = [problem for problem in report.problems if words in problem.problem]
    assert len(found) == 1, [problem.problem for problem in report.problems]
    return found[0]


def test_nothing_is_wrong_with_drawn_people(root: Path) -> None:
    report = check_dataset(data(root), decode=True)
    assert report.problems == [] and report.left_out == {}
    assert [(file.role, file.people) for file in report.files] == [("train", 12), ("validation", 4)]
    assert report.people == 16 and ("left_eye", "right_eye") in (report.mirror_pairs or [])
    assert report.sigmas["nose"] == 0.026 and report.sigmas_from == "COCO"


def corners(content: dict[str, Any]) -> None:
    for record in content["annotations"]:
        x, y, width, height = record["bbox"]
        record["bbox"] = [x, y, x + width, y + height]


RECORDS: list[tuple[Change, str, int, bool]] = [
    (lambda content: content["annotations"][0].update(category_id=9), "file does not declare", 1, False),
    (lambda content: content["annotations"][0].update(image_id=999), "file does not list", 1, False),
    (lambda content: content["annotations"][0].update(keypoints=[1, 2, 2]), "another number of keypoints", 1, False),
    (lambda content: content["annotations"][0].update(keypoints=[None, None, 2] * 17), "no finite", 1, False),
    (lambda content: content["annotations"][0].pop("bbox"), "the hull of these stands in", 1, False),
    (lambda content: content["annotations"][0].update(area=0), "0.53 of the box stands in", 1, False),
    (corners, "boxes are read as two corners", 1, False),
    (lambda content: content["annotations"][0].update(bbox=[-500, -500, 1500, 1500]), "boxes leave", 1, False),
    (lambda content: content["annotations"][0].update(keypoints=[9999, 9999, 2] * 17), "keypoints outside", 1, False),
    (lambda content: content["categories"].append({"id": 5, "keypoints": ["tail"]}), "no people", 1, False),
    (lambda content: content["categories"][0].update(keypoints=[*map(str, range(17))]), "mirror pairs", 1, False),
    (lambda content: content["categories"][0].pop("keypoints"), "no category names its keypoints", 1, True),
    (lambda content: content["annotations"][0].update(iscrowd="maybe"), "iscrowd must be 0 or 1", 1, True),
    (lambda content: content["annotations"][1].update(id=content["annotations"][0]["id"]), "occurs twice", 1, True)]


@pytest.mark.parametrize(("change", "words", "count", "stops"), RECORDS, ids=[words for _, words, *_ in RECORDS])
def test_faults_of_records_are_found(root: Path, change: Change, words: str, count: int, stops: bool) -> None:
    edit(root, change)
    problem = find(check_dataset(data(root), decode=False), words)
    assert (problem.count, problem.stops) == (count, stops) and problem.file.endswith("train.json")


def test_guessed_sigmas_are_a_problem_and_an_option_solves_it(root: Path) -> None:
    for file in (TRAIN, VAL):
        edit(root, lambda content: content["categories"][0].update(keypoints=[f"point {n}" for n in range(17)]), file)
    report = check_dataset(data(root), decode=False)
    assert "guess" in report.sigmas_from and report.mirror_pairs is None
    assert "data.sigmas" in find(report, "OKS sigma").problem
    told = check_dataset(data(root, sigmas=("coco",), mirror_pairs=("point 1:point 2",)), decode=False)
    assert told.problems == [] and told.mirror_pairs == [("point 1", "point 2")] and told.sigmas_from == "COCO"


def test_images_of_both_sets_are_found_by_name_and_as_copies(root: Path) -> None:
    shutil.copy(root / "train" / min(p.name for p in (root / "train").iterdir()), root / "val" / "copy.jpg")

    def copied(content: dict[str, Any]) -> None:
        content["images"][0]["file_name"] = "copy.jpg"

    edit(root, copied, VAL)
    problem = find(check_dataset(data(root), decode=False), "in training and in validation")
    assert (problem.count, problem.examples) == (1, ("copy.jpg",))
    same = dataclasses.replace(data(root), val_annotations=TRAIN, val_images="train")
    report = check_dataset(same, decode=False)
    assert find(report, "in training and in validation").count == 12


def test_images_that_cannot_be_used_are_counted_with_their_limit(root: Path) -> None:
    first, second, *_ = sorted((root / "train").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:700])  # its header is whole
    problem = find(check_dataset(data(root), decode=True), "images cannot be used")
    assert problem.count == 2 and problem.stops and "2 of 12 images" in problem.problem
    assert first.name in problem.examples[0] and second.name in problem.examples[1]
    assert find(check_dataset(data(root), decode=False), "images cannot be used").count == 1
    assert not find(check_dataset(data(root, max_bad_images=0.5), decode=True), "images cannot be used").stops


def test_images_that_are_turned_are_counted_and_those_whose_frame_is_open(root: Path) -> None:
    files = sorted((root / "train").iterdir())
    for file, orientation in zip(files, (6, 3), strict=False):
        upright = Image.open(file).convert("RGB")
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = upright.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else upright
        turned.save(file, exif=exif)
    report = check_dataset(data(root), decode=True)
    assert find(report, "turned by their EXIF").count == 2
    square = cv2.imread(str(files[0])).shape[0] == cv2.imread(str(files[0])).shape[1]
    problem = find(report, "whether their labels are turned too; they are read as shown")
    assert problem.count == 1 + square and "data.exif" in problem.remedy


def test_boxes_from_the_origin_are_found(root: Path) -> None:
    def hull_with_origin(content: dict[str, Any]) -> None:
        record, image = content["annotations"][0], content["images"][0]
        points = np.array(record["keypoints"], dtype=float).reshape(-1, 3)
        points[:, :2] = [0.8 * image["width"], 0.8 * image["height"]] + np.arange(34).reshape(17, 2) / 10
        points[0] = 0
        record["keypoints"] = points.ravel().tolist()
        record["bbox"] = [0, 0, *points[:, :2].max(0).tolist()]

    edit(root, hull_with_origin)
    assert find(check_dataset(data(root), decode=False), "boxes reach from the origin").count == 1


def test_what_a_training_would_be_refused_for_is_said_once(root: Path) -> None:
    more = dataclasses.replace(data(root), labeled_count=500)
    with pytest.raises(InputError, match="only 12 labeled people"):
        load_datasets(more)
    report = check_dataset(more, decode=False)
    assert find(report, "only 12 labeled people").stops
    (root / VAL).write_text("{")
    report = check_dataset(data(root), decode=False)
    assert find(report, "as JSON").stops and len(report.problems) == 1


def test_so_many_faults_that_a_training_is_refused(root: Path) -> None:
    def damage(content: dict[str, Any]) -> None:
        for record in content["annotations"][:7]:
            record["image_id"] = 999

    edit(root, damage)
    report = check_dataset(data(root), decode=False)
    assert find(report, "7 of 12 labeled people cannot be used, more than data.max_left_out = 0.5").stops
    assert report.left_out == {"unknown_image": 7}
    assert not any(problem.stops for problem in check_dataset(data(root, max_left_out=0.6), decode=False).problems)
