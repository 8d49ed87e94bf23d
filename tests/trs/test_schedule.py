import math
from typing import Literal

import pytest

from trs.config import TrainConfig
from trs.schedule import ema_momentum, learning_rate, of_workers, peak_rate, ramp_up


def rate(step: int, total_steps: int, base: float, drops: tuple[float, ...] = (), warmup: int = 0,
         schedule: str = "drops") -> float:
    return learning_rate(step, total_steps, TrainConfig(learning_rate=base, lr_drops=drops, warmup_steps=warmup,
                                                        schedule=schedule))


def test_learning_rate_falls_tenfold_at_each_share() -> None:
    rates = [rate(step, 100, 1e-3, (0.7, 0.9)) for step in range(100)]
    assert rates[:70] == pytest.approx([1e-3] * 70)
    assert rates[70:90] == pytest.approx([1e-4] * 20)
    assert rates[90:] == pytest.approx([1e-5] * 10)


def test_learning_rate_drops_at_whole_epochs_in_spite_of_rounding() -> None:
    # 50 of 70 epochs of 4650 steps is step 232500, which the share 50/70 only reaches up to rounding.
    assert rate(50 * 4650, 70 * 4650, 1.0, (50 / 70,)) == pytest.approx(0.1)
    assert rate(50 * 4650 - 1, 70 * 4650, 1.0, (50 / 70,)) == 1.0


def test_warmup_rises_to_the_base_rate() -> None:
    assert [rate(step, 100, 1.0, (), 4) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_cosine_falls_from_the_base_rate_to_nothing() -> None:
    rates = [rate(step, 100, 2.0, (0.5,), 4, "cosine") for step in range(101)]
    assert rates[4:] == pytest.approx([1 + math.cos(math.pi * step / 100) for step in range(4, 101)])
    assert rates[0] == pytest.approx(0.5) and rates[50] == pytest.approx(1.0) and rates[100] == pytest.approx(0.0)


def test_ramp_up() -> None:
    assert [ramp_up(step, 4) for step in (0, 1, 4, 9)] == [0, 0.25, 1, 1]
    assert ramp_up(0, 0) == 1


def test_a_young_average_remembers_a_tenth_of_the_run() -> None:
    assert ema_momentum(0, 0.999) == 0.1
    for step in (100, 1000, 8000):
        weights = [1.0]
        for t in range(step + 1):  # what each step's weights are in the average
            momentum = ema_momentum(t, 0.9999)
            weights = [momentum * weight for weight in weights] + [1 - momentum]
        age = sum(weight * (step + 1 - t) for t, weight in enumerate(weights))
        assert age == pytest.approx(step / 10, rel=0.15)
    assert ema_momentum(8989, 0.999) < 0.999 == ema_momentum(8990, 0.999)


def test_the_mean_of_0_1_starts_as_a_copy_and_is_that_of_all_weights() -> None:
    average = 0.0
    for step in range(998):
        momentum = ema_momentum(step, 0.999, "mean")
        average = momentum * average + (1 - momentum) * step
        assert average == pytest.approx(step / 2)
    assert ema_momentum(998, 0.999, "mean") < 0.999 == ema_momentum(1000, 0.999, "mean")


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1.0), ("root", 2.0), ("linear", 4.0)])
def test_the_rate_follows_the_workers_as_asked_for(scaling: Literal["none", "root", "linear"], factor: float) -> None:
    for workers, times in ((1, 1.0), (4, factor)):
        train = TrainConfig(workers=workers, rate_scaling=scaling, warmup_steps=10)
        one = TrainConfig(rate_scaling=scaling, warmup_steps=10)
        assert peak_rate(train) == pytest.approx(times * train.learning_rate)
        for step in (0, 5, 50, 75, 95):
            assert learning_rate(step, 100, train) == pytest.approx(times * learning_rate(step, 100, one))


def test_several_workers_are_told_to_change_the_steps_and_not_the_rate() -> None:
    assert of_workers(TrainConfig()) == []
    assert of_workers(TrainConfig(workers=8)) == [
        "8 workers take 1/8 of the steps, each of 8 x 32 labeled images, at the learning rate of one, 0.001 "
        "(train.rate_scaling is none)"]
    (said,) = of_workers(TrainConfig(workers=4, rate_scaling="root"))
    assert said.endswith("at the learning rate, 0.002 (train.rate_scaling is root)")
