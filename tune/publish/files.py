"""The files that a search leaves for people: leaderboard.csv, best.yaml, report.html."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from trs import config as configs
from trs.evaluation.protocol import protocol
from tune.leaderboard import Leaderboard, as_csv, as_text
from tune.publish.optuna_notes import write_notes
from tune.publish.tensorboard import write_hparams
from tune.report.page import render

LEADERBOARD_FILE, BEST_FILE, REPORT_FILE = "leaderboard.csv", "best.yaml", "report.html"


def compare(board: Leaderboard) -> None:
    """Print a search's leaderboard, and write its files."""
    again = f"python -m jobs.train --config {shlex.quote(str(for_people(board.folder / BEST_FILE)))}"
    print(as_text(board), board.summary, protocol(board.config), sep="\n\n", end="\n\n")
    written = [write_file(board.folder / LEADERBOARD_FILE, lambda path: path.write_text(as_csv(board)))]
    if board.best is not None:
        best = board.run_config(board.best)
        written.append(write_file(board.folder / BEST_FILE, lambda path: configs.save(best, path)))
    written.append(write_file(board.folder / REPORT_FILE, lambda path: path.write_text(render(board, again))))
    write_hparams(board)
    write_notes(board)
    for path in written:
        print(for_people(path))
    if board.best is not None:
        print(f"train the best again: {again}")


def write_file(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # others may compare at the same time
    write(partial)
    os.replace(partial, path)
    return path


def for_people(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
