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
from trs import config as configs
from trs.evaluation.protocol import protocol
from tune.hparams import write_hparams
from tune.leaderboard import Leaderboard, as_csv, as_text, read_leaderboard
from tune.notes import write_notes
from tune.report import render
from tune.several import PAGE_FILE, caution
from tune.several import render as render_several
from tune.study import STUDY_FILE

LEADERBOARD_FILE, BEST_FILE, REPORT_FILE = "leaderboard.csv", "best.yaml", "report.html"


@dataclass(frozen=True)
class Command:
    """A command about a search."""

    search: tyro.conf.Positional[str]
    """Name of a search, or its folder."""
    out: Path = Path("runs")
    """Folder that the searches lie in."""

    @property
    def folder(self) -> Path:
        """The search's folder, absolute."""
        return self.folder_of(self.search)

    def folder_of(self, search: str) -> Path:
        """A search's folder, absolute."""
        named = self.out / search
        return (named if (named / STUDY_FILE).exists() or not Path(search, STUDY_FILE).exists()
                else Path(search)).absolute()


@dataclass(frozen=True)
class Compare(Command):
    """Compare the trials of a search: print the leaderboard, write leaderboard.csv, best.yaml and report.html."""

    others: tyro.conf.Positional[tuple[str, ...]] = ()
    """Further searches, by name or folder, to lay beside it in comparison.html."""


def main(arguments: list[str]) -> None:
    """Print and write the comparison.

    Raises:
        InputError: there is no such search.
    """
    command = tyro.cli(Compare, prog="python -m tune.compare", args=arguments)
    boards = [read_leaderboard(command.folder_of(search)) for search in (command.search, *command.others)]
    if len(boards) == 1:
        return compare(boards[0])
    folder = boards[0].folder.parent
    page = render_several(boards, folder)  # refuses before anything is written
    for board in boards:
        print(f"# {board.folder.name}")
        compare(board)
    if told := caution(boards):
        print(f"WARNING: {told}")
    print(_for_people(_write(folder / PAGE_FILE, lambda path: path.write_text(page))))


def compare(board: Leaderboard) -> None:
    """Print a search's leaderboard, and write its files."""
    again = f"python -m jobs.train --config {shlex.quote(str(_for_people(board.folder / BEST_FILE)))}"
    print(as_text(board), board.summary, protocol(board.config), sep="\n\n", end="\n\n")
    written = [_write(board.folder / LEADERBOARD_FILE, lambda path: path.write_text(as_csv(board)))]
    if board.best is not None:
        best = board.run_config(board.best)
        written.append(_write(board.folder / BEST_FILE, lambda path: configs.save(best, path)))
    written.append(_write(board.folder / REPORT_FILE, lambda path: path.write_text(render(board, again))))
    write_hparams(board)
    write_notes(board)
    for path in written:
        print(_for_people(path))
    if board.best is not None:
        print(f"train the best again: {again}")


def _write(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # others may compare at the same time
    write(partial)
    os.replace(partial, path)
    return path


def _for_people(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
