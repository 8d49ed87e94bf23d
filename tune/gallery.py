"""Predicted poses beside the annotated ones, on pictures from the best to the worst."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from trs.config import Config, DataConfig
from trs.data import geometry
from trs.data.annotations import load_people
from trs.data.images import BadImage
from trs.data.people import People
from trs.data.sample import crop_person
from trs.errors import InputError
from trs.skeleton import Skeleton
from trs.visualize import draw_skeleton, grid

PREDICTIONS = "predictions"
_PREDICTORS = ("ensemble", "a")
"""Whose poses are shown: of these the first that the run has."""
_CROP_SIZE = (256, 192)
_JPEG_QUALITY = 88


@dataclass(frozen=True)
class Picture:
    """One person twice, annotated and predicted.

    source: a data URI.
    """

    source: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures, and a sentence that says what they show or why there are none.

    people: how many people the predictions are of, if they could be read.
    """

    pictures: list[Picture]
    sentence: str
    people: int | None = None


def oks(keypoints: np.ndarray, truth: np.ndarray, weights: np.ndarray, area: float, sigmas: np.ndarray) -> float:
    """Object keypoint similarity, as COCO defines it (https://cocodataset.org/#keypoints-eval).

    Args:
        keypoints: [K, 2] predicted, in pixels.
        truth: [K, 2] annotated.
        weights: [K]; keypoints of weight 0 do not count.
        area: of the person, in pixels squared.
        sigmas: [K].
    """
    squared = np.square(keypoints - truth).sum(axis=1)
    return float(np.exp(-squared / (2 * area * np.square(2 * sigmas)))[weights > 0].mean())


def make_gallery(run: Path, config: Config, count: int = 8) -> Gallery:
    """A run's latest predictions on `count` people of its validation set, evenly spread from best to worst OKS."""
    results: list[dict[str, Any]] = []
    try:
        predictor, results = _read_results(run / PREDICTIONS)
        people, skeleton = _validation_people(config.data, results)
        poses = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(len(people), -1, 3)
        poses[..., :2] += 0.5  # from COCO's pixel indices, see trs.data.geometry
        scores = _scores(people, poses, np.array(skeleton.sigmas))
        pictures = _pictures(people, skeleton, poses, scores, count)
    except (OSError, ValueError, KeyError) as error:
        return Gallery([], f"There are no pictures to show: {error}.", len(results) or None)
    return Gallery(pictures, f"Left annotated, right predicted by {_described(predictor)}; evenly spread from the best "
                             f"to the worst of {len(people)} validation people.", len(people))


def _described(predictor: str) -> str:
    return "the ensemble of the networks" if predictor == "ensemble" else f"network {predictor}"


def _read_results(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    for predictor in _PREDICTORS:
        path = folder / f"{predictor}.json"
        if path.is_file():
            return predictor, json.loads(path.read_text())
    raise InputError(f"no predictions lie in {folder}")


def _validation_people(data: DataConfig, results: list[dict[str, Any]]) -> tuple[People, Skeleton]:
    """The person that each result is of: results are written in the order of the annotations' ids."""
    root = Path(data.root)
    people, whole = load_people(root / data.val_annotations, root / data.val_images)
    skeleton, order = whole.select(data.keypoints or whole.names)
    people = people.select(order)
    predicted = [result["image_id"] for result in results]
    people = people.take(np.argsort(people.ids))
    people = people.take(np.isin(people.image_ids, predicted))
    if not predicted or people.image_ids.tolist() != predicted:
        raise InputError(f"the predictions are not of the people in {root / data.val_annotations}")
    return people, skeleton


def _scores(people: People, poses: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """OKS of each person, [N]."""
    return np.array([oks(pose[:, :2], truth, weights, area, sigmas) for pose, truth, weights, area in
                     zip(poses, people.keypoints, people.keypoint_weights, people.areas, strict=True)])


def _pictures(people: People, skeleton: Skeleton, poses: np.ndarray, scores: np.ndarray, count: int) -> list[Picture]:
    order = np.argsort(-scores, kind="stable")
    ranks = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    pictures, refusal = [], ""
    for rank, row in zip(ranks.tolist(), order[ranks].tolist(), strict=True):
        try:
            pair = _side_by_side(people, row, skeleton, poses[row])
        except BadImage as error:
            refusal = str(error)
            continue
        pictures.append(Picture(_data_uri(pair), f"OKS {scores[row]:.2f}{_place(rank, len(order))}"))
    if not pictures:
        raise InputError(f"no picture in {people.root} can be read ({refusal})")
    return pictures


def _place(rank: int, count: int) -> str:
    if rank in (0, count - 1):
        return ", the best" if rank == 0 else ", the worst"
    return f", better than {1 - (rank + 1) / count:.0%}"


def _side_by_side(people: People, row: int, skeleton: Skeleton, pose: np.ndarray) -> np.ndarray:
    """The person's crop with the annotated and with the predicted skeleton, [256, 384, 3]."""
    image, matrix = crop_person(people, row, _CROP_SIZE)
    truth = np.column_stack([people.keypoints[row], people.keypoint_weights[row]])
    shown = [np.column_stack([geometry.transform(keypoints[:, :2], matrix), keypoints[:, 2]])
             for keypoints in (truth, pose)]
    return grid([draw_skeleton(image, keypoints, skeleton) for keypoints in shown], columns=2)


def _data_uri(image: np.ndarray) -> str:
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
