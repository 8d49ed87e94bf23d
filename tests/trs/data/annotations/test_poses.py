"""Poses of any tool: which are scored, and why the others are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trs.data.annotations.detections import load_poses
from trs.data.annotations.images import list_images
from trs.data.annotations.left_out import Findings, Reason
from trs.errors import InputError

GOOD = {"image_id": 3, "category_id": 1, "keypoints": [5, 6, 0.9, 7, 8, 0.8], "score": 0.5}
READ = {"image_id": 3, "score": 0.5, "keypoints": [5, 6, 0.9, 7, 8, 0.8]}


def read(folder: Path, *records: Any, categories: tuple[int | str, ...] = (1,)
         ) -> tuple[list[dict[str, Any]], Findings]:
    path, findings = folder / "results.json", Findings("results.json")
    path.write_text(json.dumps(list(records)))
    listed = list_images(path, [{"id": 3, "file_name": "a.jpg"}, {"id": 4, "file_name": "b.jpg"}], findings)
    return load_poses(path, listed, categories, 2, findings), findings


@pytest.mark.parametrize("change", [
    {}, {"image_id": "3"}, {"image_id": "a.jpg"}, {"score": "0.5"}, {"keypoints": [[5, 6, 0.9], [7, 8, 0.8]]},
    {"category_id": 9}, {"category_id": None}])
def test_poses_are_read_in_any_spelling(tmp_path: Path, change: dict[str, Any]) -> None:
    poses, findings = read(tmp_path, GOOD | change)
    assert poses == [READ] and not findings.left_out


@pytest.mark.parametrize(("keypoints", "found"), [
    ([[5, 6], [7, 8]], [5, 6, 1, 7, 8, 1]), ([5, 6, None, 7, 8, float("inf")], [5, 6, 0, 7, 8, 0])])
def test_what_stands_behind_the_places_need_not_be_there(tmp_path: Path, keypoints: list[Any], found: list[float]
                                                         ) -> None:
    assert read(tmp_path, GOOD | {"keypoints": keypoints})[0] == [READ | {"keypoints": found}]


@pytest.mark.parametrize(("record", "reason"), [
    (5, Reason.NO_RECORD), (None, Reason.NO_RECORD), (GOOD | {"image_id": 99}, Reason.UNKNOWN_IMAGE),
    (GOOD | {"image_id": None}, Reason.UNKNOWN_IMAGE), (GOOD | {"keypoints": []}, Reason.NO_KEYPOINTS),
    (GOOD | {"keypoints": [5, 6, 1]}, Reason.WRONG_COUNT), (GOOD | {"keypoints": [5, 6, 7, 8]}, Reason.WRONG_COUNT),
    (GOOD | {"keypoints": [float("nan"), 6, 1, 7, 8, 1]}, Reason.NOT_FINITE),
    (GOOD | {"keypoints": [5, 6, 1, 7, float("inf"), 1]}, Reason.NOT_FINITE),
    (GOOD | {"score": float("nan")}, Reason.NO_SCORE), (GOOD | {"score": "good"}, Reason.NO_SCORE),
    (GOOD | {"score": None}, Reason.NO_SCORE)])
def test_what_is_no_pose_scores_nothing_and_is_counted(tmp_path: Path, record: Any, reason: Reason) -> None:
    poses, findings = read(tmp_path, GOOD, record)
    assert poses == [READ] and findings.left_out == {reason: 1}
    with pytest.raises(InputError, match="none of its 1 records is a pose that can be scored, left out: "
                                         f"1 {reason.value}"):
        read(tmp_path, record)


def test_of_several_categories_the_chosen_one_is_scored(tmp_path: Path) -> None:
    poses, findings = read(tmp_path, GOOD | {"category_id": 2}, GOOD | {"score": 0.7}, categories=(2,))
    assert [pose["score"] for pose in poses] == [0.5] and findings.left_out == {Reason.OTHER_CATEGORY: 1}


@pytest.mark.parametrize("name", ["person", "Person"])
def test_a_category_may_be_called_by_its_name(tmp_path: Path, name: str) -> None:
    poses, findings = read(tmp_path, GOOD | {"category_id": name}, GOOD | {"category_id": "car"},
                           categories=(1, "person"))
    assert poses == [READ] and findings.left_out == {Reason.OTHER_CATEGORY: 1}


@pytest.mark.parametrize(("records", "said"), [
    ([GOOD | {"category_id": 3}, GOOD | {"category_id": "car\n"}, GOOD | {"category_id": 3}],
     r"3 of another category; the category that is scored is called 1, person, those found 3, car\\n$"),
    ([GOOD | {"category_id": number} for number in range(2, 9)], r"those found 2, 3, 4, 5, 6, \.\.\.$"),
    ([GOOD | {"keypoints": [5, 6, 1]}, GOOD | {"keypoints": [1] * 51}],
     "; the category has 2 keypoints, the records hold lists of 3, 51 numbers$")])
def test_what_is_expected_and_found_is_said_where_no_pose_is_scored(tmp_path: Path, records: list[Any], said: str
                                                                   ) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, *records, categories=(1, "person"))


def test_no_poses_are_none(tmp_path: Path) -> None:
    assert read(tmp_path)[0] == []
