"""The training loop of one worker, without Ray: batches in, metrics and states out.

    for each step:   rows -> batches -> losses -> backward -> optimiser -> method.after_step
    after each epoch:   evaluate, report

Several workers run the same loop under torch.distributed; `wrap` then puts DDP around the trained networks. A step
consists of `train.workers` shares. Each worker does one; where workers are missing, those that are left do several, so
the training stays the same but for BatchNorm's running statistics, which then see every share.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from trs import checkpoint as checkpoints
from trs import schedule
from trs.checkpoint import Checkpoint, Counters
from trs.config import Config
from trs.data.batch import labeled_batch, unlabeled_batch
from trs.data.datasets import Datasets
from trs.data.reader import Rows
from trs.data.sampler import batch_rows
from trs.distributed import rank, sum_over_workers, world_size
from trs.errors import InputError, Interrupted, Interruption
from trs.evaluation.evaluate import Keep, evaluate
from trs.methods.base import Forward, Method
from trs.warm_start import restore_networks, restore_optimizer, warm_start

Metrics = dict[str, float]
ShareRows = dict[str, range]
OpenBatches = Callable[[Iterator[ShareRows]], Iterator[dict[str, Rows]]]
"""Reads rows by stream name, `labeled` and `unlabeled`, share after share, ahead of the loop."""
Report = Callable[[Metrics], object]
"""Takes the metrics since the last report (AP on rank 0 only); saves a checkpoint too."""
Complain = Callable[[str], object]
"""Takes a sentence about a picture that cannot be used."""


class Diverged(InputError):
    """The gradients stayed NaN or infinite; other settings may keep them finite."""


@dataclass
class Training:
    """All that a run changes."""

    config: Config
    sets: Datasets
    method: Method
    optimizer: torch.optim.Optimizer
    device: torch.device
    complain: Complain = print
    counters: Counters = field(default_factory=Counters)

    @property
    def steps_per_epoch(self) -> int:
        """An epoch is one pass over the larger set, whichever sets the method reads: equal epochs, equal steps."""
        larger = max(len(self.sets.labeled), len(self.sets.unlabeled))
        return math.ceil(larger / (self.config.train.batch_size * self.config.train.workers))

    @property
    def shares(self) -> range:
        """The shares of a step that are this worker's."""
        return range(rank(), self.config.train.workers, world_size())

    def save(self, folder: Path) -> None:
        """Write the whole state."""
        checkpoints.save(folder, self.method.networks, self.optimizer, self.counters, self.config, self.sets.skeleton)


def start(config: Config, sets: Datasets, method: Method, device: torch.device,
          resumed: Checkpoint | None = None, complain: Complain = print) -> Training:
    """A fresh training, a warm-started one (`train.init_from`), or one that goes on from a checkpoint.

    Raises:
        InputError: a checkpoint that does not fit.
    """
    if resumed is None and config.train.init_from:
        given = [checkpoints.load(checkpoints.newest(Path(folder))) for folder in config.train.init_from]
        warm_start(method.networks, method.peers, given)
    method.networks.to(device)
    optimizer = torch.optim.Adam(method.trained.parameters(), config.train.learning_rate, fused=True)
    training = Training(config, sets, method, optimizer, device, complain)
    if resumed is not None:
        restore_networks(method.networks, resumed)
        restore_optimizer(optimizer, resumed)
        training.counters = resumed.counters
    return training


