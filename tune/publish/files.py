"""The files that a search leaves for people: leaderboard.csv, best.yaml, report.html."""

from __future__ import annotations

import dataclasses
import errno
import shlex
from pathlib import Path

from jobs import config as jobs_config
from trs.errors import InputError
from trs.files import try_to_write, write_text
from tune.confirmed import as_text as confirmed_text
from tune.leaderboard import Leaderboard, as_csv, as_text
from tune.plan import trial_job
from tune.publish.optuna_notes import write_notes
from tune.publish.tensorboard import write_hparams
from tune.report.gallery import Validation, protocol_of
from tune.report.page import REPORT_FILE, render

LEADERBOARD_FILE, BEST_FILE = "leaderboard.csv", "best.yaml"


def compare(board: Leaderboard, people: Validation | None = None) -> None:
    """Print a search's leaderboard, and write its files.

    Args:
        board: the search.
        people: whom its runs have predicted, where they are loaded already.

    Raises:
        InputError: the folder can be read alone; what is printed has been.
    """
    people = people or Validation(board.folder, board.config.data)
    again = f"python -m jobs.train --config {shlex.quote(str(for_people(board.folder / BEST_FILE)))}"
    print(as_text(board), board.summary, protocol_of(board), sep="\n\n", end="\n\n")
    if board.confirmed is not None:
        print(confirmed_text(board.confirmed), end="\n\n")
    for doubt in board.doubts:
        print(f"WARNING: {doubt}")
    require_writable(board.folder)
    write_text(board.folder / LEADERBOARD_FILE, as_csv(board))
    written = [LEADERBOARD_FILE]
    if board.best is not None:
        # Where the data lie by now; and the next run counts its threads, which will not be a trial's.
        job = trial_job(board.job, board.best.name, board.best.values)
        jobs_config.save(dataclasses.replace(job, cluster=dataclasses.replace(job.cluster, threads=None)),
                         board.folder / BEST_FILE)
        written.append(BEST_FILE)
    write_text(board.folder / REPORT_FILE, render(board, again, people))
    written.append(REPORT_FILE)
    write_hparams(board, people)
    write_notes(board)
    for name in written:
        print(for_people(board.folder / name))
    if board.best is not None:
        print(f"train the best again: {again}")


def require_writable(folder: Path) -> None:
    """Check that a search is not somebody else's, and lies on no storage that can be read alone.

    Raises:
        InputError: it does.
    """
    try:
        try_to_write(folder / LEADERBOARD_FILE)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(f"{folder} can be read and not written ({error.strerror}): for its report and its pages, "
                             "copy the folder and name the copy") from error
        raise


def for_people(path: Path) -> Path:
    """Write the path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
