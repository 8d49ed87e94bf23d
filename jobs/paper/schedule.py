"""Several trainings, each once, as many at a time as the cluster holds; what is done stays done."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ray.tune
from ray.tune.experiment import Trial

from jobs.cluster.connect import quieten
from jobs.cluster.failures import find_mistake
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import CONFIG_FILE, STOP_FILE, write_run
from jobs.run_folder.metrics import Metrics, read_metrics
from jobs.training.datasets import store
from jobs.training.many import StatelessSearcher, train_many
from jobs.training.prepare import prepare
from jobs.training.trainer import fit
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config
from trs.config.before import as_0_1_trained, as_0_1_wrote
from trs.errors import InputError
from trs.files import read_json, write_text


@dataclass(frozen=True)
class Run:
    """A training, and the trainings whose networks it starts from, one a peer (`train.init_from`)."""

    config: Config
    starts_from: tuple[Run, ...] = ()

    @functools.cached_property
    def name(self) -> str:
        """The name for its folder where it has none yet, see `RunsFolder`: equal trainings get the same."""
        plain = configs.to_dict(configs.from_dict(configs.to_dict(self.config)))  # 40 and 40.0 are one number
        for section, settings in vars(self.config).items():
            for field in dataclasses.fields(settings):
                if field.metadata.get("added") and plain[section][field.name] == field.default:
                    del plain[section][field.name]  # the name that the training got before there was the field
        plain = as_0_1_wrote(plain)
        plain["data"]["root"] = str(Path(self.config.data.root).absolute())
        content = json.dumps([plain, [start.name for start in self.starts_from]], sort_keys=True)
        identity = hashlib.sha256(content.encode()).hexdigest()[:10]
        return f"{self.config.method.name}-{identity}-seed{self.config.train.seed}"

    @functools.cached_property
    def key(self) -> str:
        """The name that it has wherever the data lie."""
        return self.changed(lambda config: configs.change(config, {"data.root": "/"})).name

    def changed(self, change: Callable[[Config], Config]) -> Run:
        """The run with a changed config, and so all that it starts from."""
        return Run(change(self.config), tuple(start.changed(change) for start in self.starts_from))

    def repeated(self, number: int) -> Run:
        """The same training on another split, from other weights; 0 is the training itself."""
        return self.changed(lambda config: dataclasses.replace(
            config, data=dataclasses.replace(config.data, split_seed=config.data.split_seed + number),
            train=dataclasses.replace(config.train, seed=config.train.seed + 1000 * number)))


def with_starts(runs: Iterable[Run]) -> list[Run]:
    """The runs and those they start from, these first, each once."""
    ordered: dict[Run, None] = {}
    for run in runs:
        ordered |= dict.fromkeys([*with_starts(run.starts_from), run])
    return list(ordered)


RESULTS_FILE = "results.json"


def _read_results(file: Path) -> dict[str, Metrics]:
    """Read results.json; nothing before there is one.

    Raises:
        InputError: it holds something else.
    """
    try:
        found = read_json(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); restore it, or delete it") from error
    if not isinstance(found, dict) or not all(isinstance(metrics, dict) for metrics in found.values()):
        raise InputError(f"{file} does not hold the metrics of trainings by their names; restore it, or delete it")
    return found


class RunsFolder:
    """A folder of runs: where each training lies, and what it has measured.

    A training is known by its config rather than by its folder's name: what was trained before a field was added is
    found under the name that it got then. Where it runs does not matter.

    results.json in it has the last metrics of each run that is done, by `Run.key`: a table goes on from that file
    alone, on another machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.measured: dict[str, Metrics] = _read_results(path / RESULTS_FILE)
        self._names: dict[Run, str] = {}
        self._results: dict[Run, Metrics] = {}

    def find(self, run: Run) -> Path:
        """The folder of a run, or of an equal one that is there under another name."""
        if run not in self._names:
            there = (self.path / run.name).exists()
            self._names[run] = run.name if there else self._known.get(_identity(self.config(run)), run.name)
        return self.path / self._names[run]

    def config(self, run: Run) -> Config:
        """The config with the folders of the runs that it starts from, valid in any working directory."""
        starts = tuple(str(self.find(start)) for start in run.starts_from)
        return _absolute(dataclasses.replace(run.config, train=dataclasses.replace(run.config.train, init_from=starts)))

    def result(self, run: Run) -> Metrics | None:
        """The metrics of a run that is done: those of its last epoch, if the checkpoint of that step is there too, or
        what results.json says of it.
        """
        if run not in self._results:
            found = self._trained(run) or self.measured.get(run.key)
            if found is None:
                return None
            self._results[run] = found
        return self._results[run]

    def is_trained(self, run: Run) -> bool:
        """Whether its checkpoint is here, for others to start from."""
        return self._trained(run) is not None

    def write_results(self, runs: Iterable[Run]) -> None:
        """Write results.json with what is known of these runs, beside what it has of others."""
        self.measured |= {run.key: result for run in runs if (result := self.result(run)) is not None}
        write_text(self.path / RESULTS_FILE, json.dumps(self.measured, indent=1, sort_keys=True) + "\n")

    def _trained(self, run: Run) -> Metrics | None:
        folder = self.find(run)
        metrics = read_metrics(folder)
        if not metrics or metrics[-1]["epoch"] < run.config.train.epochs:
            return None
        there = checkpoints.exists(folder / checkpoints.folder_name(int(metrics[-1]["step"])))
        return metrics[-1] if there else None

    def began_before(self, runs: Iterable[Run]) -> bool:
        """Whether 0.1 has trained some of these here, as it understood their settings, and nothing since."""
        changed = [(run, run.changed(as_0_1_trained)) for run in runs]
        there = [(self.find(run).exists(), self.find(old).exists()) for run, old in changed if old != run]
        return any(old for _, old in there) and not any(new for new, _ in there)

    @functools.cached_property
    def _known(self) -> dict[Config, str]:
        """The names of the runs that are there, by what they have learned; what cannot be read is none."""
        known: dict[Config, str] = {}
        for file in sorted(self.path.glob(f"*/{CONFIG_FILE}")):
            try:
                known.setdefault(_identity(configs.load(file)), file.parent.name)
            except InputError:
                continue
        return known


