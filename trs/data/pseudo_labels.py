"""Pseudo labels: where a network places the keypoints of unlabeled people, to learn from as from labels."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np

from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.files import read_bytes, whole_file

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


def load_labels(path: Path, people: PersonTable) -> tuple[np.ndarray, np.ndarray]:
    """Read the rows [n] and keypoints [n, K, 3] that `save_labels` wrote of people.

    Raises:
        InputError: the file is damaged, or of other people.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as labels:
            rows, keypoints = labels["rows"], labels["keypoints"]
    except Exception as error:  # NumPy's reader raises whatever it stumbles upon
        raise InputError(f"{path} holds no pseudo labels; delete it, and the next start makes them anew") from error
    fits = (rows.dtype.kind == "i" and rows.ndim == 1 and np.array_equal(np.unique(rows), np.sort(rows))
            and bool(((rows >= 0) & (rows < len(people))).all())
            and keypoints.dtype.kind == "f" and keypoints.shape == (len(rows), people.keypoints.shape[1], 3)
            and bool(np.isfinite(keypoints).all()))
    if not fits:
        raise InputError(f"{path} holds no pseudo labels of these people, or some that are not finite; delete it, and "
                         "the next start makes them anew")
    return rows, keypoints
