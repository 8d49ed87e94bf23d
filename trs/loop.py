"""The training loop of one worker, without Ray: batches in, metrics and states out.

    for each step:   rows -> batches -> losses -> backward -> optimiser -> method.after_step
    after each epoch:   evaluate, report

Several workers run the same loop under torch.distributed; `wrap` then puts DDP around the trained networks.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from trs import checkpoint as checkpoints
from trs import schedule
from trs.checkpoint import Checkpoint, Counters
from trs.config import Config
from trs.data.batch import labeled_batch, unlabeled_batch
from trs.data.sets import Sets
from trs.data.stream import Rows, batch_rows
from trs.distributed import rank, world_size
from trs.errors import InputError
from trs.evaluation.evaluate import Keep, evaluate
from trs.methods.base import Forward, Method

Metrics = dict[str, float]
StepRows = dict[str, range]
OpenBatches = Callable[[Iterator[StepRows]], Iterator[dict[str, Rows]]]
"""Reads rows by stream name, `labeled` and `unlabeled`, step after step, ahead of the loop."""
Report = Callable[[Metrics, Callable[[Path], None]], None]
"""Takes the metrics since the last report (AP on rank 0 only) and a function that saves the state into a folder."""
Complain = Callable[[str], object]
"""Takes a sentence about a picture that cannot be used."""


class Diverged(InputError):
    """The gradients stayed NaN or infinite; other settings may keep them finite."""


@dataclass
class Training:
    """All that a run changes."""

    config: Config
    sets: Sets
    method: Method
    optimizer: torch.optim.Optimizer
    device: torch.device
    complain: Complain = print
    counters: Counters = field(default_factory=Counters)

    @property
    def steps_per_epoch(self) -> int:
        """An epoch is one pass over the larger set, whichever sets the method reads: equal epochs, equal steps."""
        larger = max(len(self.sets.labeled), len(self.sets.unlabeled))
        return math.ceil(larger / (self.config.train.batch_size * world_size()))

    def save(self, folder: Path) -> None:
        """Write the whole state."""
        checkpoints.save(folder, self.method.networks, self.optimizer, self.counters, self.config, self.sets.skeleton)


def start(config: Config, sets: Sets, method: Method, device: torch.device,
          resumed: Checkpoint | None = None, complain: Complain = print) -> Training:
    """A fresh training, a warm-started one (`train.init_from`), or one that goes on from a checkpoint.

    Raises:
        InputError: a checkpoint that does not fit.
    """
    if resumed is None and config.train.init_from:
        given = [checkpoints.load(checkpoints.newest(Path(folder))) for folder in config.train.init_from]
        checkpoints.warm_start(method.networks, method.peers, given)
    method.networks.to(device)
    optimizer = torch.optim.Adam(method.trained.parameters(), config.train.learning_rate, fused=True)
    training = Training(config, sets, method, optimizer, device, complain)
    if resumed is not None:
        checkpoints.restore_networks(method.networks, resumed)
        checkpoints.restore_optimizer(optimizer, resumed)
        training.counters = resumed.counters
    return training


def train(training: Training, open_batches: OpenBatches, report: Report,
          wrap: Callable[[nn.Module], Forward] = lambda networks: networks, keep: Keep = lambda name, results: None,
          ) -> None:
    """Run the steps that are left; evaluate and report after every `eval.every` epochs.

    Raises:
        Diverged: too many steps in a row had gradients that are not finite.
        InputError: too many pictures cannot be read.
    """
    config, counters = training.config, training.counters
    forward = wrap(training.method.trained)
    total_steps = config.train.epochs * training.steps_per_epoch
    batches = open_batches(_rows_of_steps(training, total_steps))
    clock = _Clock(total_steps, counters.step)
    means, skipped = _Means(), 0
    for number in range(counters.step, total_steps):
        rows = clock.wait(batches)
        terms, finite = step(training, forward, rows, total_steps)
        if finite:
            means.add(terms)
        skipped = 0 if finite else skipped + 1
        if skipped > config.train.max_skipped_steps:
            raise Diverged(f"the gradients of {skipped} steps in a row, up to step {number}, are not finite; "
                           "lower --train.learning-rate or --method.unsup-weight")
        if training.counters.step % training.steps_per_epoch == 0:
            training.method.after_epoch()
        if _report_is_due(training, total_steps):
            metrics = {**means.result(), **clock.read(training), **_evaluate(training, keep)}
            report(metrics, training.save)
            means = _Means()


def _report_is_due(training: Training, total_steps: int) -> bool:
    done = training.counters.step
    return done % (training.steps_per_epoch * training.config.eval.every) == 0 or done == total_steps


def _evaluate(training: Training, keep: Keep) -> Metrics:
    complaints: list[str] = []
    metrics = evaluate(training.method, training.sets, training.config, training.device, complaints, keep)
    training.method.networks.train()
    _check_pictures(training, complaints, len(complaints), len(training.sets.val) / world_size())
    return metrics


def step(training: Training, forward: Forward, rows: dict[str, Rows], total_steps: int
         ) -> tuple[dict[str, Tensor], bool]:
    """One optimiser step on a worker's rows.

    Returns: the loss terms, and whether the gradients were finite. If not, nothing has changed but the counters. After
        DDP's reduction the gradients are the same on every worker, so all of them skip the step together.
    """
    config, counters, optimizer = training.config, training.counters, training.optimizer
    for group in optimizer.param_groups:
        group["lr"] = schedule.learning_rate(counters.step, total_steps, config.train.learning_rate,
                                             config.train.lr_drops, config.train.warmup_steps)
    labeled = labeled_batch(rows["labeled"], training.device, config.data.sigma)
    unlabeled = (unlabeled_batch(rows["unlabeled"], training.device, config.data.sigma,
                                 pseudo=config.method.first_stage is not None) if "unlabeled" in rows else None)
    buffers = list(training.method.networks.buffers())
    statistics = [buffer.clone() for buffer in buffers]
    with torch.autocast(training.device.type, torch.bfloat16, enabled=_bfloat16(config, training.device)):
        terms = training.method.losses(forward, labeled, unlabeled, counters.step,
                                       counters.step // training.steps_per_epoch)
    optimizer.zero_grad()
    terms["loss"].backward()
    gradients = [parameter.grad for parameter in training.method.trained.parameters() if parameter.grad is not None]
    finite = bool(torch.nn.utils.get_total_norm(gradients).isfinite())
    if finite:
        optimizer.step()
        training.method.after_step(counters.step)
    else:  # a NaN among BatchNorm's running statistics would stay there
        torch._foreach_copy_(buffers, statistics)
    training.counters = _advance(training, rows)
    return {name: term.detach() for name, term in terms.items()}, finite


def _advance(training: Training, rows: dict[str, Rows]) -> Counters:
    """Count a step, its rows on all workers and its bad pictures; stop if there are too many."""
    counters, consumed = training.counters, training.config.train.batch_size * world_size()
    bad = [reason for columns in rows.values() for reason in columns["bad"] if reason]
    counters = dataclasses.replace(
        counters, step=counters.step + 1, labeled_row=counters.labeled_row + consumed,
        unlabeled_row=counters.unlabeled_row + consumed * ("unlabeled" in rows),
        bad_images=counters.bad_images + sum(1 + reason.count("\n") for reason in bad))
    # A worker counts its own pictures, the rows are those of all.
    _check_pictures(training, bad, counters.bad_images, (counters.labeled_row + counters.unlabeled_row) / world_size())
    return counters


def _check_pictures(training: Training, complaints: list[str], bad: int, read: float) -> None:
    for complaint in complaints:
        training.complain(complaint)
    limit = training.config.data.max_bad_images
    # A few bad pictures among the first are no rate yet.
    if complaints and bad > max(5, limit * read):
        raise InputError(f"{bad} of {read:.0f} pictures cannot be used, more than data.max_bad_images = {limit}; "
                         f"the last: {complaints[-1]}")


def _rows_of_steps(training: Training, total_steps: int) -> Iterator[StepRows]:
    """The rows that this worker reads in each step that is left."""
    counters, size = training.counters, training.config.train.batch_size
    for number in range(total_steps - counters.step):
        rows = {"labeled": batch_rows(number, size, rank(), world_size(), counters.labeled_row)}
        if training.method.uses_unlabeled:
            rows["unlabeled"] = batch_rows(number, size, rank(), world_size(), counters.unlabeled_row)
        yield rows


def _bfloat16(config: Config, device: torch.device) -> bool:
    if config.train.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.train.precision == "bfloat16"


class _Means:
    """Means of the terms over an epoch; summed on the device, read once."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, terms: dict[str, Tensor]) -> None:
        self.count += 1
        for name, term in terms.items():
            self.sums[name] = self.sums[name] + term if name in self.sums else term.clone()

    def result(self) -> Metrics:
        means = {name: float(value) / self.count for name, value in self.sums.items()}
        return means or {"loss": math.nan, "peak_heat": math.nan}  # every step of the epoch was skipped


class _Clock:
    """Speed, waiting for data, and time left."""

    def __init__(self, total_steps: int, first_step: int) -> None:
        self.total_steps, self.first_step = total_steps, first_step
        self.began = self.epoch_began = time.monotonic()
        self.waited, self.epoch_step = 0.0, first_step

    def wait(self, batches: Iterator[dict[str, Rows]]) -> dict[str, Rows]:
        began = time.monotonic()
        rows = next(batches)
        self.waited += time.monotonic() - began
        return rows

    def read(self, training: Training) -> Metrics:
        now, done = time.monotonic(), training.counters.step
        epoch_seconds, steps = now - self.epoch_began, done - self.epoch_step
        metrics = {"epoch": done // training.steps_per_epoch, "step": done,
                   "learning_rate": training.optimizer.param_groups[0]["lr"],
                   "bad_images": training.counters.bad_images,
                   "steps_per_second": steps / epoch_seconds, "data_wait": self.waited / epoch_seconds,
                   "seconds_left": (now - self.began) / (done - self.first_step) * (self.total_steps - done)}
        self.epoch_began, self.epoch_step, self.waited = now, done, 0.0
        return metrics
