"""How far a run is: its progress, what has happened to it, and the same numbers for Prometheus.

    progress.json   the last step that was begun, rewritten a few times a second
    events.txt      restarts with what they cost, damaged checkpoints: sentences that the command prints too
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.util.metrics import Counter, Gauge

from jobs.runs import EVENTS_FILE, Metrics, append_line
from trs.config import TrainConfig
from trs.errors import InputError

PROGRESS_FILE = "progress.json"
_WRITE_SECONDS = 0.2


@dataclass
class Progress:
    """Kept by rank 0.

    folder: of the run.
    total_steps: of the whole training.
    samples_per_step: pictures, labelled or not, that all workers together train on in a step.
    """

    folder: Path
    total_steps: int
    samples_per_step: int
    _written: float = field(default=0.0, init=False)
    _began: dict[str, Any] = field(default_factory=dict, init=False)
    _stuck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        tags = {"run": self.folder.name}
        self.gauges = {name: Gauge(f"trs_{name}", description, tuple(tags)) for name, description in {
            "step": "Completed steps.", "samples_per_second": "Pictures trained on per second.",
            "data_wait": "Share of the time that the training waits for pictures.",
            "score": "The metric that the run is judged by, after its last evaluation.",
            "bad_images": "Pictures that could not be used."}.items()}
        self._lost = Counter("trs_lost_steps", "Steps done again after a restart.", tuple(tags))
        for metric in (*self.gauges.values(), self._lost):
            metric.set_default_tags(tags)

    def began(self, step: int, workers: int, train: TrainConfig, start: str) -> None:
        """Note a start of the workers; one that goes on says from where, with how many, and what is done again.

        Args:
            step: of the checkpoint, or 0.
            workers: how many there are.
            train: how many are wanted, and how often they may start from the same checkpoint.
            start: id of the command's start; its first one may go on from anywhere.

        Raises:
            InputError: too many restarts without a step forward.
        """
        before = _read(self.folder)
        if before is not None:
            lost = max(0, before["step"] - step)
            self._lost.inc(lost) if lost else None
            append_line(self.folder / EVENTS_FILE, f"going on after step {step} with {workers} of {train.workers} "
                                                   f"workers; {lost} steps are done again")
        same = before is not None and before["began"] == {"start": start, "step": step, "workers": workers}
        self._began = {"start": start, "step": step, "workers": workers}
        self._stuck = before["stuck"] + 1 if before is not None and same else 0
        self.step(step, now=True)
        if self._stuck > train.max_failures:
            raise InputError(f"the training has failed {self._stuck} times after step {step}, see {EVENTS_FILE} in "
                             f"{self.folder}; mend the cause and go on with --resume, or raise --train.max-failures")

    def step(self, step: int, now: bool = False) -> None:
        """Note a completed step, a few times a second."""
        if not now and time.monotonic() - self._written < _WRITE_SECONDS:
            return
        self._written = time.monotonic()
        partial = self.folder / f"{PROGRESS_FILE}.partial"
        partial.write_text(json.dumps({"step": step, "total_steps": self.total_steps, "time": time.time(),
                                       "began": self._began, "stuck": self._stuck}))
        os.replace(partial, self.folder / PROGRESS_FILE)
        self.gauges["step"].set(step)

    def evaluated(self, metrics: Metrics, score: str) -> None:
        """Show an evaluation's metrics."""
        self.gauges["samples_per_second"].set(metrics["steps_per_second"] * self.samples_per_step)
        self.gauges["score"].set(metrics[score])
        for name in ("data_wait", "bad_images"):
            self.gauges[name].set(metrics[name])


def _read(folder: Path) -> dict[str, Any] | None:
    """What an earlier start of the run has noted."""
    try:
        return json.loads((folder / PROGRESS_FILE).read_text())
    except (OSError, ValueError):
        return None
