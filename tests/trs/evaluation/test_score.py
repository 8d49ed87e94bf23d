"""What a file of labels or results must be to be scored; whose scores are right is in tests/jobs/test_score.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.coco_variants import clean_content, poses_near
from trs.data.annotations.reading import Reading
from trs.errors import InputError
from trs.evaluation.score import score_file


def score(folder: Path, labels: Any, results: Any, max_detections: int = 20, sigmas: tuple[str, ...] | None = None
          ) -> float | None:
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "results.json").write_text(json.dumps(results))
    return score_file(folder / "labels.json", folder / "results.json", Reading(sigmas=sigmas), max_detections
                      ).numbers["ap"]


def test_labels_that_do_not_match_themselves_are_refused(tmp_path: Path) -> None:
    """To a sigma so small a ten-thousandth of a pixel, to which results are written, is far away."""
    content = clean_content()
    poses, sigmas = poses_near(content), tuple(f"{name}=1e-9" for name in content["categories"][0]["keypoints"])
    for person in content["annotations"]:
        person["keypoints"] = [value + 1 / 3 if place % 3 < 2 else value
                               for place, value in enumerate(person["keypoints"])]
    assert score(tmp_path, content, poses) is not None
    with pytest.raises(InputError, match=r"^labels\.json: its labels, taken for poses, score an AP of 0\.0, not 1: "
                                         r"16 people do not match themselves, first "):
        score(tmp_path, content, poses, sigmas=sigmas)


def test_labels_of_nobody_are_refused(tmp_path: Path) -> None:
    content = clean_content()
    poses = poses_near(content)
    for person in content["annotations"]:
        person["iscrowd"] = 1
    with pytest.raises(InputError, match=r"labels\.json holds nobody to score: no person with .*; left out: \d+ crowd"):
        score(tmp_path, content, poses)


def test_of_poses_of_another_category_the_choice_is_said(tmp_path: Path) -> None:
    content = clean_content()
    poses = poses_near(content)
    content["categories"].append({"id": 2, "name": "dog", "keypoints": ["nose", "tail"]})
    dog = content["annotations"][0] | {"category_id": 2, "keypoints": [5, 6, 2, 7, 8, 2], "bbox": [1, 2, 30, 40]}
    content["annotations"] += [dog | {"id": 1000 + place} for place in range(40)]
    with pytest.raises(InputError, match=r"the category has 2 keypoints, the records hold lists of 51 numbers; "
                                         r"labels\.json: the category is dog \(40\), .*; data\.category chooses"):
        score(tmp_path, content, poses)


def test_labels_of_another_format_have_no_ap(tmp_path: Path) -> None:
    people = [{"image_id": "a", "human_annotations": {"human1": [1, 1, 50, 80]},
               "keypoint_annotations": {"human1": [5, 5, 1] * 14}}]
    with pytest.raises(InputError, match=r"labels\.json is not a COCO file: OKS-AP needs the ids of its images"):
        score(tmp_path, people, [])


@pytest.mark.parametrize("count", [0, -1, 1_000_001, 2**70])
def test_at_least_one_pose_counts_and_no_more_than_memory_holds(tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError, match=rf"^from 1 to 1000000 poses of an image must count, not {count}$"):
        score(tmp_path, clean_content(), poses_near(clean_content()), count)


def test_the_score_of_less_than_half_of_the_people_is_none(tmp_path: Path) -> None:
    content = clean_content()
    for person in content["annotations"][:9]:
        person["keypoints"] = person["keypoints"][:-3]
    with pytest.raises(InputError, match=r"^labels\.json: 9 of 16 labeled people cannot be used, more than half: 9 "
                                         r"with another number of keypoints than the category names \(1, 2, 3, 4, 5\)"):
        score(tmp_path, content, poses_near(content))


def test_poses_without_a_score_are_told(tmp_path: Path) -> None:
    content = clean_content()
    poses = poses_near(content)
    for pose in poses[:3]:
        del pose["score"]
    (tmp_path / "labels.json").write_text(json.dumps(content))
    (tmp_path / "results.json").write_text(json.dumps(poses))
    scored = score_file(tmp_path / "labels.json", tmp_path / "results.json", Reading(), 20)
    assert f"results.json: 3 of {len(poses)} poses have no score, which counts as 1" in scored.notes
