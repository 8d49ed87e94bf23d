"""How sure a gain is: a paired bootstrap over the images that it was measured on and the seeds it was trained with.

Legend: n images, R draws; counts [R, n] say how often each draw has each image.

The images are drawn with replacement, for both sides and all seeds the same (Efron and Tibshirani 1993, chapter 8). A
handful of seeds drawn from themselves would say too little of how far others may be off (Hesterberg 2015, "What
Teachers Should Know About the Bootstrap", 4.4): what they add is Student's t. Images and seeds are off independently of
each other, so the two are added as the legs of a right triangle are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from trs.evaluation.coco_eval import Matches

Score = Callable[[np.ndarray], np.ndarray]
"""From counts to [R] scores."""
_RECALLS = np.linspace(0, 1, 101)
"""COCO's."""
DRAWS, LEVEL = 1000, 0.95


@dataclass(frozen=True)
class Gain:
    """What one kind of training scores more than another.

    mean: over the seeds.
    spread: standard deviation of the seeds' gains; None for a single seed.
    low, high: its interval at the level 0.95; of a single seed, that of other images alone.
    seeds: N.
    """

    mean: float
    spread: float | None
    low: float
    high: float
    seeds: int

    @property
    def is_shown(self) -> bool:
        """Whether the interval has no zero in it; one seed shows nothing of others."""
        return self.seeds > 1 and (self.low > 0 or self.high < 0)

    @property
    def doubt(self) -> str:
        """What is said behind a gain that is not shown."""
        return "" if self.is_shown else ", no difference shown" + " by one seed" * (self.seeds == 1)

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ± {self.spread:.3f}"
        return f"{self.mean:+.3f}{spread} [{self.low:+.3f}, {self.high:+.3f}]{self.doubt}"


def paired_gain(ours: Sequence[Score], theirs: Sequence[Score], images: int, seed: int = 0) -> Gain:
    """The gain of N trainings over N others of the same seeds, measured on the same images.

    Args:
        ours: of each seed.
        theirs: of each seed, in the same order.
        images: n.
        seed: of the draws.
    """
    count, generator = len(ours), np.random.default_rng(seed)
    everybody = np.ones((1, images))
    gains = np.array([(our(everybody) - their(everybody))[0] for our, their in zip(ours, theirs, strict=True)])
    drawn_images = generator.multinomial(images, np.full(images, 1 / images), size=DRAWS)
    drawn = np.mean([our(drawn_images) - their(drawn_images) for our, their in zip(ours, theirs, strict=True)], axis=0)
    mean, spread, tail = float(gains.mean()), float(gains.std(ddof=1)) if count > 1 else None, (1 - LEVEL) / 2
    of_seeds = 0.0 if spread is None else stats.t.ppf(1 - tail, count - 1) * spread / math.sqrt(count)
    below, above = np.abs(np.quantile(drawn, [tail, 1 - tail]) - mean)
    return Gain(mean, spread, mean - math.hypot(below, of_seeds), mean + math.hypot(above, of_seeds), count)


def average_precision(matches: Matches) -> Score:
    """COCO's AP over its ten thresholds, of people of any size."""
    def score(counts: np.ndarray) -> np.ndarray:
        return np.array([_average_precision(matches, one) for one in counts])

    return score


def _average_precision(matches: Matches, counts: np.ndarray) -> float:
    """For one draw. Copies of a pose follow one another: that changes no precision at the recalls that count."""
    people = float(counts @ matches.people)
    if people == 0:
        return 0.0
    times = counts[matches.images] * ~matches.ignored
    right, wrong = np.cumsum(times * matches.right, axis=1), np.cumsum(times * ~matches.right, axis=1)
    precision = right / np.maximum(right + wrong, np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.pad(envelope, ((0, 0), (0, 1)))  # beyond the last recall there is none
    return float(np.mean([of_one[np.searchsorted(recall, _RECALLS, side="left")]
                          for of_one, recall in zip(envelope, right / people, strict=True)]))


def share(correct: np.ndarray, labeled: np.ndarray) -> Score:
    """PCK and PCKh: the share of the labeled keypoints that are right.

    Args:
        correct: [n] keypoints of each image that are.
        labeled: [n] of all.
    """
    return lambda counts: (counts @ correct) / np.maximum(counts @ labeled, 1)


def mean_of(scores: Sequence[Score]) -> Score:
    """The mean over several networks, as the peers' is."""
    return lambda counts: np.mean([score(counts) for score in scores], axis=0)
