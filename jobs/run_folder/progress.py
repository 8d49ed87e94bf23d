"""How far a run is: its progress, what has happened to it, and the same numbers for Prometheus.

    progress.json   the last completed step, rewritten about once a second
    events.txt      restarts with what they cost, damaged checkpoints: sentences that the command prints too
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ray.util.metrics import Counter, Gauge

from jobs.run_folder.layout import EVENTS_FILE, PROGRESS_FILE, append_line, run_name
from jobs.run_folder.metrics import Metrics
from trs.files import is_finite, read_json, write_text

_WRITE_SECONDS = 1.0


@dataclass
class Progress:
    """Kept by rank 0.

    folder: of the run.
    total_steps: of the whole training.
    samples_per_step: images, labeled or not, that all workers together train on in a step.
    require_own: raises where the folder is another command's by now.
    """

    folder: Path
    total_steps: int
    samples_per_step: int
    require_own: Callable[[], object] = lambda: None
    _written: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        tags = {"run": run_name(self.folder)}
        self.gauges = {name: Gauge(f"trs_{name}", description, tuple(tags)) for name, description in {
            "step": "Completed steps.", "samples_per_second": "Images trained on per second.",
            "data_wait": "Share of the time that the training waits for images.",
            "score": "The metric that the run is judged by, after its last evaluation.",
            "bad_images": "Images that could not be used."}.items()}
        self._lost = Counter("trs_lost_steps", "Steps repeated after a restart.", tuple(tags))
        for metric in (*self.gauges.values(), self._lost):
            metric.set_default_tags(tags)

    def began(self, step: int, workers: int, wanted: int) -> None:
        """Note a start; a resumed one says from where, with how many workers, and how many steps are repeated."""
        self.require_own()
        before = read_position(self.folder)
        if before is not None:
            lost = max(0, before.step - step)
            self._lost.inc(lost) if lost else None
            append_line(self.folder / EVENTS_FILE, f"resumed after step {step} with {workers} of {wanted} workers; "
                                                   f"about {lost} steps are repeated")
        self.step(step, now=True)

    def step(self, step: int, now: bool = False) -> None:
        """Note a completed step, about once a second."""
        if not now and time.monotonic() - self._written < _WRITE_SECONDS:
            return
        self._written = time.monotonic()
        with contextlib.suppress(OSError):  # to be seen is not worth the end of a training
            self.require_own()
            write_text(self.folder / PROGRESS_FILE,
                       json.dumps(asdict(Position(step, self.total_steps, time.time()))))
        self.gauges["step"].set(step)

    def evaluated(self, metrics: Metrics, score: str) -> None:
        """Show an evaluation's metrics."""
        self.gauges["samples_per_second"].set(metrics["steps_per_second"] * self.samples_per_step)
        if score in metrics:
            self.gauges["score"].set(metrics[score])
        for name in ("data_wait", "bad_images"):
            self.gauges[name].set(metrics[name])


@dataclass(frozen=True)
class Position:
    """How far a run is.

    step: the last completed one, of `total_steps`.
    time: of writing, in seconds since the epoch.
    """

    step: int
    total_steps: int
    time: float


def read_position(folder: Path) -> Position | None:
    """How far a run is; None before its first start."""
    try:
        found = Position(**read_json(folder / PROGRESS_FILE))
    except (OSError, ValueError, TypeError):
        return None
    whole = all(type(steps) is int and 0 <= steps < 1 << 53 for steps in (found.step, found.total_steps))
    return found if whole and is_finite(found.time) else None
