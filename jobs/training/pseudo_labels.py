"""The first stage of a method that has one: a training whose network labels the unlabelled people for the second."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from pathlib import Path
from typing import Any, cast

import numpy as np
import ray
import ray.train
import ray.train.torch
import torch

from jobs.cluster.resources import scaling
from jobs.run_folder.layout import BAD_PICTURES_FILE, append_line
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config, MethodConfig, PseudoPoseConfig
from trs.data.datasets import Datasets
from trs.data.pseudo_labels import PSEUDO_LABELS_FILE, save_labels, with_labels
from trs.evaluation.evaluate import label
from trs.methods.build import LABELERS, build_method
from trs.warm_start import restore_networks

FIRST_STAGE = "first_stage"
"""Folder of the first stage's run, in that of the second's."""


def first_stage(config: Config) -> Config | None:
    """The config of the training that must come first: the same, but for the method."""
    kind = config.method.first_stage
    return None if kind is None else dataclasses.replace(config, method=cast(MethodConfig, kind()))


def label_unlabeled(config: Config, sets: Datasets, folder: Path) -> Datasets:
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


def _label(config: Config, sets: Datasets, folder: Path) -> None:
    name = f"ray-{uuid.uuid4().hex[:8]}"  # a run of the same name would be taken for one to go on with
    settings = {"checkpoint": str(checkpoints.newest(folder / FIRST_STAGE)), "config": configs.to_dict(config),
                "sets": ray.put(sets), "folder": str(folder)}
    try:
        ray.train.torch.TorchTrainer(
            label_per_worker, train_loop_config=settings,
            scaling_config=scaling(dataclasses.replace(config.train, min_workers=None)),
            run_config=ray.train.RunConfig(
                name=name, storage_path=str(folder),
                failure_config=ray.train.FailureConfig(max_failures=config.train.max_failures))).fit()
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)


def label_per_worker(settings: dict[str, Any]) -> None:
    """Label this worker's share of the people; rank 0 writes what all have found."""
    from jobs.training import worker

    worker.label_people(settings)


def label_people(settings: dict[str, Any]) -> None:
    """Label the unlabelled people together with the other workers, as the config's method does it.

    settings:
        checkpoint: folder of the first stage's.
        config: of the second stage, as plain values.
        sets: `Datasets` in the object store.
        folder: for pseudo_labels.npz and bad_pictures.txt.
    """
    config = configs.from_dict(settings["config"])
    torch.set_num_threads(max(1, int(config.train.cpus_per_worker)))
    sets: Datasets = ray.get(settings["sets"])
    device, folder = ray.train.torch.get_device(), Path(settings["folder"])
    checkpoint = checkpoints.load(Path(settings["checkpoint"]))
    teacher = build_method(checkpoint.config, len(sets.skeleton))
    restore_networks(teacher.networks.to(device), checkpoint)
    teacher.networks.eval()
    see = LABELERS[type(config.method)]
    complaints: list[str] = []
    network = teacher.predictors[teacher.peers[0]]
    rows, keypoints = label(
        lambda images: see(network, images, config.method, config.model.fuse, sets.skeleton.flip_order),
        sets.unlabeled, config, device, complaints)
    for complaint in complaints:
        append_line(folder / BAD_PICTURES_FILE, complaint)
    if ray.train.get_context().get_world_rank() == 0:
        save_labels(folder, rows, keypoints)
