"""A config and its sets -> a TorchTrainer, run to its end.

The processes that only drive a training (a trial's driver, Ray Train's controller) import this module, so it leaves the
networks to `jobs.worker`: each such process starts seconds sooner.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch

from jobs.cluster.failures import Failures, find_mistake
from jobs.cluster.resources import scaling
from jobs.cluster.stopping import STOP_FILE, TorchConfig
from jobs.run_folder.layout import write_run
from jobs.training.pseudo_labels import FIRST_STAGE, first_stage, label_unlabeled
from trs import config as configs
from trs.config import Config
from trs.data.datasets import Datasets
from trs.data.pseudo_labels import PSEUDO_LABELS_FILE
from trs.data.reader import stream_of
from trs.errors import InputError


def train_loop_per_worker(settings: dict[str, Any]) -> None:
    """Run `jobs.worker` with these settings; imported here, in the worker's process, and nowhere else."""
    from jobs.training import worker

    worker.run(settings)


def put_streams(sets: Datasets, config: Config) -> dict[str, ray.ObjectRef]:
    """The training streams in the object store."""
    people = {"labeled": sets.labeled, "unlabeled": sets.unlabeled}
    return {name: ray.put(stream_of(table, sets.skeleton.flip_order, config)) for name, table in people.items()}


def fit(config: Config, sets: Datasets, folder: Path, callbacks: Iterable[Any] = (), stop: Path | None = None) -> None:
    """Train in `folder`: checkpoints lie there, and a run that was broken off there goes on.

    A method with a first stage runs that before, in a folder of its own below.

    Args:
        config: of the training.
        sets: from `prepare`.
        folder: of the run, on storage that every node sees, with what `jobs.runs.write_run` wrote.
        callbacks: Ray Train's user callbacks.
        stop: the file that asks the run to save and end early, without an error; by default `stop` in `folder`.

    Raises:
        InputError: a mistake of the user's that a worker found, or more failures than `train.max_failures`.
        ray.train.TrainingFailedError: the workers could not be started.
    """
    stop = stop or folder / STOP_FILE
    if config.train.min_workers is not None:
        # Right after a loss Ray still counts the lost node in and waits for it; the next try asks for fewer workers.
        os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = "60"
    first = first_stage(config)
    if first is not None:
        if not (folder / PSEUDO_LABELS_FILE).exists():
            write_run(first, sets, folder / FIRST_STAGE)
            fit(first, sets, folder / FIRST_STAGE, stop=stop)
            if stop.exists():
                return
        sets = label_unlabeled(config, sets, folder)
    judge = Failures(folder, config.train.max_failures)
    while True:
        try:
            _trainer(config, sets, folder, callbacks, stop).fit()
            return
        except ray.train.TrainingFailedError as error:
            mistake = find_mistake(error)
            if mistake is not None:
                raise InputError(mistake) from error
            # Ray Train gives up when a machine is lost while the workers start.
            start = getattr(error, "controller_failure", None)
            if not isinstance(start, (ray.exceptions.RayActorError, ray.exceptions.RayTaskError)):
                raise
            judge.after_exception(None, {0: start})


def _trainer(config: Config, sets: Datasets, folder: Path, callbacks: Iterable[Any], stop: Path
             ) -> ray.train.torch.TorchTrainer:
    settings = {"config": configs.to_dict(config), "sets": ray.put(sets), "streams": put_streams(sets, config),
                "folder": str(folder), "stop": str(stop)}
    return ray.train.torch.TorchTrainer(
        train_loop_per_worker,
        train_loop_config=settings,
        torch_config=TorchConfig(),
        scaling_config=scaling(config.train),
        run_config=ray.train.RunConfig(
            name=folder.name, storage_path=str(folder.parent),
            callbacks=[Failures(folder, config.train.max_failures), *callbacks],
            # `Failures` says when it is enough. Workers may wait a night for machines that were taken away.
            failure_config=ray.train.FailureConfig(max_failures=-1, controller_failure_limit=100)))