def _absolute(config: Config) -> Config:
    """The config whose paths do not depend on the working directory."""
    data = dataclasses.replace(config.data, root=str(Path(config.data.root).absolute()))
    return dataclasses.replace(config, data=data, model=config.model.with_absolute_paths())


def _identity(config: Config) -> Config:
    """The config with what it starts from by name: a folder of runs may have been moved."""
    names = tuple(Path(start).name for start in config.train.init_from)
    return _absolute(dataclasses.replace(config, train=dataclasses.replace(config.train, init_from=names)))


def check(runs: list[Run], folder: RunsFolder) -> None:
    """Find a fault in the data or a config before anything starts, in what is not done and starts from nothing.

    Raises:
        InputError: the fault.
    """
    seen = set()
    for run in runs:
        key = run.config.data, run.config.model, run.config.method.name
        if key not in seen and not run.starts_from and folder.result(run) is None:
            seen.add(key)
            prepare(run.config, folder.find(run))


@dataclass(frozen=True)
class Ended:
    """A run that has ended, well or not: why it failed is a sentence."""

    run: Run
    failure: str | None
    seconds: float


def train_all(runs: Iterable[Run], folder: RunsFolder, cluster: ClusterConfig, concurrent: int,
              tell: Callable[[Ended], None]) -> None:
    """Train what is not done yet, and first what it starts from; what starts from a failed run fails with it.

    When the folder holds the file that asks to stop, no further run starts, and this returns early.

    Args:
        runs: to be trained.
        folder: of the runs' folders.
        cluster: the machines of each.
        concurrent: runs at a time.
        tell: called with each run that has ended, but for those that were asked to stop.

    Raises:
        InputError: Ray Tune has ended before the runs have.
    """
    left = [run for run in runs if folder.result(run) is None]
    queue = Queue([run for run in with_starts(left) if run in left or not folder.is_trained(run)], folder, tell)
    if not queue.waiting:
        return
    jobs = {folder.find(run).name: Job(folder.config(run), cluster) for run in queue.waiting}
    train_many(_train, {"jobs": jobs, "folder": folder.path}, _Searcher(queue), folder.path, len(jobs), concurrent,
               [_Listener(queue)])
    if (queue.waiting or queue.running) and not queue.stops():
        raise InputError(f"Ray Tune has ended early; see its files in {folder.path / 'ray'}")


