"""Validation people for the report: each crop once, and the poses that the runs have predicted on it.

The page draws the skeletons itself, so any two runs can be laid side by side.
"""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from trs import checkpoint as checkpoints
from trs import skeleton as skeletons
from trs.config import DataConfig
from trs.data import geometry
from trs.data.crops import crop_person
from trs.data.datasets import Datasets, people_to_choose_on
from trs.data.images import BadImage
from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.evaluation.oks import keypoint_scores, oks, similarities
from trs.evaluation.protocol import ENSEMBLE, protocol
from trs.evaluation.results import predicted_people, read_results, stack_poses
from trs.files import read_json
from trs.skeleton import Skeleton
from trs.visualize import FARTHEST, draw_skeleton, grid
from tune.leaderboard import Leaderboard
from tune.plan import SKELETON_FILE, TRIALS

_CROP_SIZE = (256, 192)
_JPEG_QUALITY = 88

Points = list[list[float]]
"""K keypoints, each x, y in pixels of a crop and confidence."""


class Validation:
    """The people that the runs of a search are measured on; loaded once, when they are first looked at.

    Args:
        folder: of the search.
        data: of its config.
    """

    def __init__(self, folder: Path, data: DataConfig) -> None:
        self.folder, self.data = folder, data

    @staticmethod
    def loaded(folder: Path, data: DataConfig, datasets: Datasets) -> Validation:
        """Take what the search itself has loaded."""
        found = Validation(folder, data)
        found.people, found.skeleton = datasets.val, datasets.skeleton
        return found

    @cached_property
    def skeleton(self) -> Skeleton:
        """The keypoints that the runs learn; raises InputError where nothing tells them."""
        return read_skeleton(self.folder)

    @cached_property
    def people(self) -> PersonTable:
        """The validation set; raises OSError, ValueError, KeyError or InputError where it cannot be read."""
        return people_to_choose_on(Path(self.data.root).absolute(), self.data, self.skeleton)


