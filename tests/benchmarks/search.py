"""TPE and successive halving against random search, to the same score: `python -m tests.benchmarks.search`.

The searcher and the pruner are those of `run_tune.py`; what they search is a surrogate, a formula in the place of a
training, since a hundred searches of real trainings would take weeks. Its mix counts cost what the paper's Table VIII
says; what the other settings cost is made up. What is counted are epochs trained until a whole trial is among the best
of the space. How much the settings that are good in the end are slow at first decides what stopping early can save, so
there is a row for three answers to that.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna

from jobs.config import Job
from tests.benchmarks.ratios import Ratio, main
from trs.config import Config, TrainConfig
from tune.plan import Plan, Search
from tune.space import Values, parse_space
from tune.storage import open_study
from tune.study import StudySearcher

SPACE = parse_space(["method.ema_momentum=0.9,0.97,0.99,0.997,0.999,0.9995", "method.unsup_weight=0.1..10:log",
                     "method.mix_count=0..9", "train.learning_rate=1e-4..1e-1:log"])
EPOCHS, GRACE, FACTOR, CONCURRENT = 16, 4, 2, 4
ROUNDS, SEEDS = 5, 16
BEST = 50.9
NOISE = 0.2
"""Standard deviation of a measured score; repeats of a training on LSPET differ by so many AP."""
AMONG = 50
"""The score to reach is that of one in so many configurations: random search trains so many on average."""
CROSSINGS = {"curves that never cross": 0.0, "curves that cross": 0.5, "slow starters that end best": 1.0}
"""Epochs by which a curve's time constant grows with each factor of ten, down in learning rate or up in loss weight."""

Score = Callable[[Values, int, np.random.Generator], float]
"""A trial's measured score after an epoch."""


def final_score(values: Values) -> float:
    """What a whole training would come to, without noise: the paper's 50.9 AP, less what each setting costs."""
    momentum = {0.9: 4.0, 0.97: 2.0, 0.99: 0.8, 0.997: 0.2, 0.999: 0.0, 0.9995: 0.2}[values["method.ema_momentum"]]
    mix = float(np.interp(values["method.mix_count"], [0, 3, 5, 7, 9], [2.5, 0.7, 0.0, 0.9, 1.1]))
    weight = 3 * math.log10(values["method.unsup_weight"] / 1.5) ** 2
    rate = 6 * math.log10(values["train.learning_rate"] / 2e-3) ** 2
    return max(0.0, BEST - momentum - mix - weight - rate)


def score(crossing: float) -> Score:
    """The score after an epoch: with a low learning rate and a high loss weight it comes later to its end."""
    def measured(values: Values, epoch: int, generator: np.random.Generator) -> float:
        late = math.log10(values["method.unsup_weight"]) - math.log10(values["train.learning_rate"] / 2e-3)
        risen = 1 - math.exp(-epoch / max(1.0, 3 + crossing * late))
        return final_score(values) * risen + NOISE * generator.standard_normal()

    return measured


def search_epochs(target: float, seed: int, pruner: optuna.pruners.BasePruner, measured: Score) -> int:
    """Epochs of all trials, some at a time, until a whole one reaches the target."""
    config = Config(train=TrainConfig(seed=seed, epochs=EPOCHS))
    searcher = StudySearcher(optuna.create_study(direction="maximize", pruner=pruner),
                             Search(Path("no folder"), Job(config), Plan(trials=10**6, reference=False), SPACE))
    generator, names = np.random.default_rng(seed), map(str, itertools.count())
    running = {name: [searcher.suggest(name)["values"], 0] for name in itertools.islice(names, CONCURRENT)}
    for spent in itertools.count(1):
        name = min(running, key=lambda name: running[name][1])  # they all advance alike
        values, epoch = running.pop(name)
        ended = searcher.should_prune(name, epoch + 1, measured(values, epoch + 1, generator))
        if not ended and epoch + 1 < EPOCHS:
            running[name] = [values, epoch + 1]
            continue
        searcher.on_trial_complete(name)
        if not ended and final_score(values) >= target:
            return spent
        name = next(names)
        running[name] = [searcher.suggest(name)["values"], 0]
    raise AssertionError("a search that never ends")


def searching(rounds: int | None) -> Iterator[Ratio]:
    """The expected epochs of random search, by the mean of a round's seeds; the median of the rounds."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    target = float(np.quantile([final_score(draws.ask(SPACE).params) for _ in range(5000)], 1 - 1 / AMONG))
    with TemporaryDirectory() as folder:
        pruner = open_study(Path(folder), GRACE, FACTOR).pruner
    for name, crossing in CROSSINGS.items():
        ours = [statistics.mean(search_epochs(target, seed, pruner, score(crossing))
                                for seed in range(number * SEEDS, (number + 1) * SEEDS))
                for number in range(rounds or ROUNDS)]
        ratios = [EPOCHS * AMONG / epochs for epochs in ours]
        yield Ratio(f"random search: {name}", statistics.median(ratios), min(ratios), max(ratios), 3.0,
                    statistics.median(ours), EPOCHS * AMONG)


if __name__ == "__main__":
    main(__doc__, searching)
