"""The training loop of one worker, without Ray: batches in, metrics and states out.

    for each step:   rows -> batches -> losses -> backward -> optimizer -> method.after_step
    after each epoch:   evaluate, report

Several workers run the same loop under torch.distributed; their hosts then put DDP around the trained networks. A step
consists of `train.workers` shares. Each worker does one; where workers are missing, those that are left do several, so
the training stays the same but for BatchNorm's running statistics, which then see every share.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from trs import bad_images, schedule
from trs.checkpoint import Counters
from trs.config import Config
from trs.data.batch import labeled_batch, unlabeled_batch
from trs.data.person_table import PersonTable
from trs.data.reader import Rows
from trs.data.sampler import batch_rows
from trs.distributed import sum_over_workers, world_size
from trs.errors import Diverged, Interrupted, Interruption
from trs.evaluation.evaluate import evaluate, evaluate_test
from trs.host import Host, Metrics, ShareRows
from trs.methods.base import Forward
from trs.optimizer import set_rate
from trs.training import Training


def train(training: Training, host: Host, until: int | None = None) -> None:
    """Run the steps that are left; evaluate and report after every `eval.every` epochs that have seen more than the
    burn-in.

    The state is saved every `checkpoint_every` steps, before an evaluation, and before an end by an interruption.

    Args:
        training: with its state.
        host: who reads, keeps and listens.
        until: the step to end at, saved and not evaluated, as a burn-in does that others go on from; None ends with
            the run.

    Raises:
        Interrupted: the state is saved.
        Diverged: too many steps in a row had gradients that are not finite, or weights or poses are not.
        InputError: too many images cannot be read.
    """
    config = training.config
    forward = host.wrap(training.method.trained)
    total_steps = training.total_steps
    end = total_steps if until is None else until
    # A report that is owed since before an interruption tells the rate of the last step.
    set_rate(training.optimizer, schedule.learning_rate(max(0, training.counters.step - 1), total_steps, config.train))
    batches = host.read(_rows_of_shares(training, end))
    if training.counters.step == host.reported_step:  # and what was summed up to there with it
        training.counters = dataclasses.replace(training.counters, sums={}, summed=0, seconds=0.0, timed=0)
    clock, means, skipped = _Clock(total_steps, training.counters), _Means.of(training.counters), 0
    while True:
        if until is None and _report_is_due(training, host, total_steps):
            speed, scores = clock.read(training), _evaluate(training, host)
            if training.counters.step == total_steps and training.datasets.test is not None:
                scores |= _evaluate_test(training, host)
            host.report({**means.result(), **speed, **scores, "bad_images": _bad_count(training)})
            means = _Means()
            clock.go_on()
        if training.counters.step == end:
            return
        shares = clock.wait(batches, len(training.shares))
        burns_in = training.counters.step < training.burn_in
        terms, finite = step(training, forward, shares, total_steps)
        interruption = _advance(training, shares, host.interrupted(training.counters.step + 1))
        if finite and not burns_in:
            means.add(terms)
        skipped = 0 if finite else skipped + 1
        if skipped > config.train.max_skipped_steps:
            raise Diverged(f"the gradients of {skipped} steps in a row, up to step {training.counters.step}, are not "
                           "finite; lower train.learning_rate or method.unsup_weight")
        if training.counters.step % training.steps_per_epoch == 0:
            training.method.after_epoch()
        if interruption is not None:
            _save(training, host, means, clock)
            sum_over_workers([0.0], training.device)  # no worker leaves before the state is written
            raise Interrupted(training.counters.step, stop=interruption is Interruption.STOP)
        # An evaluation may outlast the minutes that are left to a machine.
        if (training.counters.step % host.checkpoint_every == 0 or training.counters.step == end
                or _report_is_due(training, host, total_steps)):
            _save(training, host, means, clock)


def _save(training: Training, host: Host, means: _Means, clock: _Clock) -> None:
    """Save a state that is worth it; an evaluation follows only upon one.

    A huge step from finite gradients may leave weights that are not, and all later steps would be skipped.

    Raises:
        Diverged: on all workers alike.
    """
    weights = [weight.isfinite().all() for weight in training.method.networks.state_dict().values()]
    (broken,) = sum_over_workers([float(not torch.stack(weights).all())], training.device)
    if broken:
        raise Diverged(f"the weights after step {training.counters.step} are not finite; lower train.learning_rate or "
                       "method.unsup_weight")
    seconds, timed = clock.since_report(training.counters.step)
    training.counters = dataclasses.replace(training.counters, sums=means.read(), summed=means.count,
                                            seconds=seconds, timed=timed)
    host.save(training)


def _report_is_due(training: Training, host: Host, total_steps: int) -> bool:
    """Whether an evaluation comes before the next step; a run that was interrupted there still owes it."""
    done = training.counters.step
    interval = training.steps_per_epoch * training.config.eval.every
    return done > max(host.reported_step, training.burn_in) and (done % interval == 0 or done == total_steps)


def _evaluate(training: Training, host: Host) -> Metrics:
    unreadable: list[str] = []
    metrics = evaluate(training.method, training.datasets, training.config, training.device, unreadable, host.keep)
    _after_evaluation(training, unreadable, training.datasets.val, "validation images")
    return {**metrics}


def _evaluate_test(training: Training, host: Host) -> Metrics:
    datasets, unreadable = training.datasets, list[str]()
    assert datasets.test is not None
    metrics = evaluate_test(training.method, datasets, training.config, training.device, unreadable, host.keep)
    _after_evaluation(training, unreadable, datasets.test, "test images")
    return {**metrics}


def _after_evaluation(training: Training, unreadable: list[str], people: PersonTable, kind: str) -> None:
    """Learn again; tell and count the images that cannot be used."""
    training.method.networks.train()
    counters = training.counters
    new = bad_images.settle(unreadable, people, training.config, training.device, kind, counters.bad_val_images)
    training.counters = dataclasses.replace(counters, bad_val_images=(*counters.bad_val_images, *new))


def step(training: Training, forward: Forward, shares: list[dict[str, Rows]], total_steps: int
         ) -> tuple[dict[str, Tensor], bool]:
    """One optimizer step on a worker's shares.

    Returns: the means of the loss terms over the shares, and whether the gradients were finite. If not, nothing has
        changed. After DDP's reduction the gradients are the same on every worker, so all of them skip it together.
    """
    config, counters, optimizer = training.config, training.counters, training.optimizer
    set_rate(optimizer, schedule.learning_rate(counters.step, total_steps, config.train))
    if counters.step == training.burn_in > 0:
        training.method.after_burn_in()
    training.statistics.keep()
    optimizer.zero_grad()
    terms = [_backward(training, forward, rows, last=rows is shares[-1]) for rows in shares]
    learned = [parameter for parameter in training.method.trained.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in learned if parameter.grad is not None])
    finite = bool(norm.isfinite())
    if finite:
        if config.train.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(learned, config.train.clip_norm, norm)
        optimizer.step()
        if counters.step >= training.burn_in:
            training.method.after_step(counters.step - training.burn_in)
    else:
        training.statistics.restore()
    return {name: torch.stack([share[name] for share in terms]).mean(0) for name in terms[0]}, finite


def _backward(training: Training, forward: Forward, rows: dict[str, Rows], last: bool) -> dict[str, Tensor]:
    """The loss terms of a share, whose gradients are added; after the last share the workers average theirs."""
    config, device, step = training.config, training.device, training.counters.step
    labeled = labeled_batch(rows["labeled"], device, config.data.sigma)
    unlabeled = (unlabeled_batch(rows["unlabeled"], device, config.data.sigma,
                                 pseudo=training.method.uses_pseudo_labels) if "unlabeled" in rows else None)
    alone = contextlib.nullcontext if last else getattr(forward, "no_sync", contextlib.nullcontext)
    with alone():
        with torch.autocast(device.type, torch.bfloat16, enabled=_bfloat16(config, device)):
            terms = ({"loss": training.method.burn_in_loss(forward, labeled)} if step < training.burn_in else
                     training.method.losses(forward, labeled, unlabeled, step - training.burn_in,
                                            step // training.steps_per_epoch))
        # A mean over all shares, although DDP takes that over the workers.
        scaled = terms["loss"] * (world_size() / config.train.workers)
        scaled.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    return {name: term.detach() for name, term in terms.items()}


def _advance(training: Training, shares: list[dict[str, Rows]], here: Interruption | None) -> Interruption | None:
    """Count a step and its new bad images on all workers; stop if there are too many.

    Returns: what interrupts the workers, given what this one says; a stop is stronger than a machine that leaves.
    """
    counters = training.counters
    # The folder may lie elsewhere after a resume.
    folder = f"{Path(training.config.data.root)}/"
    new = {path.removeprefix(folder): sentence for rows in shares for columns in rows.values()
           for path, sentence in _bad_rows(columns)}
    for name in counters.bad_images if new else ():
        new.pop(name, None)
    found, *votes = sum_over_workers([float(len(new)), *(float(here is kind) for kind in Interruption)],
                                     training.device)
    training.counters = dataclasses.replace(counters, step=counters.step + 1)
    if found:  # on any worker, and seldom
        _count_bad(training, bad_images.gather_bad(new, training.device))
    return next((kind for kind, vote in zip(Interruption, votes, strict=True) if vote), None)


def _bad_rows(columns: Rows) -> Iterator[tuple[str, str]]:
    """The bad images of a stream's rows, each by its path, and what is wrong with it."""
    return ((json.loads(path), str(sentence))
            for path, sentence in zip(columns["bad_image"], columns["bad"], strict=True) if path)


