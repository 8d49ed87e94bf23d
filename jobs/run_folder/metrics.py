"""The metrics of a run, an evaluation a line: metrics.jsonl, which owns what was reported, and TensorBoard's events."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from jobs.run_folder.layout import METRICS_FILE
from trs.files import Unreadable, is_finite, parse_json, read_bytes, write_text

Metrics = dict[str, float]
"""Finite numbers; what could not be measured is left out, and stands in the file as null."""


def read_metrics(folder: Path) -> list[Metrics]:
    """Read the metrics that a run has written so far, oldest first; lines that are no record are left out."""
    return [known(metrics) for metrics in _read(folder)]


def metrics_fault(folder: Path) -> str | None:
    """What is wrong with the metrics that a run has written; None if nothing is, or if there are none yet."""
    try:
        *lines, rest = _lines(folder)
    except Unreadable as error:
        return f"it {error.strerror}"
    foreign = sum(_record(line) is None for line in lines)
    said = [f"{foreign:,} of its lines, of {len(lines):,}, hold no record of metrics"] if foreign else []
    cut = ["its last line is cut short"] if rest and _record(rest) is None else []
    return " and ".join([*said, *cut]) or None


def known(metrics: Mapping[str, float | None]) -> Metrics:
    """What was measured; a share that is none was not."""
    return {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)
            and (0 <= value <= 1 or not _is_score(name))}


def _is_score(name: str) -> bool:
    """Whether a metric is a share of what is right: ap, ap50_a, ar_medium, head_pckh."""
    return not {"ap", "ar", "pck", "pckh"}.isdisjoint(part.rstrip("0123456789") for part in name.split("_"))


def _read(folder: Path) -> list[dict[str, float | None]]:
    try:
        lines = _lines(folder)
    except Unreadable:
        return []
    return [metrics for line in lines if (metrics := _record(line)) is not None]


def _lines(folder: Path) -> list[bytes]:
    """The lines of the file, and what stands behind the last; raises Unreadable if it is none."""
    try:
        return read_bytes(folder / METRICS_FILE).split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return [b""]


def _record(line: bytes) -> dict[str, float | None] | None:
    """Read the metrics of a line; None where it is cut short, or was never written by a run."""
    try:
        metrics = parse_json(line)
    except ValueError:
        return None
    if not isinstance(metrics, dict) or not all(_is_count(metrics.get(name)) for name in ("step", "epoch")):
        return None
    if not all(name.isprintable() and (value is None or isinstance(value, float) or is_finite(value))
               for name, value in metrics.items()):
        return None
    if "peak_heat" in metrics:  # as it was called in 0.1
        metrics["peak_confidence"] = metrics.pop("peak_heat")
    return metrics


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and is_finite(value) and 0 <= value < 1 << 53 and value == int(value)


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
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        self.reported_step = int(metrics["step"] or 0)
        for name, value in known(metrics).items():
            self.events.add_scalar(name, value, self.reported_step)
        self.events.flush()
