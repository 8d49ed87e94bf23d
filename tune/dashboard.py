"""Watch a search in optuna-dashboard and TensorBoard: `python -m tune.dashboard NAME`."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass

import tyro

from jobs import cli
from trs.errors import InputError
from tune.cli import SearchCommand
from tune.leaderboard import read_leaderboard
from tune.publish.files import require_writable
from tune.publish.servers import refresh, serve
from tune.report.gallery import Validation

_REFRESH_SECONDS = 60.0


@dataclass(frozen=True)
class Command(SearchCommand):
    """Serve a search, running or finished, to this machine's browser, until Ctrl-C."""

    optuna_port: int = 8080
    """Of optuna-dashboard; another one if it is taken."""
    tensorboard_port: int = 6006
    """Of TensorBoard; another one if it is taken."""


def main(arguments: list[str]) -> None:
    """Start both, print their addresses, and end them with this command."""
    command = tyro.cli(Command, prog="python -m tune.dashboard", args=arguments)
    if not all(0 <= port < 2**16 for port in (command.optuna_port, command.tensorboard_port)):
        raise InputError("a port lies between 0 and 65535")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # the servers end with this command
    board = read_leaderboard(command.folder)
    require_writable(board.folder)
    people = Validation(board.folder, board.config.data)  # loaded once, however long the command runs
    refresh(board, people)
    with serve(command.folder, command.optuna_port, command.tensorboard_port) as addresses:
        for name, address in addresses.items():
            print(f"{name:<17} {address}", flush=True)
        print("Ctrl-C ends both", flush=True)
        while True:
            time.sleep(_REFRESH_SECONDS)
            refresh(read_leaderboard(command.folder), people)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
