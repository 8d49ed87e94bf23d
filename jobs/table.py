"""A table of the paper, trained and set beside the published numbers: `python -m jobs.table table2 --data.root DIR`."""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import loky
import torch
import tyro

from jobs import cli
from jobs import config as jobs_config
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.resources import Room, Share, room_for, share_cores
from jobs.cluster.stopping import Stop, run_aside, stop_gently
from jobs.config import ClusterConfig, Job
from jobs.paper.gains import gains_of
from jobs.paper.render import draw, write
from jobs.paper.runs import Run, RunsFolder, check, with_starts
from jobs.paper.schedule import Ended, train_all
from jobs.paper.tables import TABLES, Table
from jobs.run_folder.console import duration
from jobs.run_folder.lease import hold
from jobs.run_folder.output import outlive_readers
from jobs.run_folder.silence import break_silence
from trs import config as configs
from trs.config import DataConfig, EvalConfig, ModelConfig, TrainConfig, ViewConfig
from trs.config.before import as_0_1_trained
from trs.config.checks import shown
from trs.config.effects import changed, require_effect
from trs.data.datasets import load_datasets
from trs.errors import InputError
from trs.evaluation.protocol import METRIC_NAMES
from trs.files import read_text
from trs.schedule import of_workers

if TYPE_CHECKING:
    TableName = str
    DataOptions = dict[str, Any]
    ViewOptions = DataOptions
    ModelOptions = DataOptions
    TrainOptions = DataOptions
    EvalOptions = DataOptions
    ClusterOptions = DataOptions
else:
    TableName = tyro.extras.literal_type_from_choices(TABLES)
    # A table compares methods with settings of their own, draws its splits and seeds by --seeds, and knows what its
    # trainings start from: there are no options for these.
    DataOptions = cli.overrides(DataConfig, without=["manifest"])
    ViewOptions, ModelOptions = cli.overrides(ViewConfig), cli.overrides(ModelConfig)
    TrainOptions = cli.overrides(TrainConfig, without=["seed", "init_from"])
    EvalOptions, ClusterOptions = cli.overrides(EvalConfig), cli.overrides(ClusterConfig)


@dataclass(frozen=True)
class Command:
    """Train what a table needs, several trainings at a time, and write it as Markdown, CSV and JSON.

    After an interruption the same command resumes it; what is done is never trained again, also if another table
    asks for it.
    Settings reach every training, and what it starts from; those that are not given are the table's own.
    """

    table: tyro.conf.Positional[TableName]
    """Which table; `lspet` is our own study on Leeds Sports Pose Extended."""
    seeds: int = 1
    """Trainings of each kind, with other splits and weights; the table then shows mean and standard deviation."""
    concurrent: int | None = None
    """Trainings at a time; by default as many as the cluster holds."""
    max_cpus: float | None = None
    """CPUs that all trainings together may hold of a cluster that others use too."""
    max_gpus: float | None = None
    """GPUs that all trainings together may hold."""
    out: Path = Path("runs/tables")
    """Folder of the tables and of their trainings; on a cluster, storage that every node sees."""
    only: tuple[str, ...] = ()
    """Train and show only the rows or columns whose names contain one of these."""
    data: DataOptions = field(default_factory=dict)
    view: ViewOptions = field(default_factory=dict)
    model: ModelOptions = field(default_factory=dict)
    train: TrainOptions = field(default_factory=dict)
    eval: EvalOptions = field(default_factory=dict)
    cluster: Annotated[ClusterOptions, tyro.conf.arg(name="")] = field(default_factory=dict)


