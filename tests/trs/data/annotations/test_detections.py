"""Detected people: which boxes count, and why the others do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trs.data.annotations.detections import load_detections
from trs.data.annotations.left_out import Findings, Reason
from trs.data.person_table import PersonTable

GOOD = {"image_id": 3, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.9}


def read(folder: Path, *records: Any) -> tuple[PersonTable, Findings]:
    (folder / "images.json").write_text(json.dumps({"images": [{"id": 3, "file_name": "a.jpg"}]}))
    (folder / "boxes.json").write_text(json.dumps(list(records)))
    return load_detections(folder / "images.json", folder / "boxes.json", folder, 17, 0.5)


@pytest.mark.parametrize(("change", "reason"), [
    ({"score": 0.49}, Reason.LOW_SCORE), ({"score": None}, Reason.NO_SCORE), ({"score": "good"}, Reason.NO_SCORE),
    ({"score": float("nan")}, Reason.NO_SCORE), ({"bbox": None}, Reason.NO_BOX),
    ({"bbox": [1, 2, 0, 40]}, Reason.NO_BOX), ({"bbox": [float("nan"), 2, 30, 40]}, Reason.NO_BOX),
    ({"bbox": [1, float("inf"), 30, 40]}, Reason.NO_BOX),
    ({"bbox": [1, 2, 30]}, Reason.NO_BOX), ({"bbox": [1, 2, 1e200, 1e200]}, Reason.NO_BOX),
    ({"image_id": 99}, Reason.UNKNOWN_IMAGE), ({"image_id": None}, Reason.UNKNOWN_IMAGE)])
def test_a_box_that_cannot_be_used_is_left_out_and_counted(tmp_path: Path, change: dict[str, Any], reason: Reason
                                                         ) -> None:
    people, findings = read(tmp_path, GOOD, GOOD | change)
    assert people.boxes.tolist() == [[1, 2, 30, 40]] and people.scores.tolist() == [0.9]
    assert findings.left_out == {reason: 1}


def test_people_are_numbered_by_their_place_and_have_no_labels(tmp_path: Path) -> None:
    people, findings = read(tmp_path, GOOD | {"score": 0.1}, GOOD, GOOD | {"bbox": [31, 42, -30, -40], "score": "0.5"})
    assert people.ids.tolist() == [1, 2] and people.boxes.tolist() == [[1, 2, 30, 40]] * 2
    assert people.keypoints.shape == (2, 17, 2) and not people.keypoint_weights.any()
    assert findings.left_out == {Reason.LOW_SCORE: 1}