def train(training: Training, open_batches: OpenBatches, report: Report, save: Callable[[], object] = lambda: None,
          interrupted: Callable[[], Interruption | None] = lambda: None,
          wrap: Callable[[nn.Module], Forward] = lambda networks: networks, keep: Keep = lambda name, results: None,
          ) -> None:
    """Run the steps that are left; evaluate and report after every `eval.every` epochs.

    Args:
        training: the state, which changes.
        open_batches: reads the rows.
        report: called on every worker after an evaluation.
        save: called on every worker every `train.checkpoint_every` steps, before an evaluation, and before an end by
            `interrupted`; one of them writes the state.
        interrupted: asked after each step; what one worker answers holds for all.
        wrap: puts DDP around the trained networks.
        keep: takes the poses of an evaluation.

    Raises:
        Interrupted: the state is saved.
        Diverged: too many steps in a row had gradients that are not finite.
        InputError: too many pictures cannot be read.
    """
    config, counters = training.config, training.counters
    forward = wrap(training.method.trained)
    total_steps = config.train.epochs * training.steps_per_epoch
    batches = open_batches(_rows_of_shares(training, total_steps))
    clock = _Clock(total_steps, counters.step)
    means, skipped = _Means(), 0
    while True:
        if _report_is_due(training, total_steps):
            training.counters = dataclasses.replace(training.counters, reported_step=training.counters.step)
            report({**means.result(), **clock.read(training), **_evaluate(training, keep)})
            means = _Means()
        if training.counters.step == total_steps:
            return
        shares = clock.wait(batches, len(training.shares))
        terms, finite = step(training, forward, shares, total_steps)
        interruption = _advance(training, shares, interrupted())
        if finite:
            means.add(terms)
        skipped = 0 if finite else skipped + 1
        if skipped > config.train.max_skipped_steps:
            raise Diverged(f"the gradients of {skipped} steps in a row, up to step {training.counters.step}, are not "
                           "finite; lower --train.learning-rate or --method.unsup-weight")
        if training.counters.step % training.steps_per_epoch == 0:
            training.method.after_epoch()
        if interruption is not None:
            save()
            sum_over_workers([0.0], training.device)  # until it is written, nobody leaves and takes the others along
            raise Interrupted(training.counters.step, stop=interruption is Interruption.STOP)
        # An evaluation may outlast the minutes that are left to a machine.
        if training.counters.step % config.train.checkpoint_every == 0 or _report_is_due(training, total_steps):
            save()


def _report_is_due(training: Training, total_steps: int) -> bool:
    """Whether an evaluation comes before the next step; one that was interrupted there still owes it."""
    done = training.counters.step
    interval = training.steps_per_epoch * training.config.eval.every
    return done > training.counters.reported_step and (done % interval == 0 or done == total_steps)


def _evaluate(training: Training, keep: Keep) -> Metrics:
    complaints: list[str] = []
    metrics = evaluate(training.method, training.sets, training.config, training.device, complaints, keep)
    training.method.networks.train()
    _check_pictures(training, complaints, len(complaints), len(training.sets.val) / world_size())
    return metrics


def step(training: Training, forward: Forward, shares: list[dict[str, Rows]], total_steps: int
         ) -> tuple[dict[str, Tensor], bool]:
    """One optimiser step on a worker's shares.

    Returns: the means of the loss terms over the shares, and whether the gradients were finite. If not, nothing has
        changed. After DDP's reduction the gradients are the same on every worker, so all of them skip it together.
    """
    config, counters, optimizer = training.config, training.counters, training.optimizer
    for group in optimizer.param_groups:
        group["lr"] = schedule.learning_rate(counters.step, total_steps, config.train.learning_rate,
                                             config.train.lr_drops, config.train.warmup_steps)
    buffers = list(training.method.networks.buffers())
    statistics = [buffer.clone() for buffer in buffers]
    optimizer.zero_grad()
    terms = [_backward(training, forward, rows, last=rows is shares[-1]) for rows in shares]
    gradients = [parameter.grad for parameter in training.method.trained.parameters() if parameter.grad is not None]
    finite = bool(torch.nn.utils.get_total_norm(gradients).isfinite())
    if finite:
        optimizer.step()
        training.method.after_step(counters.step)
    else:  # a NaN among BatchNorm's running statistics would stay there
        torch._foreach_copy_(buffers, statistics)
    return {name: torch.stack([share[name] for share in terms]).mean(0) for name in terms[0]}, finite


