"""The evaluation of a checkpoint on Ray: each worker predicts its share, rank 0 scores the whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import ray.train
import ray.train.torch
import torch

from jobs.cluster.resources import all_or_none, require_resources, share_cores, threads_of
from jobs.config import Job
from jobs.run_folder.layout import BAD_IMAGES_FILE, write_down
from jobs.training.assignment import Assignment, do_once
from jobs.training.datasets import store
from trs.bad_images import settle
from trs.checkpoint import read_skeleton
from trs.data.datasets import Datasets, load_datasets
from trs.errors import InputError, printable
from trs.evaluation import evaluate as evaluation
from trs.evaluation.coco_eval import Numbers
from trs.evaluation.oks import keypoint_scores, similarities
from trs.evaluation.predictor import load_predictor
from trs.evaluation.results import PREDICTIONS, predicted_people, read_results, stack_poses, write_results
from trs.evaluation.self_check import require_sound
from trs.files import write_text
from trs.keypoint_names import canonical

METRICS_FILE = "metrics.json"


class Evaluation(NamedTuple):
    """What is measured of a checkpoint.

    metrics: by name, see `trs.evaluation.evaluate.evaluate`.
    keypoints: the score of each keypoint, of the ensemble's poses, see `trs.evaluation.oks.keypoint_scores`; none on
        detected boxes, and None where nobody has it labeled.
    datasets: whom it was measured on.
    """

    metrics: Numbers
    keypoints: dict[str, float | None]
    datasets: Datasets


def evaluate(checkpoint: Path, job: Job, out: Path) -> Evaluation:
    """Measure a checkpoint on `train.workers` processes.

    Args:
        checkpoint: its folder.
        job: its config, with the data and the evaluation that are wanted, and the machines.
        out: folder for metrics.json, predictions/ and bad_images.txt.

    Returns: the metrics and the keypoints' scores, as in `out/metrics.json`.

    Raises:
        InputError: a checkpoint or data that cannot be used, or too many images that cannot.
    """
    datasets, skeleton = load_datasets(job.config.data), read_skeleton(checkpoint)
    require_sound(datasets, job.config)
    if canonical(skeleton.names) != datasets.skeleton.names:
        learned, given = (", ".join(map(printable, one.names)) for one in (skeleton, datasets.skeleton))
        raise InputError(f"{checkpoint} has the keypoints {learned}, the data have {given}; choose with data.keypoints "
                         "those of the checkpoint")
    job = all_or_none(Job(job.config, dataclasses.replace(job.cluster, data_cpus=1e-3)))  # the workers read
    require_resources(job)
    job = share_cores(job)
    out.mkdir(parents=True, exist_ok=True)
    (out / BAD_IMAGES_FILE).unlink(missing_ok=True)
    metrics: Numbers = do_once(
        evaluate_per_worker, Assignment(job, store(datasets), out, checkpoint=checkpoint))
    keypoints = {} if job.config.data.val_detections is not None else _keypoints(datasets, out)
    write_text(out / METRICS_FILE, json.dumps({**metrics, "keypoints": keypoints}))
    return Evaluation(metrics, keypoints, datasets)


def _keypoints(datasets: Datasets, out: Path) -> dict[str, float | None]:
    """The score of each keypoint; people who could not be predicted count as missed."""
    results, skeleton = read_results(out)[1], datasets.skeleton
    people = predicted_people(datasets.val, results)
    annotated = (datasets.val.keypoint_weights > 0).sum(0)
    scores = keypoint_scores(similarities(stack_poses(results, people), people, np.array(skeleton.sigmas)), annotated)
    return {name: score if count else None
            for name, score, count in zip(skeleton.names, scores.tolist(), annotated.tolist(), strict=True)}


def evaluate_per_worker(settings: dict[str, Any]) -> Numbers:
    """Evaluate this worker's share of the people, and on rank 0 all of them."""
    assignment: Assignment = settings["assignment"]
    job, out = assignment.job, assignment.folder
    assert assignment.checkpoint is not None
    torch.set_num_threads(threads_of(job.cluster))
    cv2.setNumThreads(0)  # the readers are threads of their own
    device = ray.train.torch.get_device()
    method = load_predictor(assignment.checkpoint, device).method
    unreadable: list[str] = []
    datasets = assignment.datasets.load()
    write_down("trs.bad_images", out / BAD_IMAGES_FILE)

    def keep(name: str, results: list[dict[str, Any]]) -> None:
        write_results(out / PREDICTIONS, name, results)

    metrics = evaluation.evaluate(method, datasets, job.config, device, unreadable, keep)
    settle(unreadable, datasets.val, job.config, device, "validation images")
    if datasets.test is not None:
        unreadable = []
        metrics |= evaluation.evaluate_test(method, datasets, job.config, device, unreadable, keep)
        settle(unreadable, datasets.test, job.config, device, "test images")
    return metrics
