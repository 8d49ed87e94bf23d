"""A run's folder: the name of each file in it, and what says which run it is.

    config.yaml          the training and its machines, see `jobs.config`
    split.json           which people are labeled, see `trs.data.split`
    metrics.jsonl        the metrics of each evaluation, a line each; beside it tensorboard/
    checkpoint_STEP/     the whole state after a step, see `trs.checkpoint`
    predictions/         the poses of the last evaluation in COCO's result format, see `trs.evaluation.results`
    progress.json        the last completed step, rewritten about once a second
    events.txt           what has happened to the run: restarts and what they cost, damaged checkpoints
    failures.txt         tracebacks of what the workers failed from
    mistake.txt          what ended the run and would end it again, until the user has changed something
    bad_images.txt       images that cannot be used, and why
    first_stage/         the run of a method's first stage; with it pseudo_labels.npz
    stop                 there while the run is asked to save and end
"""

from __future__ import annotations

from pathlib import Path

from jobs import config as jobs_config
from jobs.config import Job
from trs.data.split import Split, save_split
from trs.files import leftovers

CONFIG_FILE, SPLIT_FILE, METRICS_FILE = "config.yaml", "split.json", "metrics.jsonl"
BAD_IMAGES_FILE = "bad_images.txt"
PROGRESS_FILE, EVENTS_FILE = "progress.json", "events.txt"
FAILURES_FILE, MISTAKE_FILE = "failures.txt", "mistake.txt"
FIRST_STAGE, STOP_FILE = "first_stage", "stop"


def write_run(job: Job, split: Split, folder: Path) -> None:
    """Write what a run is: config.yaml and split.json; an earlier mistake may have been mended by now."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG_FILE, SPLIT_FILE, METRICS_FILE, PROGRESS_FILE, MISTAKE_FILE):
        for left in leftovers(folder / name):  # of an earlier start that was killed
            left.unlink(missing_ok=True)
    (folder / MISTAKE_FILE).unlink(missing_ok=True)
    jobs_config.save(job, folder / CONFIG_FILE)
    save_split(split, folder / SPLIT_FILE)


def read_events(folder: Path) -> list[str]:
    """Read what has happened to a run so far, oldest first."""
    try:
        return (folder / EVENTS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []


def append_line(path: Path, line: str) -> None:
    """Append a line; several workers may write to the same file."""
    with path.open("a") as file:
        file.write(f"{line}\n")
