"""The best of a search trained again with other seeds, beside what it is measured against: `run_tune.py --confirm N`.

A search tries many settings and keeps what scored best, partly by luck; what is trained again was not chosen by these
seeds. The trainings lie in `confirm/` in the search's folder; `--resume NAME --confirm N` goes on with what is left.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.cluster.resources import Room, share_cores
from jobs.cluster.stopping import run_aside, stop_gently
from jobs.paper.runs import Run, RunsFolder
from jobs.paper.schedule import Ended, train_all
from jobs.run_folder.console import duration
from jobs.run_folder.lease import Lease
from jobs.run_folder.metrics import Metrics, read_metrics
from trs.config import Config, change
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.evaluation.intervals import paired_gain
from trs.evaluation.protocol import ENSEMBLE, METRIC_NAMES, TEST
from trs.evaluation.resampled import images_drawn, score_of_run
from tune.confirmed import Confirmed, Kind, write_confirmed
from tune.entry import Entry, seconds_of
from tune.leaderboard import Leaderboard
from tune.plan import SUPERVISED, trial_job

CONFIRM = "confirm"
_RATE, _EPOCHS = "train.learning_rate", "train.epochs"
_AS_MANY_STEPS, _AS_LONG = "supervised training of as many steps", "supervised training for as long"
_NEARLY = 0.95
"""The part of the best's time from which on another has trained for as long; how fast steps are varies by so much."""


@dataclass(frozen=True)
class Sort:
    """What is trained with N seeds.

    name: for people.
    config: but for the seeds.
    run: of the search, with these settings.
    against: what the best is measured against when this is one of several that are offered: the best of those counts.
    """

    name: str
    config: Config
    run: str | None = None
    against: str | None = None


def sorts_of(board: Leaderboard) -> list[Sort]:
    """What is trained again: the best trials, the paper's defaults, and supervised training of as many steps.

    The paper has no burn-in, so its defaults have none here, though the search's first trial has. Supervised training
    is tuned as the trials were: with its own learning rate, or the best trial's.

    Raises:
        InputError: no trial has come to its end.
    """
    best, baseline = board.best, board.baseline
    if best is None or best.status != "complete":
        raise InputError("no trial has come to its end: there is nothing to confirm")

    def settings(entry: Entry) -> Config:
        """Those of a trial, where the data lie by now."""
        return trial_job(board.job, entry.name, entry.values).config

    found = [Sort(f"best trial, {best.name}", settings(best), best.name)]
    if (second := next(_others(board, best, baseline), None)) is not None:
        found.append(Sort(f"second best, {second.name}", settings(second), second.name))
    if baseline is not None:
        burns_in = settings(baseline).train.burn_in > 0
        if burns_in or baseline is not best:
            published = change(settings(baseline), {"train.burn_in": 0})
            found.append(Sort("the paper's defaults", published, None if burns_in else baseline.name,
                              "the paper's defaults"))
    if board.reference is not None:
        supervised = trial_job(board.job, SUPERVISED, {}).config
        found.append(Sort(SUPERVISED, supervised, SUPERVISED, _AS_MANY_STEPS))
        if _RATE in best.values:
            rated = change(supervised, {_RATE: best.values[_RATE]})
            found.append(Sort(f"{SUPERVISED}, the best's learning rate", rated, None, _AS_MANY_STEPS))
    return found


def _others(board: Leaderboard, *but: Entry | None) -> Iterator[Entry]:
    """Trials that have come to their end, the best first."""
    return (entry for entry in board.entries if entry.status == "complete" and all(entry is not one for one in but))


def for_as_long(sorts: list[Sort], seconds: dict[str, float]) -> list[Sort]:
    """The supervised sorts of as many epochs as fit into the time of the best trial's.

    Args:
        sorts: from `sorts_of`.
        seconds: that a training of each took, by its name; of one that has failed nothing is asked.
    """
    best, *others = sorts
    found = []
    for sort in others:
        if sort.against == _AS_MANY_STEPS and sort.name in seconds:
            epochs = round(sort.config.train.epochs * seconds[best.name] / seconds[sort.name])
            if epochs > sort.config.train.epochs:
                found.append(Sort(f"{sort.name}, for as long", change(sort.config, {_EPOCHS: epochs}), None, _AS_LONG))
    return found


