"""The first stage of a method that has one: a training whose network labels the unlabelled people for the second."""

from __future__ import annotations

import dataclasses
import os
import shutil
import uuid
from pathlib import Path
from typing import Any, cast

import numpy as np
import ray
import ray.train
import ray.train.torch

from jobs import cluster
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config, MethodConfig, PseudoPoseConfig
from trs.data.people import People
from trs.data.sets import Sets

FIRST_STAGE = "first_stage"
"""Folder of the first stage's run, in that of the second's."""
PSEUDO_LABELS_FILE = "pseudo_labels.npz"


def first_stage(config: Config) -> Config | None:
    """The config of the training that must come first: the same, but for the method."""
    kind = config.method.first_stage
    return None if kind is None else dataclasses.replace(config, method=cast(MethodConfig, kind()))


def label_unlabeled(config: Config, sets: Sets, folder: Path) -> Sets:
    """The sets with pseudo labels of the first stage's network on the unlabelled people.

    They are made once and kept in the run's folder.

    Args:
        config: of the second stage; its method says how to label.
        sets: as they were loaded.
        folder: of the second stage's run, with the first stage's below it.
    """
    file = folder / PSEUDO_LABELS_FILE
    threshold = cast(PseudoPoseConfig, config.method).confidence_threshold
    if not file.exists():
        _label(config, sets, folder)
    with np.load(file) as labels:
        unlabeled = with_labels(sets.unlabeled, labels["rows"], labels["keypoints"], threshold)
        return dataclasses.replace(sets, unlabeled=unlabeled)


def with_labels(people: People, rows: np.ndarray, keypoints: np.ndarray, threshold: float) -> People:
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


def _label(config: Config, sets: Sets, folder: Path) -> None:
    name = f"ray-{uuid.uuid4().hex[:8]}"  # a run of the same name would be taken for one to go on with
    settings = {"checkpoint": str(checkpoints.newest(folder / FIRST_STAGE)), "config": configs.to_dict(config),
                "sets": ray.put(sets), "folder": str(folder)}
    try:
        ray.train.torch.TorchTrainer(
            label_per_worker, train_loop_config=settings,
            scaling_config=cluster.scaling(dataclasses.replace(config.train, min_workers=None)),
            run_config=ray.train.RunConfig(
                name=name, storage_path=str(folder),
                failure_config=ray.train.FailureConfig(max_failures=config.train.max_failures))).fit()
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)


def label_per_worker(settings: dict[str, Any]) -> None:
    """Label this worker's share of the people; rank 0 writes what all have found."""
    from jobs import worker

    worker.label_people(settings)


def save_labels(folder: Path, rows: np.ndarray, keypoints: np.ndarray) -> None:
    """Write the pseudo labels; the file appears whole or not at all."""
    partial = folder / f"partial-{PSEUDO_LABELS_FILE}"
    np.savez(partial, rows=rows, keypoints=keypoints)
    os.replace(partial, folder / PSEUDO_LABELS_FILE)
