"""Pseudo labels: where a network places the keypoints of unlabeled people, to learn from as from labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from trs.data.person_table import PersonTable
from trs.files import whole_file

PSEUDO_LABELS_FILE = "pseudo_labels.npz"


def with_labels(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, threshold: float) -> PersonTable:
    """Give people the keypoints that a network predicts, labeled where its confidence reaches the threshold.

    Args:
        people: the unlabeled table.
        rows: [n] its rows that the network has predicted; the others stay unlabeled.
        keypoints: [n, K, 3] x, y in the image and confidence.
        threshold: confidence from which a keypoint counts.
    """
    places, weights = people.keypoints.copy(), np.zeros_like(people.keypoint_weights)
    places[rows] = keypoints[..., :2]
    weights[rows] = keypoints[..., 2] >= threshold
    return dataclasses.replace(people, keypoints=places, keypoint_weights=weights)


def save_labels(path: Path, rows: np.ndarray, keypoints: np.ndarray) -> None:
    """Write pseudo labels as NumPy's .npz; the file appears whole or not at all."""
    with whole_file(path) as partial:
        np.savez(partial, rows=rows, keypoints=keypoints)


def load_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the rows [n] and keypoints [n, K, 3] that `save_labels` wrote."""
    with np.load(path) as labels:
        return labels["rows"], labels["keypoints"]
