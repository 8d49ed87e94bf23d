"""Speed as a ratio: two things measured in turn in one run, so that a busy machine slows both."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import ray
import torch


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


Benchmark = Callable[[int | None], Iterator[Ratio]]
"""Takes the number of rounds, or None for as many as it needs; yields each ratio when it is measured."""


def measure(name: str, target: float, reference: Callable[[], object], ours: Callable[[], object],
            rounds: int) -> Ratio:
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


def main(description: str | None, *benchmarks: Benchmark) -> None:
    """Print a table, a row when it is measured; with `--json FILE` on the command line write it as JSON too."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="of each ratio, both sides in turn; by default as many as it needs, "
                                                   "five at least. One shows that it runs")
    parser.add_argument("--json", type=Path, help="write the table to this file as well")
    options = parser.parse_args()
    print(f"{'reference / ours':<58}{'median':>8}{'range':>16}{'target':>8}", flush=True)
    found = []
    for benchmark in benchmarks:
        for ratio in benchmark(options.rounds):
            found.append(ratio)
            between = f"{ratio.smallest:.2f}-{ratio.largest:.2f}"
            print(f"{ratio.name:<58}{ratio.median:>8.2f}{between:>16}{ratio.target:>8.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "ratios": [asdict(each) for each in found]}, indent=1)
                                + "\n")


def machine() -> dict[str, str | int]:
    """What the numbers depend on."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor())
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)), "threads": torch.get_num_threads(),
            "python": platform.python_version(), "torch": torch.__version__, "ray": ray.__version__,
            "opencv": cv2.__version__}
