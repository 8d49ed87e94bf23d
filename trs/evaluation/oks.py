"""Object keypoint similarity (OKS): of single keypoints and poses, and poses in COCO's result format.

Legend: N people, K keypoints. Coordinates are continuous in the image, see `trs.data.geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trs.data.person_table import PersonTable

OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's ten thresholds, over which AP is a mean."""
MIN_CONFIDENCE = 0.2
"""Confidence below which a keypoint does not count towards a person's score (SimpleBaseline)."""


def keypoint_similarity(squared: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """[N, K] COCO's similarity of keypoints, 1 at no distance (https://cocodataset.org/#keypoints-eval).

    Args:
        squared: [N, K] squared distances in pixels.
        areas: [N] of the people, in pixels squared.
        sigmas: [K] of the keypoints.
    """
    similarity: np.ndarray = np.exp(-squared / (2 * areas[:, None] * np.square(2 * sigmas)))
    return similarity


def similarities(keypoints: np.ndarray, people: PersonTable, sigmas: np.ndarray) -> np.ndarray:
    """[N, K] similarities of predicted keypoints [N, K, 3] to the people's own; NaN where nothing is annotated."""
    with np.errstate(over="ignore"):  # farther away than a number tells is not similar at all
        squared = np.square(keypoints[..., :2] - people.keypoints).sum(-1)
        return np.where(people.keypoint_weights > 0, keypoint_similarity(squared, people.areas, sigmas), np.nan)


def oks(similarity: np.ndarray) -> np.ndarray:
    """[N] OKS of people from the [N, K] similarities of their keypoints."""
    mean: np.ndarray = np.nanmean(similarity, axis=1)
    return mean


def keypoint_scores(similarity: np.ndarray, annotated: np.ndarray | None = None) -> np.ndarray:
    """[K] the share of the annotated keypoints that are right, a mean over COCO's ten thresholds.

    What AP is for whole people: 1 if every keypoint of this name lies within its tolerance at each threshold; 0 where
    nobody has it annotated.

    Args:
        similarity: [N, K] of predicted keypoints, NaN where nothing is annotated.
        annotated: [K] of all people, where not all of them were predicted.
    """
    right = (similarity[..., None] >= OKS_THRESHOLDS).mean(-1)  # NaN is not
    counts = (~np.isnan(similarity)).sum(0) if annotated is None else annotated
    shares: np.ndarray = right.sum(0) / np.maximum(counts, 1)
    return shares


def pose_similarity(pose: np.ndarray, area: float, others: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
                    ) -> np.ndarray:
    """[N] OKS of one pose [K, 2] with other poses [N, K, 2], relative to the mean of the two areas."""
    squared = ((others - pose) ** 2).sum(-1)
    similarity: np.ndarray = keypoint_similarity(squared, (area + areas) / 2 + np.spacing(1), sigmas).mean(-1)
    return similarity


@dataclass(frozen=True)
class ScoredPoses:
    """Predicted poses of people of a table, ordered by annotation id, so that no tie depends on who computed them.

    rows: [N] of the table.
    keypoints: [N, K, 3] x, y and confidence.
    scores: [N] of the poses.
    """

    rows: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray

    def take(self, chosen: np.ndarray) -> ScoredPoses:
        """Take some of the poses: [N] bool."""
        return ScoredPoses(self.rows[chosen], self.keypoints[chosen], self.scores[chosen])


def score_poses(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray) -> ScoredPoses:
    """Score poses by the box's score times the pose's mean confidence (SimpleBaseline).

    Args:
        people: the table that was predicted.
        rows: [N] rows of `people`, in any order.
        keypoints: [N, K, 3] x, y and confidence.
    """
    order = np.argsort(people.ids[rows], kind="stable")
    rows, keypoints = rows[order], keypoints[order]
    return ScoredPoses(rows, keypoints, people.scores[rows] * mean_confidence(keypoints))


def mean_confidence(keypoints: np.ndarray) -> np.ndarray:
    """[N] the mean confidence of the keypoints [N, K, 3] that have more than MIN_CONFIDENCE."""
    confidence = keypoints[..., 2]
    sure = confidence > MIN_CONFIDENCE
    mean: np.ndarray = (confidence * sure).sum(-1) / np.maximum(sure.sum(-1), 1)
    return mean


def coco_results(people: PersonTable, poses: ScoredPoses, category_id: int | str = 1) -> list[dict[str, Any]]:
    """Poses in COCO's result format.

    Args:
        people: the table that was predicted.
        poses: of its people.
        category_id: of the people in the ground truth.
    """
    return [coco_result(people.image_ids[row].item(), pose, score, category_id)
            for row, pose, score in zip(poses.rows, poses.keypoints, poses.scores, strict=True)]


def coco_result(image_id: int | str, pose: np.ndarray, score: float, category_id: int | str) -> dict[str, Any]:
    """A pose [K, 3] of x, y and confidence as a record of COCO's result format."""
    # Back to COCO's pixel indices, see trs.data.geometry.
    written = (pose - [0.5, 0.5, 0.0]).ravel().tolist()
    return {"image_id": image_id, "category_id": category_id, "score": float(score),
            "keypoints": [round(value, 4) for value in written]}
