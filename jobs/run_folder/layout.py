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
    bad_images.txt       images that cannot be used, and why, a line each
    first_stage/         the run of a method's first stage; with it pseudo_labels.npz
    suggestion.json      in a search: what the worker has trained, see `jobs.run_folder.suggestion`
    output.txt           what was printed when nobody took the command's output any more, see `jobs.run_folder.output`
    lease.json           the command that holds the folder, see `jobs.run_folder.lease`
    stop                 there while the run is asked to save and end
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from jobs import config as jobs_config
from jobs.config import Job
from trs.data.split import Split, save_split
from trs.files import Unreadable, leftovers, read_bytes

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


def run_name(folder: Path) -> str:
    """How a run is called where the runs of a whole cluster are seen: with the search or the run that it lies in.

    Args:
        folder: of the run, absolute.

    Returns: the end of the folder's path, such as `NAME`, or `NAME/trials/0003` for a trial.
    """
    above = [folder, *folder.parents[:3]]
    outermost = max(number for number, each in enumerate(above) if number == 0 or (each / CONFIG_FILE).is_file())
    return folder.relative_to(above[outermost].parent).as_posix()


def with_threads_of(folder: Path, job: Job) -> Job:
    """The job with the threads that the run in a folder has begun with, if one has: others give other last bits."""
    file = folder / CONFIG_FILE
    begun = jobs_config.load(file).cluster.threads if file.exists() else None
    return job if begun is None else dataclasses.replace(job, cluster=dataclasses.replace(job.cluster, threads=begun))


def read_events(folder: Path) -> list[str]:
    """Read what has happened to a run so far, oldest first."""
    return read_lines(folder / EVENTS_FILE)


def read_lines(file: Path) -> list[str]:
    """Read the lines that `append_line` has written; none before the first."""
    try:
        return read_bytes(file).decode(errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError, Unreadable):
        return []


def append_line(path: Path, line: str) -> None:
    """Append a line; several workers may write to the same file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def write_down(logger: str, file: Path, each_once: bool = False) -> None:
    """Append a logger's warnings to a file of the run's folder, a line each; the console shows them from there.

    With `each_once` a line that stands there is not written again: what is met anew after a restart.
    """
    log = logging.getLogger(logger)
    log.propagate = False
    log.handlers = [_Lines(file, read_lines(file) if each_once else None)]


class _Lines(logging.Handler):
    """Workers come and go on several machines: the file is opened for each line."""

    def __init__(self, file: Path, written: list[str] | None) -> None:
        super().__init__(logging.WARNING)
        self.file, self.written = file, None if written is None else set(written)

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if self.written is not None:
            if line in self.written:
                return
            self.written.add(line)
        append_line(self.file, line)
