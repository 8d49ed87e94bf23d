"""Predicted poses as files in COCO's result format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from trs.config import DataConfig
from trs.data.annotations.formats import load_people
from trs.data.datasets import validation
from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.files import write_text
from trs.skeleton import Skeleton


def write_results(folder: Path, name: str, results: list[dict[str, Any]]) -> Path:
    """Write `folder/NAME.json`, which pycocotools' `loadRes` reads; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    write_text(path, json.dumps(results))
    return path


PREDICTIONS = "predictions"


_PREDICTORS = ("ensemble", "a")
"""Whose poses count: of these the first that a run has."""


def read_results(run: Path) -> tuple[str, list[dict[str, Any]]]:
    """The predictor, and its latest results in COCO's format.

    Raises:
        InputError: the run has none.
    """
    for predictor in _PREDICTORS:
        path = run / PREDICTIONS / f"{predictor}.json"
        if path.is_file():
            return predictor, json.loads(path.read_text())
    raise InputError(f"no predictions lie in {run / PREDICTIONS}")


def read_people(data: DataConfig, results: list[dict[str, Any]]) -> tuple[PersonTable, Skeleton]:
    """The person that each result is of.

    Raises:
        InputError: the results are of other people.
    """
    root = Path(data.root).absolute()
    _, whole = load_people(root / data.train_annotations, root / data.train_images)
    skeleton, _ = whole.select(data.keypoints or whole.names)
    people, _ = validation(root, data, skeleton)
    predicted = [result["image_id"] for result in results]
    people = people.take(np.argsort(people.ids))
    people = people.take(np.isin(people.image_ids, predicted))
    if not predicted or people.image_ids.tolist() != predicted:
        raise InputError(f"the predictions are not of the people in {root / data.val_annotations}")
    return people, skeleton


def read_poses(run: Path, people: PersonTable) -> np.ndarray:
    """[N, K, 3] a run's poses of these people: x, y in the image (continuous, see `trs.data.geometry`) and confidence.

    Raises:
        InputError: it has none, or of others.
    """
    _, results = read_results(run)
    if [result["image_id"] for result in results] != people.image_ids.tolist():
        raise InputError(f"the predictions in {run} are of other people")
    keypoints = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(len(people), -1, 3)
    keypoints[..., :2] += 0.5  # from COCO's pixel indices
    return keypoints
