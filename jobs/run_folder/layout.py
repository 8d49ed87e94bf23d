"""A run's folder: the config, the split, the metrics and what else is written there."""

from __future__ import annotations

from pathlib import Path

from trs import config as configs
from trs.config import Config
from trs.data.datasets import Datasets
from trs.data.split import save_split

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


def write_run(config: Config, sets: Datasets, folder: Path) -> None:
    """Write what a run is: config.yaml and split.json; an earlier mistake may have been mended by now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MISTAKE_FILE).unlink(missing_ok=True)
    configs.save(config, folder / CONFIG_FILE)
    save_split(sets.split, folder / SPLIT_FILE)


def read_events(folder: Path) -> list[str]:
    """What has happened to a run so far, oldest first."""
    try:
        return (folder / EVENTS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []


def append_line(path: Path, line: str) -> None:
    """Append a line; several workers may write to the same file."""
    with path.open("a") as file:
        file.write(f"{line}\n")
