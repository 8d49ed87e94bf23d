"""Boxes of images from the files that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trs.data.annotations.boxes import are_corners, read_boxes
from trs.data.annotations.detections import load_detections
from trs.data.annotations.left_out import Reason
from trs.errors import InputError


def written(tmp_path: Path, content: Any) -> Path:
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return tmp_path / "boxes.json"


def test_a_coco_file_names_its_images(tmp_path: Path) -> None:
    find = read_boxes(written(tmp_path, {
        "images": [{"id": 7, "file_name": "folder/a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 1},
                        {"image_id": "7", "bbox": [5, 6, 7, 8], "iscrowd": 1},
                        {"image_id": 7, "bbox": [0, 0, 9, 9], "category_id": 2},
                        {"image_id": 8, "bbox": [1, 1, 0, 1]}]}), 0.5)
    np.testing.assert_array_equal(find("a.jpg"), [[1, 2, 3, 4]])
    assert find("b.jpg").shape == find("c.jpg").shape == (0, 4)
    assert find.findings.left_out == {Reason.CROWD: 1, Reason.OTHER_CATEGORY: 1, Reason.NO_BOX: 1}


@pytest.mark.parametrize("category", [0, 2, "2", "person", None])
def test_boxes_of_one_category_are_taken_whatever_its_id(tmp_path: Path, category: object) -> None:
    find = read_boxes(written(tmp_path, [{"image_id": "photo", "bbox": [1, 2, 3, 4], "score": 1,
                                          "category_id": category}]), 0.5)
    np.testing.assert_array_equal(find("photo.JPG"), [[1, 2, 3, 4]])


def test_of_several_categories_only_the_chosen_one_counts(tmp_path: Path) -> None:
    boxes = [{"image_id": 5, "bbox": [number, 2, 3, 4], "score": 1, "category_id": number} for number in range(4)]
    find = read_boxes(written(tmp_path, boxes), 0.5, categories=["2"])
    np.testing.assert_array_equal(find("5.jpg"), [[2, 2, 3, 4]])
    assert len(find) == 1 and find.findings.left_out == {Reason.OTHER_CATEGORY: 3}


def test_a_detectors_results_are_found_by_number_or_name_above_their_score(tmp_path: Path) -> None:
    find = read_boxes(written(tmp_path, [
        {"image_id": 139, "bbox": [1, 2, 3, 4], "score": 0.9}, {"image_id": 139, "bbox": [5, 6, 7, 8], "score": 0.4},
        {"file_name": "in/photo.png", "bbox": [9, 9, 9, 9], "score": 0.5}]), 0.5)
    np.testing.assert_array_equal(find("000000000139.jpg"), [[1, 2, 3, 4]])
    np.testing.assert_array_equal(find("COCO_val2014_000000000139.jpg"), [[1, 2, 3, 4]])
    np.testing.assert_array_equal(find("photo.png"), [[9, 9, 9, 9]])


@pytest.mark.parametrize(("content", "sentence"), [
    ({"images": []}, "must hold a list"), ([{"image_id": 1, "bbox": [1, 2, 3]}], "1 without a box that has an area"),
    ({"images": [1], "annotations": []}, "no list of records under 'images'"), ("boxes", "must hold a list"),
    ({"images": None}, "no list of records under 'images'"), ([3, None], "2 no record at all"),
    ([{"image_id": 1, "bbox": [1, 2, 3, 4], "score": "high"}], "1 with a score that is no number"),
    ({"images": [{"id": 1, "file_name": "a/x.jpg"}, {"id": 2, "file_name": "b/x.jpg"}], "annotations": []}, "apart"),
    ([{"image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 2}], "record at place 0: iscrowd must be 0 or 1, not 2"),
    ([{"bbox": [1, 2, 3, 4]}], "1 in an image that the file does not list")])
def test_a_malformed_file_is_named(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_boxes(written(tmp_path, content), 0.5)


@pytest.mark.parametrize(("boxes", "corners"), [
    ([[50, 20, 90, 70], [10, 10, 30, 30]], True), ([[10, 10, 60, 60], [10, 10, 30, 30]], False),
    ([[50, 20, 90, 70], [60, 10, 30, 30]], False), ([[50, 20, 120, 70]], False), ([[-9, 20, 95, 100]], False)])
def test_boxes_that_fit_their_images_as_corners_alone(boxes: list[list[float]], corners: bool) -> None:
    assert are_corners(np.array(boxes, float), np.array([[80, 100]] * len(boxes))) is corners


def test_ids_that_are_other_images_numbers_are_said(tmp_path: Path) -> None:
    """ultralytics 8.2 writes the number in an image's name where others write its id."""
    images = [{"id": number, "file_name": f"{1 + number:012d}.jpg"} for number in range(1, 4)]
    (tmp_path / "images.json").write_text(json.dumps({"images": images}))
    box = {"category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}
    for numbers, said, files in (((2, 3), 1, (3, 4)), ((2, 3, 4), 0, (2, 3, 4))):
        found = written(tmp_path, [{**box, "image_id": number} for number in numbers])
        people, findings = load_detections(tmp_path / "images.json", found, tmp_path, 1, 0.5)
        assert people.files.tolist() == [f"{number:012d}.jpg" for number in files]
        assert sum("numbers in other images' names" in note for note in findings.notes) == said
