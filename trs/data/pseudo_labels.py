"""Pseudo labels: keypoints that a network has seen on unlabeled people."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from trs.data.person_table import PersonTable

PSEUDO_LABELS_FILE = "pseudo_labels.npz"


def with_labels(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, threshold: float) -> PersonTable:
    """People whose keypoints are where a network saw them, labelled if their heat reaches the threshold.

    Args:
        people: the unlabelled table.
        rows: [n] its rows that the network saw; the others stay unlabelled.
        keypoints: [n, K, 3] x, y in the picture and heat.
        threshold: heat from which a keypoint counts.
    """
    places, weights = people.keypoints.copy(), np.zeros_like(people.keypoint_weights)
    places[rows] = keypoints[..., :2]
    weights[rows] = keypoints[..., 2] >= threshold
    return dataclasses.replace(people, keypoints=places, keypoint_weights=weights)


def save_labels(folder: Path, rows: np.ndarray, keypoints: np.ndarray) -> None:
    """Write the pseudo labels; the file appears whole or not at all."""
    partial = folder / f"partial-{PSEUDO_LABELS_FILE}"
    np.savez(partial, rows=rows, keypoints=keypoints)
    os.replace(partial, folder / PSEUDO_LABELS_FILE)