def read_skeleton(folder: Path) -> Skeleton:
    """Read the keypoints that a search's runs learn: from its skeleton.json, or in older searches from a checkpoint.

    Raises:
        InputError: there is neither, or the file is damaged.
    """
    file = folder / SKELETON_FILE
    if file.exists():
        try:
            return skeletons.from_dict(read_json(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{file} names no keypoints ({reason}); restore it from a copy, or delete it") from error
    for run in sorted((folder / TRIALS).glob("*")):
        with contextlib.suppress(InputError, OSError):
            return checkpoints.read_skeleton(checkpoints.newest(run))
    raise InputError(f"neither a checkpoint nor {SKELETON_FILE} in {folder} tells which keypoints were learned")


def protocol_of(board: Leaderboard) -> str:
    """What the scores of a search are; of its skeleton, what is known."""
    skeleton = None
    with contextlib.suppress(InputError):
        skeleton = read_skeleton(board.folder)
    return f"{protocol(board.config, skeleton=skeleton)} {board.choice}"


@dataclass(frozen=True)
class Person:
    """A validation person.

    source: the crop as a data URI.
    truth: the annotation.
    """

    source: str
    width: int
    height: int
    truth: Points


@dataclass(frozen=True)
class Predictions:
    """What a run has predicted.

    poses: of each person of the gallery.
    oks: of the same.
    keypoints: score of each keypoint over all validation people, see `trs.evaluation.oks.keypoint_scores`.
    """

    poses: list[Points]
    oks: list[float]
    keypoints: list[float]


@dataclass(frozen=True)
class Gallery:
    """People, what the runs have predicted of them, and a sentence that says what is shown or why nothing is.

    predictions: by the run's name.
    count: validation people in all, if it is known.
    """

    people: list[Person]
    predictions: dict[str, Predictions]
    skeleton: Skeleton | None
    sentence: str
    count: int | None = None


def make_gallery(board: Leaderboard, people: Validation, count: int = 8) -> Gallery:
    """Show validation people, evenly spread from the best run's best to its worst OKS, as every run sees them."""
    if board.best is None:
        return Gallery([], {}, None, "There are no images to show: no trial has been evaluated yet.")
    results: list[dict[str, Any]] = []
    try:
        predictor, results = read_results(board.run_folder(board.best))
        best = _Poses.of(results, predicted_people(people.people, results), people.skeleton)
        crops = _crops(best, count)
    except (OSError, ValueError, KeyError) as error:
        return Gallery([], {}, None, f"There are no images to show: {error}.", len(results) or None)
    predictions = {}
    for entry in board.entries:
        with contextlib.suppress(OSError, ValueError, KeyError):  # a run without an evaluation has no poses
            poses = best if entry is board.best else _Poses.of(read_results(board.run_folder(entry))[1], best.people,
                                                               people.skeleton)
            predictions[entry.name] = poses.within(crops)
    network = "the ensemble of the networks" if predictor == ENSEMBLE else f"network {predictor}"
    return Gallery([crop.person() for crop in crops], predictions, people.skeleton,
                   f"Predicted by {network}; evenly spread from the best to the worst of {len(best.people)} validation "
                   "people.", len(best.people))


@dataclass(frozen=True, eq=False)
class _Crop:
    """A person, cropped.

    row: of the table of people.
    image: [H, W, 3] uint8 RGB.
    matrix: [2, 3], the map from the whole image to the crop.
    truth: the annotation in the crop.
    """

    row: int
    image: np.ndarray
    matrix: np.ndarray
    truth: Points

    def person(self) -> Person:
        return Person(_data_uri(self.image), self.image.shape[1], self.image.shape[0], self.truth)


def _crops(poses: _Poses, count: int) -> list[_Crop]:
    """Crop people from the best to the worst OKS; whose image cannot be read is left out.

    Raises:
        InputError: no image can be read.
    """
    people, crops, refusal = poses.people, [], ""
    for row in _spread(poses.oks, count):
        try:
            image, matrix = crop_person(people, row, _CROP_SIZE)
        except BadImage as error:
            refusal = str(error)
            continue
        truth = np.column_stack([people.keypoints[row], people.keypoint_weights[row]])
        crops.append(_Crop(row, image, matrix, _in_crop(truth, matrix)))
    if not crops:
        raise InputError(f"no image in {people.root} can be read ({refusal})")
    return crops


@dataclass(frozen=True, eq=False)
class _Poses:
    """A run's keypoints [N, K, 3] of people, and their similarities [N, K]."""

    people: PersonTable
    keypoints: np.ndarray
    similarity: np.ndarray

    @staticmethod
    def of(results: list[dict[str, Any]], people: PersonTable, skeleton: Skeleton) -> _Poses:
        keypoints = stack_poses(results, people)
        return _Poses(people, keypoints, similarities(keypoints, people, np.array(skeleton.sigmas)))

    @property
    def oks(self) -> np.ndarray:
        return oks(self.similarity)

    def within(self, crops: list[_Crop]) -> Predictions:
        rows = [crop.row for crop in crops]
        return Predictions([_in_crop(self.keypoints[crop.row], crop.matrix) for crop in crops],
                           self.oks[rows].round(3).tolist(), keypoint_scores(self.similarity).round(4).tolist())


def contact_sheet(run: Path, people: Validation, count: int = 6) -> np.ndarray:
    """Draw people from a run's best to its worst OKS, annotated on the left, predicted on the right.

    Returns: [H, W, 3] uint8 RGB.

    Raises:
        InputError: the run has no poses of these people, or no image can be read.
        OSError, ValueError, KeyError: its predictions or the people cannot be read.
    """
    results = read_results(run)[1]
    poses = _Poses.of(results, predicted_people(people.people, results), people.skeleton)
    return grid([draw_skeleton(crop.image, np.array(points), people.skeleton) for crop in _crops(poses, count)
                 for points in (crop.truth, _in_crop(poses.keypoints[crop.row], crop.matrix))], columns=6)


def _spread(scores: np.ndarray, count: int) -> list[int]:
    """Choose rows, evenly spread from the best score to the worst."""
    order = np.argsort(-scores, kind="stable")
    chosen: list[int] = order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))].tolist()
    return chosen


def _in_crop(points: np.ndarray, matrix: np.ndarray) -> Points:
    places = geometry.transform(points[:, :2].clip(-FARTHEST, FARTHEST), matrix)  # the page holds finite numbers
    found: Points = np.column_stack([places, points[:, 2]]).round(2).tolist()
    return found


def _data_uri(image: np.ndarray) -> str:
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
