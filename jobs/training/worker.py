"""What each worker of a training runs: `trs.loop`, with Ray Data's batches and a run's folder for its host."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from torch import nn

from jobs.cluster.failures import cause_of, find_mistake, plain, root_of, would_recur
from jobs.cluster.resources import threads_of
from jobs.cluster.stopping import StopSignal
from jobs.run_folder.checkpoints import load_newest_whole, prune
from jobs.run_folder.layout import BAD_IMAGES_FILE, EVENTS_FILE, FAILURES_FILE, append_line, write_down
from jobs.run_folder.metrics import MetricsLog, best_step, known
from jobs.run_folder.progress import Progress
from jobs.run_folder.suggestion import write_suggestion
from jobs.training.assignment import Assignment
from jobs.training.reading import StoredStream, read_shares
from trs import checkpoint as checkpoints
from trs import loop
from trs.data.reader import Rows
from trs.errors import InputError, Interrupted, Interruption, Unexpected
from trs.evaluation.results import PREDICTIONS, write_results
from trs.host import Metrics, ShareRows
from trs.methods.base import Forward
from trs.methods.build import build_method
from trs.training import Training, start_training


def run(assignment: Assignment) -> None:
    """Train, or resume from the run's newest checkpoint.

    A run that is asked to stop ends without an error, for Ray Train restarts workers that fail.
    """
    try:
        _train(assignment)
    except Interrupted as interrupted:
        if not interrupted.stop:
            raise
    except InputError:
        raise
    except Exception as error:
        append_line(assignment.folder / FAILURES_FILE, f"{cause_of([error])}\n{plain(traceback.format_exc())}")
        raise


def _train(assignment: Assignment) -> None:
    job, folder = assignment.job, assignment.folder
    # Ray sets this for whole CPUs only; workers that each take the machine's threads wait for one another.
    torch.set_num_threads(threads_of(job.cluster))
    cv2.setNumThreads(0)  # an evaluation's readers are threads of their own
    write_down("trs.bad_images", folder / BAD_IMAGES_FILE, each_once=True)
    write_down("jobs", folder / EVENTS_FILE)
    assignment.require_lease()
    if assignment.suggestion is not None and ray.train.get_context().get_world_rank() == 0:
        write_suggestion(folder, assignment.suggestion)
    datasets = assignment.datasets.load()
    method = build_method(job.config, len(datasets.skeleton))
    burned_in = checkpoints.load(assignment.checkpoint) if assignment.checkpoint is not None else None
    training = start_training(job.config, datasets, method, ray.train.torch.get_device(), _resumed(folder), burned_in)
    try:
        loop.train(training, RayHost(assignment, training), assignment.until)
    except Exception as error:
        if find_mistake(error) is None and would_recur(error):
            raise Unexpected.at(f"after step {training.counters.step}", root_of(error)) from error
        error.add_note(f"after step {training.counters.step}")  # Ray keeps an error's notes
        raise


class RayHost:
    """The host of one worker: Ray Data reads for it; rank 0 writes the run's folder."""

    def __init__(self, assignment: Assignment, training: Training) -> None:
        self.assignment, self.folder, self.job = assignment, assignment.folder, assignment.job
        self.checkpoint_every = self.job.cluster.checkpoint_every
        self.stop_signal = StopSignal(assignment.stop) if assignment.stop else None
        context = ray.train.get_context()
        self.main = context.get_world_rank() == 0
        step, train = training.counters.step, self.job.config.train
        if self.main:
            assignment.require_lease()
            self.log = MetricsLog(self.folder, step)
            self.progress = Progress(self.folder, train.epochs * training.steps_per_epoch, train.batch_size
                                     * train.workers * (1 + training.method.uses_unlabeled), assignment.require_lease)
            self.progress.began(step, context.get_world_size(), train.workers)
        self.reported_step = _from_main(self.log.reported_step if self.main else 0)

    def read(self, shares: Iterator[ShareRows]) -> Iterator[dict[str, Rows]]:
        """Read with Ray Data."""
        config, stored = self.job.config, self.assignment.datasets
        streams = {name: StoredStream(people, stored.skeleton.flip_order, config)
                   for name, people in (("labeled", stored.labeled), ("unlabeled", stored.unlabeled))}
        return read_shares(streams, self.job.cluster.data_cpus, shares)

    def wrap(self, networks: nn.Module) -> Forward:
        """Put DDP around the networks, where there are several workers."""
        forward: Forward = ray.train.torch.prepare_model(networks)
        return forward

    def save(self, training: Training) -> None:
        """Write a checkpoint; the newest two and the best one so far are kept."""
        if self.main:
            self.assignment.require_lease()
            training.save(self.folder / checkpoints.folder_name(training.counters.step))
            best = best_step(self.folder, self.job.config.eval.metric)
            prune(self.folder, [] if best is None else [best])

    def interrupted(self, step: int) -> Interruption | None:
        """Note the step, and say whether this worker ought to stop."""
        if self.main:
            self.progress.step(step)
        return self.stop_signal() if self.stop_signal else None

    def keep(self, predictor: str, results: list[dict[str, Any]]) -> None:
        """Write the poses of an evaluation."""
        self.assignment.require_lease()
        write_results(self.folder / PREDICTIONS, predictor, results)

    def report(self, metrics: Metrics) -> None:
        """Append the metrics to the run's, and hand them to Ray Train, which hands them to a search."""
        measured = known(metrics)
        if self.main:
            self.assignment.require_lease()
            self.log.write(metrics)
            self.progress.evaluated(measured, self.job.config.eval.metric)
        self.reported_step = int(measured["step"])
        ray.train.report(measured)


def _resumed(folder: Path) -> checkpoints.Checkpoint | None:
    """The newest whole checkpoint of the run as rank 0 sees it, on every worker."""
    main = ray.train.get_context().get_world_rank() == 0
    found = load_newest_whole(folder) if main else None
    # Workers that began from different steps would wait for one another for ever.
    step = _from_main(found.counters.step if found else -1)
    if main or step < 0:
        return found
    return checkpoints.load(folder / checkpoints.folder_name(step))


def _from_main(number: int) -> int:
    """Rank 0's number, on every worker."""
    if not dist.is_initialized():
        return number
    shared = torch.tensor([number], device=ray.train.torch.get_device())
    dist.broadcast(shared, src=0)
    return int(shared)
