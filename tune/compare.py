"""Compare the trials of a search, finished or running: `python -m tune.compare NAME`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tyro

from jobs import cli
from jobs.runs import protocol
from trs import config as configs
from tune.hparams import write_hparams
from tune.leaderboard import as_csv, as_text, read_leaderboard
from tune.notes import write_notes
from tune.report import render
from tune.study import STUDY_FILE

LEADERBOARD_FILE, BEST_FILE, REPORT_FILE = "leaderboard.csv", "best.yaml", "report.html"


@dataclass(frozen=True)
class Command:
    """Compare the trials of a search: print the leaderboard, write leaderboard.csv, best.yaml and report.html."""

    search: tyro.conf.Positional[str]
    """Name of a search, or its folder."""
    out: Path = Path("runs")
    """Folder that the searches lie in."""

    @property
    def folder(self) -> Path:
        """The search's folder, absolute."""
        named = self.out / self.search
        return (named if (named / STUDY_FILE).exists() or not Path(self.search, STUDY_FILE).exists()
                else Path(self.search)).absolute()


def main(arguments: list[str]) -> None:
    """Print and write the comparison.

    Raises:
        InputError: there is no such search.
    """
    board = read_leaderboard(tyro.cli(Command, prog="python -m tune.compare", args=arguments).folder)
    command = f"python -m jobs.train --config {shlex.quote(str(_for_people(board.folder / BEST_FILE)))}"
    print(as_text(board), board.summary, protocol(board.config), sep="\n\n", end="\n\n")
    written = [_write(board.folder / LEADERBOARD_FILE, lambda path: path.write_text(as_csv(board)))]
    if board.best is not None:
        best = board.run_config(board.best)
        written.append(_write(board.folder / BEST_FILE, lambda path: configs.save(best, path)))
    written.append(_write(board.folder / REPORT_FILE, lambda path: path.write_text(render(board, command))))
    write_hparams(board)
    write_notes(board)
    for path in written:
        print(_for_people(path))
    if board.best is not None:
        print(f"train the best again: {command}")


def _write(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    write(partial)
    os.replace(partial, path)
    return path


def _for_people(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
