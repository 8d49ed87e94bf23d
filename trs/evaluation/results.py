"""Predicted poses as files in COCO's result format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.evaluation.protocol import ENSEMBLE
from trs.files import write_text


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
        InputError: the run has none.
    """
    for predictor in _PREDICTORS:
        path = run / PREDICTIONS / f"{predictor}.json"
        if path.is_file():
            return predictor, json.loads(path.read_text())
    raise InputError(f"no predictions lie in {run / PREDICTIONS}")


def predicted_people(people: PersonTable, results: list[dict[str, Any]]) -> PersonTable:
    """Find the person that each result is of, in the validation set `people`.

    Raises:
        InputError: the results are of other people.
    """
    predicted = [result["image_id"] for result in results]
    found = people.take(np.argsort(people.ids))
    found = found.take(np.isin(found.image_ids, predicted))
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
    keypoints = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(len(people), -1, 3)
    keypoints[..., :2] += 0.5  # from COCO's pixel indices
    return keypoints
