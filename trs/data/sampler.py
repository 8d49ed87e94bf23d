"""The order of the samples, as a pure function."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=8)
def _permutation(count: int, seed: int, pass_index: int) -> np.ndarray:
    return np.random.default_rng([seed, pass_index]).permutation(count)


def batch_rows(step: int, batch_size: int, share: int = 0, shares: int = 1, start: int = 0) -> range:
    """The rows of the stream in a share of a step, counted from row `start` at step 0."""
    first = start + (step * shares + share) * batch_size
    return range(first, first + batch_size)
