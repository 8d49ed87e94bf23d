"""Predicted poses as files in COCO's result format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.evaluation.protocol import ENSEMBLE
from trs.files import is_finite, read_json, write_text


def write_results(folder: Path, name: str, results: list[dict[str, Any]]) -> Path:
    """Write `folder/NAME.json`, which pycocotools' `loadRes` reads; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    write_text(path, json.dumps(results))
    return path


PREDICTIONS = "predictions"


_PREDICTORS = (ENSEMBLE, "a")
"""Whose poses count: of these the first that a run has."""


def read_results(run: Path) -> tuple[str, list[dict[str, Any]]]:
    """Read a run's predictor, and its latest results in COCO's format.

    Raises:
        InputError: the run has none, or they are damaged.
    """
    for predictor in _PREDICTORS:
        path = run / PREDICTIONS / f"{predictor}.json"
        if path.exists():
            return predictor, read_predictions(path)
    raise InputError(f"no predictions lie in {run / PREDICTIONS}")


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """Read one predictor's file.

    Raises:
        InputError: there is none, or it is damaged.
    """
    try:
        results = read_json(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} holds no predictions: {reason}; evaluate the run again") from error
    if not isinstance(results, list):
        raise InputError(f"{path} holds no predictions: it is no list; evaluate the run again")
    for index, result in enumerate(results):
        wrong = _not_a_pose(result)
        if wrong is not None:
            raise InputError(f"{path} holds no predictions: record {index} {wrong}; evaluate the run again")
    return results


def _not_a_pose(result: Any) -> str | None:
    """Say what is wrong with a record."""
    if not isinstance(result, dict) or not {"image_id", "keypoints", "score"} <= result.keys():
        return "needs image_id, keypoints and score"
    if isinstance(result["image_id"], bool) or not isinstance(result["image_id"], int | str):
        return "names no image"
    points = result["keypoints"]
    if not isinstance(points, list) or not points or len(points) % 3:
        return "needs x, y and confidence of each keypoint"
    if not all(is_finite(number) for number in (*points, result["score"])):
        return "has a number that is not finite"
    return None


def predicted_people(people: PersonTable, results: list[dict[str, Any]]) -> PersonTable:
    """Find the person that each result is of, in the validation set `people`.

    Raises:
        InputError: the results are of other people.
    """
    predicted = [result["image_id"] for result in results]
    found = people.take(np.argsort(people.ids))
    among = set(predicted)
    found = found.take(np.array([image in among for image in found.image_ids.tolist()], bool))
    if not predicted or found.image_ids.tolist() != predicted:
        raise InputError(f"the predictions are not of the people in {people.root}")
    return found


def stack_poses(results: list[dict[str, Any]], people: PersonTable) -> np.ndarray:
    """Put the predicted poses of these people into one array.

    Returns: [N, K, 3] x, y in the image (continuous, see `trs.data.geometry`) and confidence.

    Raises:
        InputError: the results are of other people.
    """
    if [result["image_id"] for result in results] != people.image_ids.tolist():
        raise InputError("the predictions are of other people")
    count = people.keypoints.shape[1]
    if any(len(result["keypoints"]) != 3 * count for result in results):
        raise InputError(f"the predictions are not of {count} keypoints, as the people have")
    keypoints = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(len(people), count, 3)
    keypoints[..., :2] += 0.5  # from COCO's pixel indices
    return keypoints