_FAILURE = "failure"


def _train(suggestion: dict[str, str], jobs: dict[str, Job], folder: Path) -> None:
    quieten()
    job, run = jobs[suggestion["name"]], folder / suggestion["name"]
    try:
        datasets = prepare(job.config, run)
        write_run(job, datasets.split, run)
        fit(job, store(datasets), run, stop=folder / STOP_FILE)
    except Exception as error:
        # Tune's callbacks hear that a trial has failed, but not from what.
        last_line = (str(error).strip() or type(error).__name__).splitlines()[-1]
        ray.tune.report({_FAILURE: find_mistake(error) or last_line})
        raise


class Queue:
    """The runs that are left: which may start, and what comes of one that ends.

    Args:
        left: what is not done, starts before what starts from them, as `with_starts` orders them.
        folder: of the runs' folders.
        tell: called with each run that has ended.
    """

    def __init__(self, left: list[Run], folder: RunsFolder, tell: Callable[[Ended], None]) -> None:
        self.waiting, self.folder, self.tell = left, folder, tell
        self.running: dict[str, tuple[Run, float]] = {}
        self.undone, self.failed = set(left), set[Run]()

    def stops(self) -> bool:
        """Whether the runs are asked to save and end."""
        return (self.folder.path / STOP_FILE).exists()

    def start(self) -> str | None:
        """Take out the next run whose starts are done, if there is one; the name of its folder."""
        for run in self.waiting:
            if self.undone.isdisjoint(run.starts_from):
                self.waiting.remove(run)
                name = self.folder.find(run).name
                self.running[name] = run, time.monotonic()
                return name
        return None

    def end(self, name: str, failure: str | None) -> None:
        """Tell of a run that has ended, and of those that cannot start any more because of it."""
        run, began = self.running.pop(name)
        done = self.folder.result(run) is not None
        if not done and self.stops():
            return
        if not done and failure is None:
            failure = "it has ended without a checkpoint of its last epoch"
        if failure is None:
            self.undone.remove(run)
        else:
            self.failed.add(run)
        self.tell(Ended(run, failure, time.monotonic() - began))
        for other in list(self.waiting):  # starts stand before what starts from them, so one pass reaches all
            if not self.failed.isdisjoint(other.starts_from):
                self.waiting.remove(other)
                self.failed.add(other)
                self.tell(Ended(other, "a run that it starts from has failed", 0.0))


class _Searcher(StatelessSearcher):
    """Hands the queue's runs out to Tune."""

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue = queue

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next run that may start, none as long as there is none, or the end."""
        if not self.queue.waiting or self.queue.stops():
            return cast(dict[str, Any], self.FINISHED)  # Ray's annotation does not know it
        name = self.queue.start()
        return None if name is None else {"name": name}


class _Listener(ray.tune.Callback):
    """Hears from Tune which runs have ended."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.failures: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave all out: Tune writes its callbacks down for a resume of its own, which is not used."""
        return {}

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any],
                        **info: Any) -> None:
        """A run says what it fails from."""
        if _FAILURE in result:
            self.failures[trial.config["name"]] = result[_FAILURE]

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run has come to its end, or was asked to stop."""
        self.queue.end(trial.config["name"], None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run has failed."""
        name = trial.config["name"]
        self.queue.end(name, self.failures.pop(name, f"its driver was lost; see the files in {trial.path}"))