def confirm(board: Leaderboard, datasets: Datasets, seeds: int, room: Room, lease: Lease) -> Confirmed:
    """Train what is not trained yet, and write `confirmed.json`. What diverges with one of the seeds is left out of it,
    but for the best: its gain over the others is what is asked.

    Args:
        board: the search, at its end.
        datasets: of the search; whom it measures on is the same for all seeds.
        seeds: N, apart from the search's own.
        room: for trainings at a time.
        lease: of the search.

    Raises:
        InputError: there is nothing to confirm, the best has failed, or another that may end well next time.
        Stopped: it was asked to stop; what is trained stays.
    """
    folder, sorts = RunsFolder(board.folder / CONFIRM), sorts_of(board)
    folder.path.mkdir(exist_ok=True)
    failed = dict[str, str]()

    def train(some: list[Sort]) -> dict[Sort, tuple[Run, ...]]:
        """The trainings of each sort that has come to its end with all seeds."""
        runs = {sort: tuple(Run(sort.config).repeated(number) for number in range(1, seeds + 1)) for sort in some}
        names = {run: f"{sort.name}, seed {number}" for sort, each in runs.items()
                 for number, run in enumerate(each, 1)}
        causes = _train(names, folder, room, lease)
        for sort, each in runs.items():
            if found := [causes[run] for run in each if run in causes]:
                failed[sort.name] = f"{len(found)} of {seeds} trainings failed, the first because {found[0]}"
        return {sort: each for sort, each in runs.items() if sort.name not in failed}

    runs = train(sorts)
    if sorts[0].name in failed:
        raise InputError(f"{sorts[0].name}: {failed[sorts[0].name]}; what fails with other seeds is no best to confirm")
    seconds = {sort.name: float(np.mean([seconds_of(read_metrics(folder.find(run))) for run in each]))
               for sort, each in runs.items()}
    if longer := for_as_long(sorts, seconds):  # only now it is known how long that is
        runs |= train(longer)
    measured = datasets if datasets.test is None else datasets.of_test()
    found = _compared(board.config.eval.metric, runs, folder, measured, tested=datasets.test is not None)
    found = dataclasses.replace(found, failed=failed)
    write_confirmed(board.folder, found)
    return found


def _train(names: dict[Run, str], folder: RunsFolder, room: Room, lease: Lease) -> dict[Run, str]:
    """Train what is left, and say so; it shares the cores anew, as there are more trainings than the search had.

    Returns: what failed from its settings and would fail again, and why.

    Raises:
        InputError: a training has failed from what the machine is to blame for.
    """
    left = sum(folder.result(run) is None for run in names)
    cluster = share_cores(room.job, max(1, min(room(), left)), room.share).cluster
    done, began, failures = len(names) - left, time.monotonic(), list[Ended]()
    print(f"confirming: {len(names)} trainings, {done} done, {room} -> {folder.path}", flush=True)

    def tell(end: Ended) -> None:
        nonlocal done
        done += 1
        if end.failure is not None:
            failures.append(end)
        seconds = (time.monotonic() - began) / (done - len(names) + left) * (len(names) - done)
        print(f"[{done}/{len(names)}] {names[end.run]}: {'done' if end.failure is None else f'FAILED: {end.failure}'}, "
              f"about {duration(seconds)} left", flush=True)

    with stop_gently(folder.path, lease) as stop:
        run_aside(lambda: train_all(names, folder, cluster, room, tell, lease), stop)
    worth_a_try = [end for end in failures if not end.by_settings]
    if worth_a_try:
        raise InputError(f"{len(worth_a_try)} of the trainings that confirm failed, the first because "
                         f"{worth_a_try[0].failure}; --resume with --confirm tries them again")
    return {end.run: str(end.failure) for end in failures}


def _compared(metric: str, runs: dict[Sort, tuple[Run, ...]], folder: RunsFolder, datasets: Datasets,
              tested: bool) -> Confirmed:
    of = TEST if tested else ""
    kinds = [_kind(sort, f"{of}{metric}", [read_metrics(folder.find(run)) for run in each])
             for sort, each in runs.items()]
    scores = [[score_of_run(metric, run.config.method.scored, folder.find(run), datasets, of) for run in each]
              for each in runs.values()]
    offered: dict[str, list[int]] = {}
    for number, sort in enumerate(runs):
        if sort.against is not None:
            offered.setdefault(sort.against, []).append(number)
    gains = {}
    for name, numbers in offered.items():
        hardest = max(numbers, key=lambda number: kinds[number].score)
        gains[_timed(name, kinds[hardest], kinds[0])] = paired_gain(scores[0], scores[hardest],
                                                                    images_drawn(metric, datasets))
    best, seeds = next(iter(runs.items()))
    return Confirmed(METRIC_NAMES[metric], len(seeds), len(datasets.val), tested, kinds, gains,
                     best.config.data.draws_labels)


def _timed(name: str, other: Kind, best: Kind) -> str:
    """What the best is measured against; where it should have taken as long and did not, the part that it took."""
    part = other.seconds / best.seconds
    return f"supervised training for {part:.2f} of the time" if name == _AS_LONG and part < _NEARLY else name


def _kind(sort: Sort, metric: str, runs: Sequence[list[Metrics]]) -> Kind:
    values = [metrics[-1][metric] for metrics in runs]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    ensemble = float(np.mean([metrics[-1][f"{metric}_{ENSEMBLE}"] for metrics in runs]))
    return Kind(sort.name, sort.run, float(np.mean(values)), spread, ensemble, int(runs[0][-1]["step"]),
                float(np.mean([seconds_of(metrics) for metrics in runs])))
