"""Several trainings, as many at once as the cluster holds; what is done stays done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ray

from jobs.cluster.connect import quieten
from jobs.cluster.failures import find_mistake
from jobs.cluster.resources import DRIVER
from jobs.cluster.stopping import STOP_FILE
from jobs.run_folder.layout import write_run
from jobs.run_folder.metrics import read_metrics
from jobs.training.prepare import prepare
from jobs.training.trainer import fit
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config

_CHANGES_NOTHING = ("use_gpu", "cpus_per_worker", "data_cpus", "max_failures", "min_workers", "resize_seconds",
                    "checkpoint_every")
"""Fields of the training's config that say where it runs, not what it learns."""


@dataclass(frozen=True)
class Run:
    """A training, and the trainings whose networks it starts from, one a peer (`train.init_from`)."""

    config: Config
    starts_from: tuple[Run, ...] = ()

    @property
    def name(self) -> str:
        """Of its folder: equal trainings share it, whoever asks for them and wherever they run."""
        plain = configs.to_dict(self.config)
        plain["data"]["root"] = str(Path(self.config.data.root).absolute())
        plain["train"] = {name: value for name, value in plain["train"].items() if name not in _CHANGES_NOTHING}
        content = json.dumps([plain, [start.name for start in self.starts_from]], sort_keys=True)
        identity = hashlib.sha256(content.encode()).hexdigest()[:10]
        return f"{self.config.method.name}-{identity}-seed{self.config.train.seed}"

    def whole_config(self, folder: Path) -> Config:
        """The config with the folders of the runs it starts from, which lie beside it in `folder`."""
        starts = tuple(str(folder / start.name) for start in self.starts_from)
        return dataclasses.replace(self.config, train=dataclasses.replace(self.config.train, init_from=starts))


def result(run: Run, folder: Path) -> dict[str, float] | None:
    """The metrics of the last epoch of a run that has ended with a checkpoint, or None."""
    metrics = read_metrics(folder / run.name)
    if not metrics or metrics[-1]["epoch"] < run.config.train.epochs:
        return None
    # The metrics are written before the checkpoint: a run that was killed in between is not done.
    last = folder / run.name / checkpoints.folder_name(int(metrics[-1]["step"]))
    return metrics[-1] if checkpoints.exists(last) else None


def with_starts(runs: Iterable[Run]) -> list[Run]:
    """The runs and those they start from, these first, each once."""
    ordered: dict[str, Run] = {}
    for run in runs:
        ordered |= {start.name: start for start in with_starts(run.starts_from)} | {run.name: run}
    return list(ordered.values())


@dataclass(frozen=True)
class Ended:
    """A run that has ended, well or not: why it failed is a sentence."""

    run: Run
    failure: str | None
    seconds: float


def train_all(runs: list[Run], folder: Path, concurrent: int) -> Iterator[Ended]:
    """Train what is not done yet and yield each run as it ends; a failed one takes those along that start from it.

    Args:
        runs: starts before what starts from them, as `with_starts` orders them.
        folder: of the runs' folders.
        concurrent: runs at a time.

    When `folder` holds the file that asks to stop, no further run starts, and those that stop early are not yielded.
    """
    stop = folder / STOP_FILE
    waiting = [run for run in runs if result(run, folder) is None]
    running: dict[ray.ObjectRef, tuple[Run, float]] = {}
    failed: set[str] = set()
    while waiting or running:
        if stop.exists():
            waiting.clear()
        for run in list(waiting):  # starts stand before what starts from them, so one pass reaches all
            if failed & {start.name for start in run.starts_from}:
                waiting.remove(run)
                failed.add(run.name)
                yield Ended(run, "a run that it starts from has failed", 0.0)
        ready = [run for run in waiting if all(result(start, folder) for start in run.starts_from)]
        for run in ready[: concurrent - len(running)]:
            waiting.remove(run)
            running[_train.remote(run, folder)] = run, time.monotonic()
        if not running:  # what waits has failed above, or is not to start any more
            continue
        ended, _ = ray.wait(list(running), num_returns=1)
        run, began = running.pop(ended[0])
        failure = _failure(ended[0])
        if stop.exists() and result(run, folder) is None:
            continue
        if failure is None and result(run, folder) is None:
            failure = "it has ended without a checkpoint of its last epoch"
        if failure is not None:
            failed.add(run.name)
        yield Ended(run, failure, time.monotonic() - began)


def _failure(ended: ray.ObjectRef) -> str | None:
    try:
        ray.get(ended)
    except Exception as error:
        return find_mistake(error) or str(error).strip().splitlines()[-1]
    return None


@ray.remote(num_cpus=0, resources=DRIVER, max_retries=0)
def _train(run: Run, folder: Path) -> None:
    quieten()
    config = run.whole_config(folder)
    sets = prepare(config, folder / run.name)
    write_run(config, sets, folder / run.name)
    fit(config, sets, folder / run.name, stop=folder / STOP_FILE)


def check(runs: list[Run], folder: Path) -> None:
    """Find a fault in the data or a config before anything starts, in what is not done and starts from nothing.

    Raises:
        InputError: the fault.
    """
    seen: set[str] = set()
    for run in runs:
        plain = configs.to_dict(run.config)
        key = json.dumps([plain["data"], plain["model"], plain["method"]["name"]])
        if key not in seen and not run.starts_from and result(run, folder) is None:
            seen.add(key)
            prepare(run.config, folder / run.name)


@dataclass(frozen=True)
class Cell:
    """One number of a table: a metric of a run, and what was published.

    row: what the first columns say.
    """

    row: tuple[str, ...]
    column: str
    run: Run
    metric: str = "ap"
    published: float | None = None
