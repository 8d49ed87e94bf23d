"""Compare the trials of a search, finished or running: `python -m tune.compare NAME`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tyro

from jobs import cli
from trs.files import write_text
from tune.cli import SearchCommand
from tune.leaderboard import read_leaderboard
from tune.publish.files import compare, for_people
from tune.report.comparison import PAGE_FILE, caution
from tune.report.comparison import render as render_several


@dataclass(frozen=True)
class Compare(SearchCommand):
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
    if difference := caution(boards):
        print(f"WARNING: {difference}")
    write_text(folder / PAGE_FILE, page)
    print(for_people(folder / PAGE_FILE))


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
