"""What a run leaves behind to look at: metrics.jsonl, TensorBoard events; and the lines that a person follows."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from trs.loop import Metrics

METRICS_FILE = "metrics.jsonl"


class RunLog:
    """Writes metrics into a run's folder; after a restart it goes on after the step that was restored."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self.file = folder / METRICS_FILE
        kept = [metrics for metrics in read_metrics(folder) if metrics["step"] <= first_step]
        partial = self.file.with_suffix(".partial")
        partial.write_text("".join(json.dumps(metrics) + "\n" for metrics in kept))
        os.replace(partial, self.file)
        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)

    def write(self, metrics: Metrics) -> None:
        """Append an epoch's metrics to both."""
        with self.file.open("a") as file:
            file.write(json.dumps(metrics) + "\n")
        for name, value in metrics.items():
            self.events.add_scalar(name, value, int(metrics["step"]))
        self.events.flush()


def read_metrics(folder: Path) -> list[Metrics]:
    """The metrics that a run has written so far, oldest first; a line cut short by a crash is left out."""
    found = []
    try:
        lines = (folder / METRICS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


@contextlib.contextmanager
def follow(folder: Path, epochs: int) -> Iterator[None]:
    """Print a line for each epoch that the run writes while the context lasts.

    The file is read rather than the workers' output, which Ray would prefix with process ids and mix with its own.
    """
    ended = threading.Event()

    def watch() -> None:
        shown = len(read_metrics(folder))
        while True:
            last = ended.wait(0.5)
            for metrics in read_metrics(folder)[shown:]:
                shown += 1
                print(epoch_line(metrics, epochs), flush=True)
            if last:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def epoch_line(metrics: Metrics, epochs: int) -> str:
    """One epoch in a line: AP of the peers' mean, of each network, loss, warnings, time left."""
    networks = "  ".join(f"{name.removeprefix('ap_')} {value:.3f}" for name, value in metrics.items()
                         if name.startswith("ap_"))
    line = (f"epoch {metrics['epoch']:.0f}/{epochs}  AP {metrics['ap']:.3f}  ({networks})  loss {metrics['loss']:.4f}  "
            f"{metrics['steps_per_second']:.1f} steps/s  {duration(metrics['seconds_left'])} left")
    # A healthy network's mean peak lies between: above, the peers raise each other's heat; below, they have gone flat.
    if metrics["peak_heat"] > 1.2:
        line += f"  WARNING: the mean peak heat is {metrics['peak_heat']:.2f}, the consistency loss is blowing up"
    if metrics["peak_heat"] < 0.1 and metrics["epoch"] > 3:
        line += f"  WARNING: the mean peak heat is {metrics['peak_heat']:.2f}, the heatmaps have collapsed"
    return line


def duration(seconds: float) -> str:
    """Seconds for people: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
