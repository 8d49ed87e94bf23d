"""Predictions as files: they are read as they were written, and what is damaged is told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipes import make_pipe
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.evaluation.oks import coco_results, score_poses
from trs.evaluation.results import predicted_people, read_results, stack_poses, write_results


@pytest.fixture
def results(datasets: Datasets) -> list[dict[str, Any]]:
    people = datasets.val
    confidence = np.full((*people.keypoints.shape[:2], 1), 0.9)
    poses = score_poses(people, np.arange(len(people)), np.concatenate([people.keypoints, confidence], axis=2))
    return coco_results(people, poses)


def test_they_round_trip(datasets: Datasets, results: list[dict[str, Any]], tmp_path: Path) -> None:
    write_results(tmp_path / "predictions", "ensemble", results)
    predictor, again = read_results(tmp_path)
    assert (predictor, again) == ("ensemble", results)
    people = predicted_people(datasets.val, again)
    np.testing.assert_allclose(stack_poses(again, people)[..., :2], people.keypoints)


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "it is not JSON"), (b"\xff\xfe[\0", "it is not UTF-8"), (b"[" * 100_000, "it is nested too deep"),
    (b"[" + b"1" * 5000 + b"]", "an integer in it has thousands of digits"), (b"{}", "it is no list"),
    (b"null", "it is no list"), (b"[1]", "record 0 needs image_id, keypoints and score"),
    (b'[["image_id", "keypoints", "score"]]', "record 0 needs image_id"), (b'[{"image_id": 1}]', "record 0 needs")])
def test_a_file_that_holds_no_predictions_is_told_in_a_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=f"a.json holds no predictions: {reason}.*; evaluate the run again"):
        read_results(tmp_path)


@pytest.mark.parametrize(("field", "value", "reason"), [
    ("image_id", [1], "names no image"), ("image_id", None, "names no image"), ("image_id", True, "names no image"),
    ("image_id", 1.5, "names no image"), ("score", float("nan"), "has a number that is not finite"),
    ("score", None, "has a number that is not finite"), ("score", "1", "has a number that is not finite"),
    ("score", 10**400, "has a number that is not finite"), ("keypoints", None, "needs x, y and confidence"),
    ("keypoints", {"0": 1}, "needs x, y and confidence"), ("keypoints", [], "needs x, y and confidence"),
    ("keypoints", [1.0] * 50, "needs x, y and confidence"), ("keypoints", [[1.0, 2.0, 3.0]] * 3, "not finite"),
    ("keypoints", [float("inf")] * 51, "not finite"), ("keypoints", ["1"] * 51, "not finite")])
def test_a_record_that_is_no_pose_is_named(results: list[dict[str, Any]], tmp_path: Path, field: str, value: Any,
                                           reason: str) -> None:
    write_results(tmp_path / "predictions", "ensemble", [*results[:3], results[3] | {field: value}])
    with pytest.raises(InputError, match=f"ensemble.json holds no predictions: record 3 .*{reason}.*; evaluate"):
        read_results(tmp_path)


def test_predictions_of_others_are_refused(datasets: Datasets, results: list[dict[str, Any]]) -> None:
    for others in ([result | {"image_id": "7"} for result in results], [], results[::-1],
                   [result | {"image_id": 10**30} for result in results]):
        with pytest.raises(InputError, match="the predictions are not of the people in"):
            predicted_people(datasets.val, others)
    with pytest.raises(InputError, match="the predictions are not of 17 keypoints"):
        stack_poses([result | {"keypoints": result["keypoints"][:48]} for result in results], datasets.val)


def test_predictions_must_be_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    with pytest.raises(InputError, match="no predictions lie in"):
        read_results(tmp_path)
    make_pipe(tmp_path / "predictions" / "ensemble.json", b"[]")
    with pytest.raises(InputError, match=r"ensemble.json holds no predictions: is not a regular file; evaluate"):
        read_results(tmp_path)


def test_what_is_written_is_json_for_everybody(results: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write_results(tmp_path, "a", results)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == results
