"""Learning rate, loss ramp-up and EMA momentum as functions of the step, which counts from 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trs.config import TrainConfig, Warmup
from trs.errors import InputError


def peak_rate(train: TrainConfig) -> float:
    """The highest learning rate of a training with its workers."""
    return train.learning_rate * math.pow(train.workers, {"none": 0, "root": 0.5, "linear": 1}[train.rate_scaling])


def of_workers(train: TrainConfig) -> list[str]:
    """What several workers change, in a sentence: a learning rate that is right for one may not be so for them."""
    if train.workers == 1:
        return []
    count, of_one = train.workers, " of one" if train.rate_scaling == "none" else ""
    return [f"{count} workers take 1/{count} of the steps, each of {count} x {train.batch_size} labeled images, at the "
            f"learning rate{of_one}, {peak_rate(train):.3g} (train.rate_scaling is {train.rate_scaling})"]


def steps_per_epoch(labeled: int, unlabeled: int, train: TrainConfig) -> int:
    """Steps of an epoch, which passes over the larger of the two datasets, given how many people each has."""
    return math.ceil(max(labeled, unlabeled) / (train.batch_size * train.workers))


def require_after_burn_in(train: TrainConfig, labeled: int, unlabeled: int) -> None:
    """Check that a training which learns from unlabeled images comes to them, given how many people there are.

    Raises:
        InputError: the burn-in takes all steps.
    """
    total = train.epochs * steps_per_epoch(labeled, unlabeled, train)
    if train.burn_in >= total:
        raise InputError(f"train.burn_in takes all {total} steps of the run, and leaves none for unlabeled images; "
                         "lower it, or raise train.epochs")


def learning_rate(step: int, total_steps: int, train: TrainConfig) -> float:
    """The rate of a step: after a linear warm-up from 0 it falls by steps, or as half a cosine (`train.schedule`)."""
    warmup = min(1.0, (step + 1) / train.warmup_steps) if train.warmup_steps else 1.0
    fall = half_cosine(step, total_steps) if train.schedule == "cosine" else drops(step, total_steps, train.lr_drops)
    return peak_rate(train) * warmup * fall


def drops(step: int, total_steps: int, shares: Sequence[float]) -> float:
    """1, divided by 10 after each of these shares of the run."""
    # The shares come from epochs (50 of 70), so a step that is whole up to rounding must count as reached.
    return 0.1 ** sum(step + 1e-6 >= share * total_steps for share in shares)


def half_cosine(step: int, total_steps: int) -> float:
    """1 at the first step, 1/2 in the middle of the run, 0 at its end (Loshchilov and Hutter, SGDR, ICLR 2017)."""
    return (1 + math.cos(math.pi * step / total_steps)) / 2


def ramp_up(step: int, length: int) -> float:
    """A weight that rises linearly from 0 at the first step to 1 at step `length`."""
    return min(1.0, step / length) if length else 1.0


def ema_momentum(step: int, limit: float, warmup: Warmup = "tenth") -> float:
    """The momentum of a moving average, which must not remember for long what it has hardly begun to learn.

    Args:
        step: t, from 0.
        limit: the momentum after the warm-up, alpha or beta of Eq. 7.
        warmup: "tenth" is min((1+t)/(10+t), limit), an average over the last tenth of the run so far; 0.999 is reached
            after 9,000 steps. "mean" is min(1 - 1/(t+1), limit), the plain mean of all weights so far, the random ones
            among them: it reaches 0.999 after 1,000 steps, and until then lags behind by half of the run.
    """
    young = (1 + step) / (10 + step) if warmup == "tenth" else 1.0 - 1.0 / (step + 1)
    return min(young, limit)
