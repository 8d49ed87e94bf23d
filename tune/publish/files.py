"""The files that a search leaves for people: leaderboard.csv, best.yaml, report.html."""

from __future__ import annotations

import shlex
from pathlib import Path

from trs import config as configs
from trs.evaluation.protocol import protocol
from trs.files import write_text
from tune.leaderboard import Leaderboard, as_csv, as_text
from tune.publish.optuna_notes import write_notes
from tune.publish.tensorboard import write_hparams
from tune.report.page import render

LEADERBOARD_FILE, BEST_FILE, REPORT_FILE = "leaderboard.csv", "best.yaml", "report.html"


def compare(board: Leaderboard) -> None:
    """Print a search's leaderboard, and write its files."""
    again = f"python -m jobs.train --config {shlex.quote(str(for_people(board.folder / BEST_FILE)))}"
    print(as_text(board), board.summary, protocol(board.config), sep="\n\n", end="\n\n")
    written = [board.folder / LEADERBOARD_FILE]
    write_text(written[-1], as_csv(board))
    if board.best is not None:
        written.append(board.folder / BEST_FILE)
        configs.save(board.run_config(board.best), written[-1])
    written.append(board.folder / REPORT_FILE)
    write_text(written[-1], render(board, again))
    write_hparams(board)
    write_notes(board)
    for path in written:
        print(for_people(path))
    if board.best is not None:
        print(f"train the best again: {again}")


def for_people(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
