"""A table of people: what every annotation format becomes before anything else happens to it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class People:
    """N people in pictures, one row each, in columns that Ray's object store shares without copying.

    root: folder that `files` are relative to.
    files: [N] str, path of the picture.
    ids: [N] int64, the annotation's id (for detected boxes: their place in the file), unique in the table.
    image_ids: [N] int64.
    image_sizes: [N, 2] int64, height and width that the annotation file declares.
    boxes: [N, 4] float64, x, y, width, height.
    scores: [N] float64, the detector's; 1 for annotated boxes.
    keypoints: [N, K, 2] float64 x, y in the picture, in the convention of `trs.data.geometry`.
    keypoint_weights: [N, K] float32; 1 labelled, 0 not.
    head_sizes: [N] float64, the length that PCKh is relative to; NaN where it is not known.
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
    head_sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> People:
        """The people of these rows (indices or a boolean mask), in that order."""
        columns = {column.name: getattr(self, column.name) for column in dataclasses.fields(self)}
        return People(columns.pop("root"), **{name: values[rows] for name, values in columns.items()})

    def without_labels(self) -> People:
        """The same people with no keypoint labelled."""
        return dataclasses.replace(self, keypoint_weights=np.zeros_like(self.keypoint_weights))
