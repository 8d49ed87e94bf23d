"""What a training says before it starts."""

from __future__ import annotations

from jobs.train import workers_line
from trs.config import TrainConfig


def test_several_workers_are_told_to_change_the_steps_and_not_the_rate() -> None:
    assert workers_line(TrainConfig(workers=8)) == (
        "8 workers: a step has 8 x 32 labeled images, an epoch 1/8 of the steps, at a learning rate of 0.001 as of one "
        "(train.rate_scaling = none)")
    assert workers_line(TrainConfig(workers=4, rate_scaling="root")).endswith(
        "at a learning rate of 0.002, by train.rate_scaling = root")
