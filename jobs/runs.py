"""A run's folder: the config, the split, the metrics and what else is written there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trs import config as configs
from trs.config import Config
from trs.data.datasets import Datasets
from trs.data.split import save_split
from trs.errors import InputError

CONFIG_FILE, SPLIT_FILE, METRICS_FILE = "config.yaml", "split.json", "metrics.jsonl"
BAD_PICTURES_FILE = "bad_pictures.txt"
PROGRESS_FILE = "progress.json"
"""The last completed step, rewritten about once a second."""
EVENTS_FILE = "events.txt"
"""What has happened to a run: restarts and what they cost, checkpoints that were damaged."""
FAILURES_FILE = "failures.txt"
"""Tracebacks of what the workers failed from."""
MISTAKE_FILE = "mistake.txt"
"""What ended a run and would end it again, until the user has changed something."""


Metrics = dict[str, float]


def write_run(config: Config, sets: Datasets, folder: Path) -> None:
    """Write what a run is: config.yaml and split.json; an earlier mistake may have been mended by now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MISTAKE_FILE).unlink(missing_ok=True)
    configs.save(config, folder / CONFIG_FILE)
    save_split(sets.split, folder / SPLIT_FILE)


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


def first_line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return str(error).strip().partition("\n")[0]


def sentence(error: InputError) -> str:
    """A mistake's own words.

    Ray raises a task's error with the task's traceback for its text, and Ray Data adds lines of advice below it.
    """
    return str(getattr(error, "cause", None) or error).partition("\n")[0]


def read_events(folder: Path) -> list[str]:
    """What has happened to a run so far, oldest first."""
    try:
        return (folder / EVENTS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []


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
        return Position(**json.loads((folder / PROGRESS_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def append_line(path: Path, line: str) -> None:
    """Append a line; several workers may write to the same file."""
    with path.open("a") as file:
        file.write(f"{line}\n")
