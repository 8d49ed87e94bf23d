"""Non-maximum suppression of poses: of detections that hold nearly the same pose the best stays.

As in HRNet's and SimpleBaseline's evaluation on detected boxes (`oks_nms` there).
"""

from __future__ import annotations

import numpy as np

from trs.data import geometry
from trs.data.person_table import PersonTable
from trs.evaluation.oks import ScoredPoses, pose_similarity

THRESHOLD = 0.9
"""OKS above which two poses are the same."""


def oks_nms(people: PersonTable, poses: ScoredPoses, sigmas: np.ndarray, input_size: tuple[int, int]) -> ScoredPoses:
    """Choose the poses that stay, image by image.

    Args:
        people: the table of detections.
        poses: of its people.
        sigmas: [K] of the keypoints.
        input_size: height and width of the crops, whose areas in the image are what OKS is relative to.
    """
    stays, places = np.zeros(len(poses.rows), bool), poses.keypoints[..., :2]
    areas, image_ids = geometry.crop_areas(people.boxes[poses.rows], input_size), people.image_ids[poses.rows]
    for image_id in np.unique(image_ids):
        left = np.flatnonzero(image_ids == image_id)
        left = left[np.argsort(-poses.scores[left], kind="stable")]
        while len(left):
            best, left = left[0], left[1:]
            stays[best] = True
            left = left[pose_similarity(places[best], areas[best], places[left], areas[left], sigmas) <= THRESHOLD]
    return poses.take(stays)
