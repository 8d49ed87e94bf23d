"""The first stage of a method that has one: a training whose network labels the unlabeled people for the second.

What a pseudo label is stands in `trs.data.pseudo_labels`, how a network labels in the method's file.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import ray
import ray.train

from jobs.cluster.failures import Failures
from jobs.cluster.resources import all_or_none, threads_of
from jobs.config import Job
from jobs.run_folder.layout import BAD_IMAGES_FILE, FIRST_STAGE, write_down
from jobs.training.assignment import Assignment, do_once
from jobs.training.datasets import StoredDatasets
from trs import checkpoint_folders as checkpoints
from trs.config import MethodConfig, PseudoPoseConfig
from trs.data.pseudo_labels import PSEUDO_LABELS_FILE, load_labels, save_labels, with_labels


def first_stage(job: Job) -> Job | None:
    """The training that must come first: the same, but for the method."""
    kind = job.config.method.first_stage
    if kind is None:
        return None
    return dataclasses.replace(job, config=dataclasses.replace(job.config, method=cast(MethodConfig, kind())))


def label_unlabeled(job: Job, stored: StoredDatasets, folder: Path) -> StoredDatasets:
    """The datasets with pseudo labels of the first stage's network on the unlabeled people.

    They are made once and kept in the run's folder.

    Args:
        job: the second stage; its method says how to label.
        stored: as they were loaded.
        folder: of the second stage's run, with the first stage's below it.
    """
    file = folder / PSEUDO_LABELS_FILE
    if not file.exists():
        do_once(label_per_worker, Assignment(all_or_none(job), stored, folder,
                                             checkpoint=checkpoints.newest(folder / FIRST_STAGE)),
                Failures(folder, job.cluster.max_failures))
    unlabeled = ray.get(stored.unlabeled)
    rows, keypoints = load_labels(file, unlabeled)
    threshold = cast(PseudoPoseConfig, job.config.method).confidence_threshold
    return stored.with_unlabeled(with_labels(unlabeled, rows, keypoints, threshold))


def label_per_worker(settings: dict[str, Any]) -> None:
    """Label this worker's share of the unlabeled people; rank 0 writes the labels of all."""
    # Only here: who drives a training needs no networks.
    import ray.train.torch
    import torch

    from trs.bad_images import settle
    from trs.evaluation.labeling import pseudo_label
    from trs.evaluation.predictor import load_predictor

    assignment: Assignment = settings["assignment"]
    assert assignment.checkpoint is not None
    torch.set_num_threads(threads_of(assignment.job.cluster))
    teacher = load_predictor(assignment.checkpoint, ray.train.torch.get_device())
    unreadable: list[str] = []
    people, config = ray.get(assignment.datasets.unlabeled), assignment.job.config
    rows, keypoints = pseudo_label(teacher, people, config, unreadable)
    write_down("trs.bad_images", assignment.folder / BAD_IMAGES_FILE, each_once=True)
    settle(unreadable, people, config, teacher.device, "unlabeled images")
    if ray.train.get_context().get_world_rank() == 0:
        save_labels(assignment.folder / PSEUDO_LABELS_FILE, rows, keypoints)
