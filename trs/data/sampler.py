"""The order of the samples, as a pure function of the seed.

A stream is endless: its row number r belongs to pass r // N, which is a permutation of the N people keyed by the seed
and the pass. So whoever asks for row r, any worker on any node and any time after a restart, gets the same person, and
each person comes exactly once a pass. Which rows a step takes is a function of the step.
"""

from __future__ import annotations

import functools

import numpy as np


def person_at(row: int, count: int, seed: int) -> tuple[int, int]:
    """The pass that a row of the stream belongs to, and which of the `count` people it is."""
    pass_index, position = divmod(row, count)
    return pass_index, int(_permutation(count, seed, pass_index)[position])


@functools.lru_cache(maxsize=8)
def _permutation(count: int, seed: int, pass_index: int) -> np.ndarray:
    return np.random.default_rng([seed, pass_index]).permutation(count)


def batch_rows(step: int, batch_size: int, share: int = 0, shares: int = 1) -> range:
    """The rows of the stream in one of the shares of a step, which counts from 0."""
    first = (step * shares + share) * batch_size
    return range(first, first + batch_size)
