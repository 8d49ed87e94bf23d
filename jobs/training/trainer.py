"""A job and its datasets -> Ray Train's workers, run to their end.

The processes that only drive a training (a trial's driver, Ray Train's controller) import this module, so it leaves the
networks to `jobs.training.worker`: each such process starts seconds sooner.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray
import ray.train

from jobs.cluster.failures import Blame, Failures, OfMachine, blame, find_mistake
from jobs.cluster.ray_private import FailureConfig, RunConfig, run_together
from jobs.cluster.resources import scaling
from jobs.cluster.stopping import SignaledConfig
from jobs.config import Job
from jobs.run_folder.layout import FIRST_STAGE, STOP_FILE, run_name, write_run
from jobs.run_folder.lease import Lease
from jobs.run_folder.metrics import read_metrics
from jobs.run_folder.suggestion import Suggestion
from jobs.training.assignment import Assignment
from jobs.training.datasets import StoredDatasets
from jobs.training.pseudo_labels import first_stage, label_unlabeled
from trs.data.pseudo_labels import PSEUDO_LABELS_FILE
from trs.errors import InputError


def fit(job: Job, stored: StoredDatasets, folder: Path, callbacks: Iterable[ray.train.UserCallback] = (),
        stop: Path | None = None, burned_in: Path | None = None, until: int | None = None,
        suggestion: Suggestion | None = None, lease: Lease | None = None) -> None:
    """Train in `folder`: checkpoints lie there, and a run that was interrupted there is resumed.

    A method with a first stage runs that before, in a folder of its own below.

    Args:
        job: the training and its machines.
        stored: from `jobs.training.prepare` and `jobs.training.datasets.store`.
        folder: of the run, on storage that every node sees, with what `jobs.run_folder.layout.write_run` wrote.
        callbacks: Ray Train's user callbacks.
        stop: the file that asks the run to save and end early, without an error; by default `stop` in `folder`.
        burned_in: the checkpoint that it goes on from, see `jobs.training.burn_in`; None burns in by itself.
        until: the step to end at, see `trs.loop.train`.
        suggestion: that is trained, where a search has made it; the worker states it in the run's folder.
        lease: of the command that holds the folder, or one above it.

    Raises:
        InputError: a mistake of the user's that a worker found, or more failures than `max_failures`; what the machine
            is to blame for is an OfMachine.
    """
    stop = stop or folder / STOP_FILE
    if job.cluster.min_workers is not None:
        # Right after a loss Ray still counts the lost node in and waits for it; the next try asks for fewer workers.
        os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = "60"
    if job.cluster.use_gpu:
        # A hung all-reduce ends in a failure that is told and tried again: after ten minutes where the nodes have
        # NCCL's program `ncclras`, which no wheel brings (the doctor says where it lacks), else by torch's own clock.
        os.environ.setdefault("RAY_TRAIN_ENABLE_NCCL_HANG_DETECTOR", "1")
        os.environ.setdefault("RAY_TRAIN_NCCL_RAS_ACTION", "fail")
    first = first_stage(job)
    if first is not None:
        if not (folder / PSEUDO_LABELS_FILE).exists():
            write_run(first, stored.split, folder / FIRST_STAGE)
            fit(first, stored, folder / FIRST_STAGE, stop=stop, lease=lease)
            if stop.exists():
                return
        stored = label_unlabeled(job, stored, folder)
    judge = Failures(folder, job.cluster.max_failures)
    while True:
        try:
            _train(Assignment(job, stored, folder, stop, burned_in, until, suggestion, lease), callbacks)
            return
        except ray.train.TrainingFailedError as error:
            if _is_done(job, folder):  # what came after its last epoch costs it nothing
                return
            mistake = find_mistake(error)
            if mistake is not None:
                raise (InputError if blame(error) is Blame.SETTINGS else OfMachine)(mistake) from error
            # Ray Train gives up when a machine is lost, or has no memory or place left, while the workers start.
            judge.after_exception(None, {0: getattr(error, "controller_failure", error)})


def _is_done(job: Job, folder: Path) -> bool:
    metrics = read_metrics(folder)
    return bool(metrics) and metrics[-1]["epoch"] >= job.config.train.epochs


def _train(assignment: Assignment, callbacks: Iterable[ray.train.UserCallback]) -> None:
    folder = assignment.folder
    name = run_name(folder)
    run_together(train_per_worker, assignment.settings(), scaling(assignment.job), RunConfig(
        name=name, storage_path=str(folder).removesuffix(f"/{name}") or "/",
        callbacks=[Failures(folder, assignment.job.cluster.max_failures), *callbacks],
        # `Failures` says when it is enough. Workers may wait a night for machines that were taken away.
        failure_config=FailureConfig(max_failures=-1, controller_failure_limit=100)), SignaledConfig())


def train_per_worker(settings: dict[str, Any]) -> None:
    """Run `jobs.training.worker`, imported here, in the worker's process, and nowhere else."""
    from jobs.training import worker

    worker.run(settings["assignment"])
