"""Several trainings, each once, as many at a time as the cluster holds; what is done stays done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ray.tune
from ray.tune.experiment import Trial

from jobs.cluster.connect import quieten
from jobs.cluster.failures import Blame
from jobs.cluster.waiting import goes_on
from jobs.config import ClusterConfig, Job
from jobs.paper.runs import Run, RunsFolder, with_starts
from jobs.run_folder.console import Pace
from jobs.run_folder.layout import STOP_FILE, with_threads_of, write_run
from jobs.run_folder.lease import Lease
from jobs.run_folder.silence import break_silence
from jobs.training.datasets import store
from jobs.training.many import Failure, StatelessSearcher, telling_failures, train_many
from jobs.training.prepare import prepare
from jobs.training.trainer import fit
from trs.errors import InputError


@dataclass(frozen=True)
class Ended:
    """A run that has ended, well or not.

    failure: why it failed, in a sentence.
    seconds: that it took.
    by_settings: whether it would fail again.
    """

    run: Run
    failure: str | None
    seconds: float
    by_settings: bool = False


def train_all(runs: Iterable[Run], folder: RunsFolder, cluster: ClusterConfig, room: Callable[[], int],
              tell: Callable[[Ended], None], lease: Lease) -> None:
    """Train what is not done yet, and first what it starts from; what starts from a failed run fails with it.

    When the folder holds the file that asks to stop, no further run starts, and this returns early.

    Args:
        runs: to be trained.
        folder: of the runs' folders.
        cluster: the machines of each.
        room: how many runs there may be at a time, asked before each start.
        tell: called with each run that has ended, but for those that were asked to stop.
        lease: of the command that holds the folder, or one above it.

    Raises:
        InputError: Ray Tune has ended before the runs have.
    """
    left = [run for run in runs if folder.result(run) is None]
    queue = Queue([run for run in with_starts(left) if run in left or not folder.is_trained(run)], folder, tell)
    if not queue.waiting:
        return
    jobs = {folder.find(run).name: Job(folder.config(run), cluster) for run in queue.waiting}
    shared = {"jobs": jobs, "folder": folder.path, "lease": lease}
    with break_silence(queue.goes_on):
        train_many(_train, shared, _Searcher(queue), folder.path, len(jobs), room, [_Listener(queue)])
    if (queue.waiting or queue.running) and not queue.stops():
        raise InputError(f"Ray Tune has ended early; see its files in {folder.path / 'ray'}")


def _train(suggestion: dict[str, str], jobs: dict[str, Job], folder: Path, lease: Lease) -> None:
    quieten()
    job, run = jobs[suggestion["name"]], folder / suggestion["name"]
    with telling_failures():
        lease.require()
        job, datasets = with_threads_of(run, job), prepare(job.config, run)
        write_run(job, datasets.split, run)
        fit(job, store(datasets), run, stop=folder / STOP_FILE, lease=lease)


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
        self.paces: dict[str, Pace] = {}
        self.undone, self.failed = set(left), set[Run]()

    def stops(self) -> bool:
        """Whether the runs are asked to save and end."""
        return (self.folder.path / STOP_FILE).exists()

    def goes_on(self) -> str:
        """How far those that run are."""
        return goes_on(dict(self.paces))

    def start(self) -> str | None:
        """Take out the next run whose starts are done, if there is one; the name of its folder."""
        for run in self.waiting:
            if self.undone.isdisjoint(run.starts_from):
                self.waiting.remove(run)
                name = self.folder.find(run).name
                self.running[name] = run, time.monotonic()
                self.paces[name] = Pace(self.folder.path / name)
                return name
        return None

    def end(self, name: str, failure: str | None, by_settings: bool = False) -> None:
        """Tell of a run that has ended, and of those that cannot start any more because of it.

        Args:
            name: of its folder.
            failure: why it failed, in a sentence, if it did.
            by_settings: whether it would fail again.
        """
        run, began = self.running.pop(name)
        del self.paces[name]
        done = self.folder.result(run) is not None
        if not done and self.stops():
            return
        if not done and failure is None:
            failure = "it has ended without a checkpoint of its last epoch"
        if failure is None:
            self.undone.remove(run)
        else:
            self.failed.add(run)
        self.tell(Ended(run, failure, time.monotonic() - began, by_settings))
        for other in list(self.waiting):  # starts stand before what starts from them, so one pass reaches all
            if not self.failed.isdisjoint(other.starts_from):
                self.waiting.remove(other)
                self.failed.add(other)
                self.tell(Ended(other, "a run that it starts from has failed", 0.0, by_settings))


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
        self.failures: dict[str, Failure] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave all out: Tune writes its callbacks down for a resume of its own, which is not used."""
        return {}

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any],
                        **info: Any) -> None:
        """A run says what it fails from."""
        if (failure := Failure.of(result)) is not None:
            self.failures[trial.config["name"]] = failure

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run has come to its end, or was asked to stop."""
        self.queue.end(trial.config["name"], None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run has failed."""
        name = trial.config["name"]
        lost = Failure(f"its driver was lost; see the files in {trial.path}", Blame.MACHINE)
        failure = self.failures.pop(name, lost)
        self.queue.end(name, failure.why, failure.blame is Blame.SETTINGS)
