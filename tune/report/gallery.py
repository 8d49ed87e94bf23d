"""Validation people for the report: each crop once, and the poses that the runs have predicted on it.

The page draws the skeletons itself, so any two runs can be laid side by side.
"""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from trs.data import geometry
from trs.data.crops import crop_person
from trs.data.images import BadImage
from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.evaluation.oks import keypoint_scores, oks, similarities
from trs.evaluation.results import read_people, read_poses, read_results
from trs.skeleton import Skeleton
from trs.visualize import draw_skeleton, grid
from tune.leaderboard import Leaderboard
from tune.trial import TRIALS

_CROP_SIZE = (256, 192)
_JPEG_QUALITY = 88

Points = list[list[float]]
"""K keypoints, each x, y in pixels of a crop and confidence."""


@dataclass(frozen=True)
class Person:
    """One crop.

    source: a data URI.
    truth: the annotation.
    """

    source: str
    width: int
    height: int
    truth: Points


@dataclass(frozen=True)
class Sight:
    """What a run has seen.

    poses: of each person of the gallery.
    oks: of the same.
    keypoints: score of each keypoint over all validation people, see `tune.poses.keypoint_scores`.
    """

    poses: list[Points]
    oks: list[float]
    keypoints: list[float]


@dataclass(frozen=True)
class Gallery:
    """People, what the runs have seen of them, and a sentence that says what is shown or why nothing is.

    count: validation people in all, if it is known.
    """

    people: list[Person]
    sights: dict[str, Sight]
    skeleton: Skeleton | None
    sentence: str
    count: int | None = None


def make_gallery(board: Leaderboard, count: int = 8) -> Gallery:
    """`count` validation people, evenly spread from the best run's best to its worst OKS, as every run sees them."""
    if board.best is None:
        return Gallery([], {}, None, "There are no pictures to show: no trial has been evaluated yet.")
    results: list[dict[str, Any]] = []
    try:
        predictor, results = read_results(board.run_folder(board.best))
        people, skeleton = read_people(board.config.data, results)
        shown = _Shown(people, _spread(_Run.of(board, board.best.name, people, skeleton).oks, count))
    except (OSError, ValueError, KeyError) as error:
        return Gallery([], {}, None, f"There are no pictures to show: {error}.", len(results) or None)
    sights = {}
    for entry in board.entries:
        try:
            sights[entry.name] = shown.seen_by(_Run.of(board, entry.name, people, skeleton))
        except (OSError, ValueError, KeyError):
            continue  # a run without an evaluation has no poses, or none yet
    network = "the ensemble of the networks" if predictor == "ensemble" else f"network {predictor}"
    return Gallery(shown.persons, sights, skeleton, f"Predicted by {network}; evenly spread from the best to the worst "
                                                    f"of {len(people)} validation people.", len(people))


@dataclass(frozen=True, eq=False)
class _Run:
    """A run's keypoints [N, K, 3], their similarities [N, K] and OKS [N]."""

    keypoints: np.ndarray
    similarity: np.ndarray

    @staticmethod
    def of(board: Leaderboard, name: str, people: PersonTable, skeleton: Skeleton) -> _Run:
        keypoints = read_poses(board.folder / TRIALS / name, people)
        return _Run(keypoints, similarities(keypoints, people, np.array(skeleton.sigmas)))

    @property
    def oks(self) -> np.ndarray:
        return oks(self.similarity)


@dataclass
class _Shown:
    """The people of these rows whose pictures can be read."""

    people: PersonTable
    rows: list[int]
    persons: list[Person] = field(default_factory=list, init=False)
    matrices: list[np.ndarray] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        readable, refusal = [], ""
        for row in self.rows:
            try:
                image, matrix = crop_person(self.people, row, _CROP_SIZE)
            except BadImage as error:
                refusal = str(error)
                continue
            readable.append(row)
            self.matrices.append(matrix)
            truth = np.column_stack([self.people.keypoints[row], self.people.keypoint_weights[row]])
            self.persons.append(Person(_data_uri(image), image.shape[1], image.shape[0], _in_crop(truth, matrix)))
        if not readable:
            raise InputError(f"no picture in {self.people.root} can be read ({refusal})")
        self.rows = readable

    def seen_by(self, run: _Run) -> Sight:
        poses = [_in_crop(run.keypoints[row], matrix) for row, matrix in zip(self.rows, self.matrices, strict=True)]
        return Sight(poses, run.oks[self.rows].round(3).tolist(), keypoint_scores(run.similarity).round(4).tolist())


def contact_sheet(run: Path, people: PersonTable, skeleton: Skeleton, count: int = 6) -> np.ndarray:
    """People from a run's best to its worst OKS, annotated on the left, predicted on the right, [H, W, 3] uint8 RGB.

    Raises:
        InputError: the run has no poses of these people, or no picture can be read.
    """
    keypoints = read_poses(run, people)
    scores = oks(similarities(keypoints, people, np.array(skeleton.sigmas)))
    drawn = []
    for row in _spread(scores, count):
        with contextlib.suppress(BadImage):
            image, matrix = crop_person(people, row, _CROP_SIZE)
            truth = np.column_stack([people.keypoints[row], people.keypoint_weights[row]])
            drawn += [draw_skeleton(image, np.array(_in_crop(points, matrix)), skeleton)
                      for points in (truth, keypoints[row])]
    if not drawn:
        raise InputError(f"no picture in {people.root} can be read")
    return grid(drawn, columns=6)


def _spread(scores: np.ndarray, count: int) -> list[int]:
    """Rows, evenly spread from the best score to the worst."""
    order = np.argsort(-scores, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))].tolist()


def _in_crop(points: np.ndarray, matrix: np.ndarray) -> Points:
    places = geometry.transform(points[:, :2], matrix)
    return np.column_stack([places, points[:, 2]]).round(2).tolist()


def _data_uri(image: np.ndarray) -> str:
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