def main(arguments: list[str]) -> None:
    """Train what is not done yet, and write the table after each training."""
    command, table = parse(arguments)
    folder = RunsFolder(command.out.absolute())
    table = continued(table, folder)
    runs = with_starts(cell.runs[number] for number in range(command.seeds) for cell in table.cells)
    job = Job(runs[0].config, table.cluster)
    check(runs, folder)
    share = Share(command.max_cpus, command.max_gpus)
    share.trainings(job)  # refuses bounds that hold none, before Ray starts
    with break_silence(lambda: "Ray starts, the annotations are read, and the nodes are asked what they see"):
        connect()
        room = room_for(job, command.concurrent, share)
        left = [run for run in runs if folder.result(run) is None]
        concurrent = max(1, min(room(), len(left)))
        table = dataclasses.replace(table, cluster=share_cores(job, concurrent, share).cluster)
        datasets = load_datasets(job.config.data)
        checks.require(job, datasets, folder.find(runs[0]), max(1, min(room.most(), len(left))))
    print(f"{table.caption}: {len(runs)} trainings, {len(runs) - len(left)} done, {room} -> {folder.path}",
          flush=True)
    cli.tell_notes([*datasets.notes, *of_workers(job.config.train)])
    done = False
    try:
        with hold(folder.path) as lease, outlive_readers(folder.path):
            with stop_gently(folder.path, lease) as stop:
                failures = _train(table, command.table, runs, folder, room, stop)
            write(table, command.table, folder, gains_of(table, folder, datasets))
        done = True
    finally:
        if not done:
            print("stopped; the same command resumes it", file=sys.stderr)
    if table.draw is not None and all(folder.is_trained(cell.run) for cell in table.cells):
        torch.set_num_threads(loky.cpu_count())
        target = folder.path / f"{command.table}.png"
        draw(table, target, folder)
        print(f"image: {target}")
    print(read_text(folder.path / f"{command.table}.md"))
    if failures:
        raise InputError(f"{len(failures)} of the trainings failed, {folder.find(failures[0])} the first; the lines "
                         "above say why; the same command tries them again")


def continued(table: Table, folder: RunsFolder) -> Table:
    """The table as it was begun in this folder: what 0.1 has trained there is not compared with other settings."""
    if not folder.began_before(with_starts(run for cell in table.cells for run in cell.runs)):
        return table
    print(f"{folder.path} was begun by version 0.1: its trainings keep that version's warm-up of the reviewers "
          "(ema_warmup mean) and decoder (axes); another --out begins a table of today's", flush=True)
    return table.changed(as_0_1_trained)


def _train(table: Table, name: str, runs: list[Run], folder: RunsFolder, room: Room, stop: Stop) -> list[Run]:
    """Train what is left, say so and write the table after each training; those that failed."""
    titles, left = table.titles(), sum(folder.result(run) is None for run in runs)
    ended, began = list[Ended](), time.monotonic()

    def tell(end: Ended) -> None:
        ended.append(end)
        metrics, remaining = folder.result(end.run), (time.monotonic() - began) / len(ended) * (left - len(ended))
        said = f"FAILED: {end.failure}" if end.failure is not None or metrics is None else "  ".join(
            f"{METRIC_NAMES[metric]} {metrics[metric]:.3f}" for metric in METRIC_NAMES if metric in metrics)
        print(f"[{len(ended)}/{left}] {titles.get(end.run, end.run.name)}  {said}  {duration(end.seconds)}, about "
              f"{duration(remaining)} left", flush=True)
        write(table, name, folder)

    write(table, name, folder)
    run_aside(lambda: train_all(runs, folder, table.cluster, room, tell, stop.lease), stop)
    return [end.run for end in ended if end.failure is not None]


def parse(arguments: list[str]) -> tuple[Command, Table]:
    """The command, and its table with the settings that were given applied to every training.

    Raises:
        InputError: a value out of range, or no row left.
        SystemExit: an option that does not exist, or --help.
    """
    command = tyro.cli(Command, args=cli.moved_options(cli.checked_values(arguments)), prog="python -m jobs.table")
    cli.require_place(command.out.absolute())
    if command.seeds < 1:
        raise InputError("--seeds must be at least 1")
    table = TABLES[command.table]()
    given = cli.dotted(data=command.data, view=command.view, model=command.model, train=command.train,
                       eval=command.eval)
    chosen = [cell for cell in table.cells
              if not command.only or any(text in name for text in command.only for name in (*cell.row, cell.column))]
    if not chosen:
        raise InputError(f"no row or column of {command.table} contains {' or '.join(command.only)}")
    cells = [dataclasses.replace(cell, run=cell.run.changed(lambda config: configs.change(config, given)))
             for cell in chosen]
    require_effect({name for cell, before in zip(cells, chosen, strict=True)
                    for name in changed(cell.run.config, before.run.config)}, *(cell.run.config for cell in cells))
    cluster = dataclasses.replace(table.cluster, **command.cluster)
    jobs_config.require_effect(cluster, command.cluster)
    table = dataclasses.replace(table, cells=[cell.repeated(command.seeds) for cell in cells], cluster=cluster)
    return command, dataclasses.replace(table, note=f"{table.note}{_by_hand(given)}".strip())


def _by_hand(given: dict[str, Any]) -> str:
    """Say which settings a table's own words do not know of."""
    learned = {name: value for name, value in given.items() if name != "data.root"}
    if not learned:
        return ""
    return (" Where caption and lines say otherwise: "
            f"{', '.join(f'{name} {shown(value)}' for name, value in learned.items())}.")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