def _backward(training: Training, forward: Forward, rows: dict[str, Rows], last: bool) -> dict[str, Tensor]:
    """The loss terms of a share, whose gradients are added; after the last share the workers average theirs."""
    config, device = training.config, training.device
    labeled = labeled_batch(rows["labeled"], device, config.data.sigma)
    unlabeled = (unlabeled_batch(rows["unlabeled"], device, config.data.sigma,
                                 pseudo=config.method.first_stage is not None) if "unlabeled" in rows else None)
    alone = contextlib.nullcontext if last else getattr(forward, "no_sync", contextlib.nullcontext)
    with alone():
        with torch.autocast(device.type, torch.bfloat16, enabled=_bfloat16(config, device)):
            terms = training.method.losses(forward, labeled, unlabeled, training.counters.step,
                                           training.counters.step // training.steps_per_epoch)
        # A mean over all shares, although DDP takes that over the workers.
        (terms["loss"] * (world_size() / config.train.workers)).backward()
    return {name: term.detach() for name, term in terms.items()}


def _advance(training: Training, shares: list[dict[str, Rows]], here: Interruption | None) -> Interruption | None:
    """Count a step, its rows and its bad pictures on all workers; stop if there are too many.

    Returns: what interrupts the workers, given what this one says; to be told to stop is the stronger.
    """
    counters, consumed = training.counters, training.config.train.batch_size * training.config.train.workers
    complaints = [reason for rows in shares for columns in rows.values() for reason in columns["bad"] if reason]
    bad, *votes = sum_over_workers([float(sum(1 + reason.count("\n") for reason in complaints)),
                                    *(float(here is kind) for kind in Interruption)], training.device)
    counters = dataclasses.replace(
        counters, step=counters.step + 1, labeled_row=counters.labeled_row + consumed,
        unlabeled_row=counters.unlabeled_row + consumed * ("unlabeled" in shares[0]),
        bad_images=counters.bad_images + int(bad))
    training.counters = counters
    _check_pictures(training, complaints, counters.bad_images, counters.labeled_row + counters.unlabeled_row)
    return next((kind for kind, vote in zip(Interruption, votes, strict=True) if vote), None)


def _check_pictures(training: Training, complaints: list[str], bad: int, read: float) -> None:
    for complaint in complaints:
        training.complain(complaint)
    limit = training.config.data.max_bad_images
    # A few bad pictures among the first are no rate yet.
    if complaints and bad > max(5, limit * read):
        raise InputError(f"{bad} of {read:.0f} pictures cannot be used, more than data.max_bad_images = {limit}; "
                         f"the last: {complaints[-1]}")


def _rows_of_shares(training: Training, total_steps: int) -> Iterator[ShareRows]:
    """The rows of the shares that this worker does, in each step that is left."""
    counters, train = training.counters, training.config.train
    for number in range(total_steps - counters.step):
        for share in training.shares:
            rows = {"labeled": batch_rows(number, train.batch_size, share, train.workers, counters.labeled_row)}
            if training.method.uses_unlabeled:
                rows["unlabeled"] = batch_rows(number, train.batch_size, share, train.workers, counters.unlabeled_row)
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

    def wait(self, batches: Iterator[dict[str, Rows]], count: int) -> list[dict[str, Rows]]:
        began = time.monotonic()
        shares = list(islice(batches, count))
        self.waited += time.monotonic() - began
        return shares

    def read(self, training: Training) -> Metrics:
        now, done = time.monotonic(), training.counters.step
        epoch_seconds, steps = now - self.epoch_began, done - self.epoch_step
        metrics = {"epoch": done // training.steps_per_epoch, "step": done,
                   "learning_rate": training.optimizer.param_groups[0]["lr"],
                   "bad_images": training.counters.bad_images,
                   "steps_per_second": steps / epoch_seconds, "data_wait": self.waited / epoch_seconds,
                   "seconds_left": (now - self.began) / max(1, done - self.first_step) * (self.total_steps - done)}
        self.epoch_began, self.epoch_step, self.waited = now, done, 0.0
        return metrics
