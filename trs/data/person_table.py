"""A table of people: what every annotation format becomes before anything else happens to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Frame = Literal["shown", "stored"]
"""An image as viewers show it, turned by its EXIF orientation, or as its pixels are stored."""
AREA_OF_BOX = 0.53
"""A person's area where the file does not tell it, as a share of the box (CrowdPose's evaluation)."""
LEAST_AREA, LARGEST_AREA = 1e-10, 1e10
"""Pixels squared between which areas of people lie: beyond, COCO's evaluation counts nobody, and no image is so large;
an image's sides may be 1."""


@dataclass(frozen=True, eq=False)
class PersonTable:
    """N people in images, one row each, in columns that Ray's object store shares without copying.

    root: folder that `files` are relative to.
    files: [N] str, path of the image.
    ids: [N] int64, the annotation's id, or its place in the file (as for detected boxes), unique in the table.
    image_ids: [N] int64, or texts where a file has such ids.
    image_sizes: [N, 2] int64, height and width that the annotation file declares; 0 where it does not.
    boxes: [N, 4] float64, x, y, width, height.
    scores: [N] float64, the detector's; 1 for annotated boxes.
    keypoints: [N, K, 2] float64 x, y in the image, in the convention of `trs.data.geometry`.
    keypoint_weights: [N, K] float32; 1 labeled, 0 not.
    areas: [N] float64, in pixels squared, that OKS is relative to.
    head_sizes: [N] float64, the length that PCKh is relative to; NaN where it is not known.
    frame: of the labels in an image with an EXIF turn, where its declared size leaves that open.
    """

    root: str
    files: np.ndarray
    ids: np.ndarray
    image_ids: np.ndarray
    image_sizes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray
    keypoint_weights: np.ndarray
    areas: np.ndarray
    head_sizes: np.ndarray
    frame: Frame = "shown"

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> PersonTable:
        """Take the people of these rows (indices or a boolean mask), in that order."""
        columns = {name: values[rows] for name, values in vars(self).items() if isinstance(values, np.ndarray)}
        return dataclasses.replace(self, **columns)

    def select(self, order: Sequence[int]) -> PersonTable:
        """Keep these of the keypoints, in this order, and the people who have one of them labeled."""
        columns = list(order)
        weights = self.keypoint_weights[:, columns]
        return dataclasses.replace(self, keypoints=self.keypoints[:, columns], keypoint_weights=weights).take(
            np.asarray(weights.any(1)))

    def without_labels(self, keypoint_count: int) -> PersonTable:
        """Replace the keypoints by so many that are not labeled."""
        return dataclasses.replace(self, keypoints=np.zeros((len(self), keypoint_count, 2)),
                                   keypoint_weights=np.zeros((len(self), keypoint_count), np.float32))


def are_credible(areas: np.ndarray) -> np.ndarray:
    """[N] whether people may have these areas; NaN is none."""
    credible: np.ndarray = (areas >= LEAST_AREA) & (areas <= LARGEST_AREA)
    return credible


def undeclared_sizes(count: int) -> np.ndarray:
    """`image_sizes` of files that do not declare any."""
    return np.zeros((count, 2), np.int64)
