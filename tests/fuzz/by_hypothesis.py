"""Cases that hypothesis draws: other ones than a seed's, with a liking for extremes, and shrunk where they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target


@dataclass
class Counts:
    """What has come of the cases."""

    accepted: int = 0
    refused: int = 0


def examples(target: Target, cases: int, counts: Counts, first: int) -> Callable[[], None]:
    """What checks so many cases when it is called, the same ones each time, and none from a run before."""
    @seed(first)
    @settings(max_examples=cases, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(random: Random) -> None:
        accepted = target.check(random)
        counts.accepted, counts.refused = counts.accepted + accepted, counts.refused + (not accepted)

    return check
