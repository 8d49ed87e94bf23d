"""The lines that a person follows while a training runs, in a terminal, a log file or a job's log."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.run_folder.layout import BAD_IMAGES_FILE, read_events
from jobs.run_folder.metrics import Metrics, read_metrics
from jobs.run_folder.progress import Position, read_position
from jobs.run_folder.silence import SILENCE_SECONDS
from trs.config import Config
from trs.evaluation.protocol import METRIC_NAMES

_OF_SIZES = ("ap_medium", "ap_large")
"""Scores of people of a size, whose names look like those of networks."""


@contextlib.contextmanager
def print_progress(folder: Path, config: Config, prefix: str = "") -> Iterator[None]:
    """Print a line, behind a prefix, for each epoch and each event of a run while the context lasts.

    The run's files are read rather than the workers' output, which Ray would prefix with process ids and mix with its
    own.
    """
    ended = threading.Event()
    epochs_printed, events_printed = len(read_metrics(folder)), len(read_events(folder))

    def watch() -> None:
        nonlocal epochs_printed, events_printed
        while True:
            last = ended.wait(0.5)
            lines = read_events(folder)[events_printed:]
            events_printed += len(lines)
            epochs = read_metrics(folder)[epochs_printed:]
            epochs_printed += len(epochs)
            lines += [epoch_line(metrics, config.train.epochs, config.eval.metric) for metrics in epochs]
            for line in lines:
                print(prefix + line, flush=True)
            if last:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


@dataclass
class Pace:
    """How far a run is, and how fast it has come since it was last looked at.

    folder: of the run.
    """

    folder: Path
    began: float = field(default_factory=time.time)
    before: Position | None = None

    def look(self) -> tuple[str, bool]:
        """A line, and whether the run goes on, rather than waits or hangs."""
        before, now = self.before, read_position(self.folder)
        if now is None or now.time < self.began:  # its workers have not begun, or not again
            return f"no step yet, {duration(time.time() - self.began)} after the start", False
        self.before = now
        return step_line(before, now), time.time() - now.time < SILENCE_SECONDS / 2


def step_line(before: Position | None, now: Position) -> str:
    """Say how far a run is, and how fast it has come from an earlier position."""
    line = f"step {now.step:,} of {now.total_steps:,}"
    if before is not None and now.step > before.step:
        speed = (now.step - before.step) / max(now.time - before.time, 1e-6)
        return f"{line}  {speed:.1f} steps/s  {duration((now.total_steps - now.step) / speed)} left"
    silent = time.time() - now.time
    return line if silent < SILENCE_SECONDS / 2 else f"{line}, the last one {duration(silent)} ago"


def epoch_line(metrics: Metrics, epochs: int, metric: str = "ap") -> str:
    """Tell an epoch in a line: the metric of the peers' mean, of each network, loss, warnings, time left."""
    networks = "  ".join(f"{name.removeprefix(f'{metric}_')} {value:.3f}" for name, value in metrics.items()
                         if name.startswith(f"{metric}_") and name not in _OF_SIZES)
    line = (f"epoch {metrics['epoch']:.0f}/{epochs}  {METRIC_NAMES[metric]} {_shown(metrics, metric, 3)}  "
            f"({networks})  loss {_shown(metrics, 'loss', 4)}  {_shown(metrics, 'steps_per_second', 1)} steps/s  "
            f"{duration(metrics.get('seconds_left', 0.0))} left")
    if metrics.get("bad_images"):
        line += f"  {metrics['bad_images']:.0f} bad images, see {BAD_IMAGES_FILE}"
    warning = confidence_warning(metrics)
    return f"{line}  WARNING: {warning}" if warning else line


def _shown(metrics: Metrics, name: str, digits: int) -> str:
    return f"{metrics[name]:.{digits}f}" if name in metrics else "-"


def confidence_warning(metrics: Metrics) -> str | None:
    """Say what is wrong if the networks' mean peak confidence is not that of healthy ones.

    Above 1.2 the peers raise each other's confidence; below 0.1, after the first epochs, their heatmaps are flat.
    """
    confidence = metrics.get("peak_confidence")
    if confidence is None:  # every step since the last evaluation was skipped
        return "no step was taken, its gradients were not finite"
    if confidence > 1.2:
        return f"the mean peak confidence has risen to {confidence:.2f}, the consistency loss blows up"
    if confidence < 0.1 and metrics["epoch"] > 3:
        return f"the mean peak confidence has fallen to {confidence:.2f}, the heatmaps have collapsed"
    return None


def duration(seconds: float) -> str:
    """Write seconds for people: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
