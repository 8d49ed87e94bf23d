"""Speed as a ratio: two things measured in turn in one run, so that a busy machine slows both."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ratio:
    """How many times as long `reference` takes as `ours`: median, smallest and largest over the rounds.

    ours, reference: in seconds, or in epochs.
    """

    name: str
    median: float
    smallest: float
    largest: float
    target: float
    ours: float
    reference: float


def measure(name: str, target: float, reference: Callable[[], object], ours: Callable[[], object],
            rounds: int = 7) -> Ratio:
    """The ratio reference / ours, in as many rounds, after one of each to warm up."""
    reference(), ours()
    seconds = [(_seconds(reference), _seconds(ours)) for _ in range(rounds)]
    ratios = [slow / fast for slow, fast in seconds]
    return Ratio(name, statistics.median(ratios), min(ratios), max(ratios), target,
                 statistics.median(fast for _, fast in seconds), statistics.median(slow for slow, _ in seconds))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(ratios: list[Ratio], description: str | None) -> None:
    """Print a table; with `--json FILE` on the command line write it as JSON too."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="write the table to this file as well")
    target = parser.parse_args().json
    print(f"{'reference / ours':<58}{'median':>8}{'range':>16}{'target':>8}")
    for ratio in ratios:
        between = f"{ratio.smallest:.2f}-{ratio.largest:.2f}"
        print(f"{ratio.name:<58}{ratio.median:>8.2f}{between:>16}{ratio.target:>8.2f}")
    if target:
        target.write_text(json.dumps([asdict(ratio) for ratio in ratios], indent=1))