def _count_bad(training: Training, found: dict[str, str]) -> None:
    """Count images that no step before has found to be bad."""
    counters = training.counters
    training.counters = dataclasses.replace(counters, bad_images=(*counters.bad_images, *found))
    sentences = list(found.values())
    bad_images.tell(sentences)
    bad_images.require_few(len(training.counters.bad_images), training.images_met, training.config, sentences[-1])


def _bad_count(training: Training) -> int:
    """Images that could not be used so far, for training or for validation."""
    return len(training.counters.bad_images) + len(training.counters.bad_val_images)


def _rows_of_shares(training: Training, total_steps: int) -> Iterator[ShareRows]:
    """The rows of the shares that this worker does, in each step that is left."""
    train = training.config.train
    for number in range(training.counters.step, total_steps):
        reads_both = training.method.uses_unlabeled and number >= training.burn_in
        streams = ("labeled", "unlabeled") if reads_both else ("labeled",)
        for share in training.shares:
            yield dict.fromkeys(streams, batch_rows(number, train.batch_size, share, train.workers))


def _bfloat16(config: Config, device: torch.device) -> bool:
    if config.train.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.train.precision == "bfloat16"


class _Means:
    """Means of the terms over an epoch; summed on the device, read with each checkpoint and at the end."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    @staticmethod
    def of(counters: Counters) -> _Means:
        """Those that a checkpoint holds, to be gone on with."""
        means = _Means()
        means.sums = {name: torch.tensor(value) for name, value in counters.sums.items()}
        means.count = counters.summed
        return means

    def add(self, terms: dict[str, Tensor]) -> None:
        self.count += 1
        for name, term in terms.items():
            # Autocast's bfloat16 has 8 bits: a sum of hundreds of terms in it stands still.
            self.sums[name] = self.sums[name].to(term.device) + term if name in self.sums else term.float().clone()

    def read(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.sums.items()}

    def result(self) -> Metrics:
        if not self.sums:  # every step of the epoch was skipped
            return {"loss": None, "peak_confidence": None}
        return {name: value / self.count for name, value in self.read().items()}


class _Clock:
    """Speed, waiting for data, and time left; the speed is that of all steps since the last report."""

    def __init__(self, total_steps: int, counters: Counters) -> None:
        self.total_steps, self.first_step = total_steps, counters.step
        self.began = self.epoch_began = time.monotonic()
        self.waited, self.epoch_step, self.reads = 0.0, counters.step, False
        self.before = counters.seconds, counters.timed

    def wait(self, batches: Iterator[dict[str, Rows]], count: int) -> list[dict[str, Rows]]:
        """The next shares. The wait for the first ones is that for a reader that starts, and is no step's time."""
        began = time.monotonic()
        shares = list(islice(batches, count))
        if self.reads:
            self.waited += time.monotonic() - began
        else:
            self.epoch_began, self.reads = time.monotonic(), True
        return shares

    def go_on(self) -> None:
        """Begin an epoch after an evaluation, whose time is none of its steps'."""
        self.epoch_began = time.monotonic()

    def since_report(self, step: int) -> tuple[float, int]:
        """The seconds of the steps since the last report, and their number."""
        seconds, timed = self.before
        return seconds + time.monotonic() - self.epoch_began, timed + step - self.epoch_step

    def read(self, training: Training) -> Metrics:
        now, done = time.monotonic(), training.counters.step
        seconds, steps = self.since_report(done)
        metrics: Metrics = {"epoch": done // training.steps_per_epoch, "step": done,
                   "learning_rate": training.optimizer.param_groups[0]["lr"],
                   "bad_images": _bad_count(training),
                   "steps_per_second": steps / seconds, "data_wait": self.waited / (now - self.epoch_began),
                   "seconds_left": (now - self.began) / max(1, done - self.first_step) * (self.total_steps - done)}
        self.epoch_step, self.waited, self.before = done, 0.0, (0.0, 0)
        return metrics
