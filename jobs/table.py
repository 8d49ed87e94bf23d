"""A table of the paper, trained and set beside the published numbers: `python -m jobs.table table2 --data.root DIR`."""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jobs import cli
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.resources import concurrency
from jobs.cluster.stopping import stop_gently
from jobs.paper.render import _map, _seeded, _title, draw, write
from jobs.paper.schedule import Run, check, result, train_all, with_starts
from jobs.paper.tables import TABLES, Table
from jobs.run_folder.console import duration
from trs import config as configs
from trs.config import Config
from trs.data.datasets import load_datasets
from trs.errors import InputError
from trs.evaluation.protocol import METRIC_NAMES

TableName = Literal["table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9", "table10",
                    "figure4", "figure5", "figure6", "lspet"]


@dataclass(frozen=True)
class Command:
    """Train what a table needs, several trainings at a time, and write it as Markdown, CSV and JSON.

    Interrupted, it goes on where it was; what is done is never trained again, also if another table asks for it.
    """

    table: tyro.conf.Positional[TableName]
    """Which table; `lspet` is our own study on Leeds Sports Pose Extended."""
    seeds: int = 1
    """Trainings of each kind, with other splits and weights; the table then shows mean and standard deviation."""
    concurrent: int | None = None
    """Trainings at a time; by default as many as the cluster holds."""
    out: Path = Path("runs/tables")
    """Folder of the tables and of their trainings; on a cluster, storage that every node sees."""
    only: tuple[str, ...] = ()
    """Train and show only the rows or columns whose names contain one of these."""
    settings: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)


def main(arguments: list[str]) -> None:
    """Train what is not done yet, and write the table after each training."""
    command, table = parse(arguments)
    seeds, folder = range(command.seeds), command.out.absolute()
    runs = with_starts(_seeded(cell.run, seed) for seed in seeds for cell in table.cells)
    check(runs, folder)
    connect()
    concurrent = concurrency(runs[0].config.train, command.concurrent)
    checks.require(runs[0].config, load_datasets(runs[0].config.data), folder / runs[0].name)
    folder.mkdir(parents=True, exist_ok=True)
    left = sum(result(run, folder) is None for run in runs)
    print(f"{table.caption}: {len(runs)} trainings, {len(runs) - left} done, {concurrent} at a time -> {folder}",
          flush=True)
    done = False
    try:
        with stop_gently(folder):
            failures = _train(table, command.table, seeds, runs, folder, concurrent)
        done = True
    finally:
        if not done:
            print("stopped; the same command goes on where it was", file=sys.stderr)
    if table.draw is not None and not failures:
        draw(table, folder / f"{command.table}.png")
    print((folder / f"{command.table}.md").read_text())
    if failures:
        raise InputError(f"{len(failures)} of the trainings failed, {folder / failures[0]} the first; the lines above "
                         "say why; the same command tries them again")


def _train(table: Table, name: str, seeds: range, runs: list[Run], folder: Path, concurrent: int) -> list[str]:
    """Train what is left, say so and write the table after each training; the names of those that failed."""
    write(table, name, seeds, folder)
    left = sum(result(run, folder) is None for run in runs)
    failures, began = [], time.monotonic()
    for number, ended in enumerate(train_all(runs, folder, concurrent), start=1):
        remaining = (time.monotonic() - began) / number * (left - number)
        metrics = result(ended.run, folder)
        said = f"FAILED: {ended.failure}"
        if ended.failure is None and metrics is not None:
            said = "  ".join(f"{METRIC_NAMES[metric]} {metrics[metric]:.3f}" for metric in METRIC_NAMES
                             if metric in metrics)
        print(f"[{number}/{left}] {_title(table, ended.run, seeds)}  {said}  {duration(ended.seconds)}, about "
              f"{duration(remaining)} left", flush=True)
        failures += [ended.run.name] if ended.failure is not None else []
        write(table, name, seeds, folder)
    return failures


_NOT_FOR_TABLES = {"method": "a table compares methods with settings of their own", "seed": "--seeds sets the seeds",
                   "init_from": "a table knows what its trainings start from", "manifest": "--seeds draws the splits"}


def parse(arguments: list[str]) -> tuple[Command, Table]:
    """The command, and its table with the settings that were given applied to every training.

    Raises:
        InputError: a value out of range, an option that would spoil the comparison, or no row left.
        SystemExit: an option that does not exist, or --help.
    """
    def read(table: Table) -> Command:
        return tyro.cli(Command, args=arguments, prog="python -m jobs.table", config=(tyro.conf.AvoidSubcommands,),
                        default=Command(tyro.MISSING, settings=table.cells[0].run.config))

    # The help shows a table's own settings; one that does not exist is tyro's to refuse, with those that do.
    likely = next((argument for argument in arguments if argument in TABLES), "table2")
    command = read(TABLES[likely]())
    table = TABLES[command.table]()
    given = _given(arguments, (command if command.table == likely else read(table)).settings)
    for name, reason in _NOT_FOR_TABLES.items():
        if name in given or any(name in fields for fields in given.values()):
            raise InputError(f"{reason}; leave out the option with {name.replace('_', '-')}")
    if command.seeds < 1:
        raise InputError("--seeds must be at least 1")
    chosen = [cell for cell in table.cells if not command.only
              or any(text in name for text in command.only for name in (*cell.row, cell.column))]
    if not chosen:
        raise InputError(f"no row or column of {command.table} contains {' or '.join(command.only)}")
    cells = [dataclasses.replace(cell, run=_map(cell.run, lambda config: _with(config, given))) for cell in chosen]
    return command, dataclasses.replace(table, cells=cells)


def _given(arguments: list[str], settings: Config) -> dict[str, dict[str, Any]]:
    """The fields that the command line names, by section, with the values that they have in `settings`."""
    plain, given = configs.to_dict(settings), dict[str, dict[str, Any]]()
    for argument in arguments:
        section, dot, field_name = argument.partition("=")[0].removeprefix("--").replace("-", "_").partition(".")
        if argument.startswith("--") and dot and section in plain:
            name = field_name if field_name in plain[section] else field_name.removeprefix("no_")
            given.setdefault(section, {})[name] = plain[section][name]
    return given


def _with(config: Config, given: dict[str, dict[str, Any]]) -> Config:
    plain = configs.to_dict(config)
    for section, fields in given.items():
        plain[section] |= fields
    return configs.from_dict(plain)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
