"""The metrics of a run, an evaluation a line: metrics.jsonl, which owns what was reported, and TensorBoard's events."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from jobs.run_folder.layout import METRICS_FILE
from trs.files import write_text

Metrics = dict[str, float]
"""Finite numbers; what could not be measured is left out, and stands in the file as null."""


def read_metrics(folder: Path) -> list[Metrics]:
    """Read the metrics that a run has written so far, oldest first; a line cut short by a crash is left out."""
    return [known(metrics) for metrics in _read(folder)]


def known(metrics: Mapping[str, float | None]) -> Metrics:
    """What was measured."""
    return {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}


def _read(folder: Path) -> list[dict[str, float | None]]:
    found = []
    try:
        lines = (folder / METRICS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            metrics = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "peak_heat" in metrics:  # as it was called in 0.1
            metrics["peak_confidence"] = metrics.pop("peak_heat")
        found.append(metrics)
    return found


def best_step(folder: Path, metric: str) -> int | None:
    """Find the step with a run's highest score so far."""
    scored = [metrics for metrics in read_metrics(folder) if metric in metrics]
    return int(max(scored, key=lambda metrics: metrics[metric])["step"]) if scored else None


class MetricsLog:
    """Appends the metrics of a run's evaluations; lines after the step that the run starts from are cut off.

    reported_step: the last step whose evaluation stands there, 0 before the first.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # only here: drivers read metrics without torch

        self.file = folder / METRICS_FILE
        kept = [metrics for metrics in _read(folder) if (metrics["step"] or 0) <= step]
        write_text(self.file, "".join(json.dumps(metrics) + "\n" for metrics in kept))
        self.reported_step = int(kept[-1]["step"] or 0) if kept else 0
        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=self.reported_step + 1)

    def write(self, metrics: Mapping[str, float | None]) -> None:
        """Append an evaluation's metrics to both."""
        with self.file.open("a") as file:
            file.write(json.dumps(metrics) + "\n")
        self.reported_step = int(metrics["step"] or 0)
        for name, value in known(metrics).items():
            self.events.add_scalar(name, value, self.reported_step)
        self.events.flush()
