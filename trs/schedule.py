"""Learning rate, loss ramp-up and EMA momentum as functions of the step, which counts from 0."""

from __future__ import annotations

from collections.abc import Sequence

from trs.config import Warmup


def learning_rate(step: int, total_steps: int, base: float, drops: Sequence[float], warmup_steps: int = 0) -> float:
    """The base rate, divided by 10 after each share of the run in `drops`, after a linear warm-up from 0."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    # The shares come from epochs (50 of 70), so a step that is whole up to rounding must count as reached.
    passed = sum(step + 1e-6 >= share * total_steps for share in drops)
    return base * warmup * 0.1**passed


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
