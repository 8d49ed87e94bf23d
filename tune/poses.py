"""The predicted poses of a search's runs, and how near each keypoint came to the annotated one.

Legend: N validation people, in the order of their annotations' ids, in which the runs write their results; K keypoints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trs.config import DataConfig
from trs.data.annotations import load_people
from trs.data.people import People
from trs.data.sets import validation
from trs.errors import InputError
from trs.skeleton import Skeleton

PREDICTIONS = "predictions"
_PREDICTORS = ("ensemble", "a")
"""Whose poses count: of these the first that a run has."""
OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True, eq=False)
class Poses:
    """What one run has predicted.

    predictor: "ensemble", or the name of a network.
    keypoints: [N, K, 3] x, y in the picture (continuous, see `trs.data.geometry`) and heat.
    """

    predictor: str
    keypoints: np.ndarray


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


def read_people(data: DataConfig, results: list[dict[str, Any]]) -> tuple[People, Skeleton]:
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


def read_poses(run: Path, people: People) -> Poses:
    """A run's poses of these people.

    Raises:
        InputError: it has none, or of others.
    """
    predictor, results = read_results(run)
    if [result["image_id"] for result in results] != people.image_ids.tolist():
        raise InputError(f"the predictions in {run} are of other people")
    keypoints = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(len(people), -1, 3)
    keypoints[..., :2] += 0.5  # from COCO's pixel indices
    return Poses(predictor, keypoints)


def similarities(keypoints: np.ndarray, people: People, sigmas: np.ndarray) -> np.ndarray:
    """[N, K] COCO's keypoint similarity (https://cocodataset.org/#keypoints-eval); NaN where nothing is annotated."""
    squared = np.square(keypoints[..., :2] - people.keypoints).sum(-1)
    found = np.exp(-squared / (2 * people.areas[:, None] * np.square(2 * sigmas)))
    return np.where(people.keypoint_weights > 0, found, np.nan)


def oks(similarity: np.ndarray) -> np.ndarray:
    """[N] object keypoint similarities from [N, K] keypoint similarities."""
    return np.nanmean(similarity, axis=1)


def keypoint_scores(similarity: np.ndarray) -> np.ndarray:
    """[K] the share of the annotated keypoints that are right, a mean over COCO's ten thresholds.

    What AP is for whole people: 1 if every keypoint of this name lies within its tolerance at each threshold.
    """
    right = (similarity[..., None] >= OKS_THRESHOLDS).mean(-1)
    annotated = ~np.isnan(similarity)
    return (right * annotated).sum(0) / np.maximum(annotated.sum(0), 1)
