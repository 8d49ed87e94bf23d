"""Non-maximum suppression of poses: of detections that hold nearly the same pose the best stays.

As in HRNet's and SimpleBaseline's evaluation on detected boxes (`oks_nms` there).
"""

from __future__ import annotations

import numpy as np

from trs.data import geometry
from trs.data.person_table import PersonTable
from trs.evaluation.oks import pose_scores, pose_similarity

THRESHOLD = 0.9
"""OKS above which two poses are the same."""


def oks_nms(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, sigmas: np.ndarray, input_size: tuple[int, int]
            ) -> np.ndarray:
    """Which poses stay, picture by picture.

    Args:
        people: the table of detections.
        rows: [n] rows of `people`.
        keypoints: [n, K, 3] x, y in the picture and heat.
        sigmas: [K] of the keypoints.
        input_size: height and width of the crops, whose areas in the picture are what OKS is relative to.

    Returns: [n] bool.
    """
    scores, stays = pose_scores(people, rows, keypoints), np.zeros(len(rows), bool)
    areas = geometry.crop_areas(people.boxes[rows], input_size)
    for image in np.unique(people.image_ids[rows]):
        left = np.flatnonzero(people.image_ids[rows] == image)
        left = left[np.argsort(-scores[left], kind="stable")]
        while len(left):
            best, left = left[0], left[1:]
            stays[best] = True
            alike = pose_similarity(keypoints[best, :, :2], areas[best], keypoints[left, :, :2], areas[left], sigmas)
            left = left[alike <= THRESHOLD]
    return stays
