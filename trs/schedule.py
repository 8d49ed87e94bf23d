"""Learning rate, loss ramp-up and EMA momentum as functions of the step, which counts from 0."""

from __future__ import annotations

from collections.abc import Sequence


def learning_rate(step: int, total_steps: int, base: float, drops: Sequence[float], warmup_steps: int = 0) -> float:
    """The base rate, divided by 10 after each share of the run in `drops`, after a linear warm-up from 0."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    # The shares come from epochs (50 of 70), so a step that is whole up to rounding must count as reached.
    passed = sum(step + 1e-6 >= share * total_steps for share in drops)
    return base * warmup * 0.1**passed


def ramp_up(step: int, length: int) -> float:
    """A weight that rises linearly from 0 at the first step to 1 at step `length`."""
    return min(1.0, step / length) if length else 1.0


def ema_momentum(step: int, limit: float) -> float:
    """min(1 - 1/(t+1), limit): the first average is a copy, early ones are plain means, later ones exponential.

    It reaches a limit of 0.999 after 1,000 steps; (1+t)/(10+t), another common warm-up, would need 9,000.
    """
    return min(1.0 - 1.0 / (step + 1), limit)
