"""The best of a search trained again with other seeds, beside what it is measured against: `run_tune.py --confirm N`.

A search tries many settings and keeps what scored best, partly by luck; what is trained again was not chosen. The runs
lie in `confirm/` in the search's folder, what came of them in `confirmed.json`.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobs.cluster.stopping import run_aside, stop_gently
from jobs.config import Job
from jobs.paper.schedule import Ended, Run, RunsFolder, train_all
from jobs.run_folder.console import duration
from trs.config import Config, change
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.evaluation.coco_eval import match
from trs.evaluation.intervals import Gain, Score, average_precision, mean_of, paired_gain, share
from trs.evaluation.pck import pck_counts, pckh_counts
from trs.evaluation.protocol import ENSEMBLE, METRIC_NAMES, TEST
from trs.evaluation.results import PREDICTIONS, predicted_people, read_predictions, stack_poses
from trs.files import read_json, write_text
from tune.leaderboard import Leaderboard
from tune.plan import SUPERVISED, trial_job

CONFIRM, CONFIRMED_FILE = "confirm", "confirmed.json"
_RATE = "train.learning_rate"
BEST, DEFAULTS = "best", "paper's defaults"


@dataclass(frozen=True)
class Kind:
    """One kind of training, with N seeds.

    name: for people.
    score: the metric's mean over the seeds, and `spread` its standard deviation; None for a single seed.
    ensemble: the mean of the ensemble's.
    """

    name: str
    score: float
    spread: float | None
    ensemble: float


@dataclass(frozen=True)
class Confirmed:
    """What has come of all kinds.

    metric: for people.
    seeds: N.
    people: on whom they were measured, and whether these are `tested`: have chosen nothing.
    kinds: the best first.
    gains: of the best over each of the others it is measured against, by name.
    """

    metric: str
    seeds: int
    people: int
    tested: bool
    kinds: list[Kind]
    gains: dict[str, Gain]

    def lines(self) -> list[str]:
        """What a person reads of it."""
        who = "people who chose nothing" if self.tested else "validation people, who chose the best"
        width = max(len(kind.name) for kind in self.kinds)
        said = [f"trained again with {self.seeds} other seeds of labels and weights, measured on {self.people:,} "
                f"{who}:"]
        for kind in self.kinds:
            spread = "" if kind.spread is None else f" ± {kind.spread:.3f}"
            said.append(f"  {kind.name:<{width}}  {self.metric} {kind.score:.3f}{spread}, ensemble {kind.ensemble:.3f}")
        return said + [f"  gain of the best over {name}: {gain}" for name, gain in self.gains.items()]


def kinds_of(board: Leaderboard) -> dict[str, Config]:
    """What is trained again: the best trial, the paper's defaults, and supervised training, tuned as the trials were.

    Raises:
        InputError: no trial has come to its end.
    """
    best = board.best
    if best is None or best.status != "complete":
        raise InputError("no trial has come to its end: there is nothing to confirm")
    found = {f"{BEST} ({best.name})": board.run_job(best).config}
    if board.baseline is not None and board.baseline is not best:
        found[DEFAULTS] = board.run_job(board.baseline).config
    if board.reference is not None:
        supervised = trial_job(board.job, SUPERVISED, {}).config
        found[SUPERVISED] = supervised
        if _RATE in best.values:
            found[f"{SUPERVISED}, the best's learning rate"] = change(supervised, {_RATE: best.values[_RATE]})
    return found


def confirm(board: Leaderboard, job: Job, datasets: Datasets, seeds: int, concurrent: int) -> Confirmed:
    """Train what is not trained yet, and write `confirmed.json`.

    Args:
        board: the search, at its end.
        job: what its trials share.
        datasets: of the search; whom it measures on is the same for all seeds.
        seeds: N, apart from the search's own.
        concurrent: trainings at a time.

    Raises:
        InputError: there is nothing to confirm, or a training has failed.
        Stopped: it was asked to stop; what is trained stays.
    """
    folder = RunsFolder(board.folder / CONFIRM)
    folder.path.mkdir(exist_ok=True)
    runs = {name: tuple(Run(config).repeated(number) for number in range(1, seeds + 1))
            for name, config in kinds_of(board).items()}
    names = {run: f"{name}, seed {number}" for name, each in runs.items() for number, run in enumerate(each, 1)}
    left = sum(folder.result(run) is None for run in names)
    print(f"confirming with {seeds} other seeds: {len(names)} trainings, {len(names) - left} done", flush=True)
    failures, began = list[Ended](), time.monotonic()
    done = len(names) - left

    def tell(end: Ended) -> None:
        nonlocal done
        done += 1
        if end.failure is not None:
            failures.append(end)
        remaining = (time.monotonic() - began) / (done - len(names) + left) * (len(names) - done)
        print(f"[{done}/{len(names)}] {names[end.run]}  {'FAILED: ' + end.failure if end.failure else 'done'}  "
              f"about {duration(remaining)} left", flush=True)

    with stop_gently(folder.path):
        run_aside(lambda: train_all(names, folder, job.cluster, concurrent, tell))
    if failures:
        raise InputError(f"{len(failures)} of the trainings that confirm failed, the first because "
                         f"{failures[0].failure}; the same command with --resume tries them again")
    measured = datasets if datasets.test is None else datasets.of_test()
    found = _compared(board.config.eval.metric, runs, folder, measured, tested=datasets.test is not None)
    write_text(board.folder / CONFIRMED_FILE, json.dumps(dataclasses.asdict(found), indent=1) + "\n")
    return found


def _compared(metric: str, runs: dict[str, tuple[Run, ...]], folder: RunsFolder, datasets: Datasets,
              tested: bool) -> Confirmed:
    scores = {name: [_score(metric, run.config, folder.find(run), datasets, TEST if tested else "") for run in each]
              for name, each in runs.items()}
    kinds = [_kind(name, metric, [folder.result(run) or {} for run in each], TEST if tested else "")
             for name, each in runs.items()]
    best, *others = kinds
    supervised = [kind for kind in others if kind.name.startswith(SUPERVISED)]
    against = [kind for kind in others if kind not in supervised]
    if supervised:  # tuned as the trials were: of two learning rates the one that is better for it
        against.append(max(supervised, key=lambda kind: kind.score))
    images = len(np.unique(datasets.val.image_ids)) if datasets.truth is None else len(datasets.truth.image_ids)
    gains = {kind.name: paired_gain(scores[best.name], scores[kind.name], images) for kind in against}
    return Confirmed(METRIC_NAMES[metric], len(scores[best.name]), len(datasets.val), tested, kinds, gains)


def _kind(name: str, metric: str, metrics: list[dict[str, float]], of: str) -> Kind:
    values = [one[f"{of}{metric}"] for one in metrics]
    ensembles = [one[f"{of}{metric}_{ENSEMBLE}"] for one in metrics]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Kind(name, float(np.mean(values)), spread, float(np.mean(ensembles)))


def _score(metric: str, config: Config, run: Path, datasets: Datasets, of: str) -> Score:
    """How a run scores on any draw of images: the mean of the networks that its method is scored by."""
    results = [read_predictions(run / PREDICTIONS / f"{of}{name}.json")
               for name in config.method.scored]
    if metric != "ap":
        return mean_of([_share_right(metric, datasets, one) for one in results])
    assert datasets.truth is not None, "require_metric has seen to it"
    return mean_of([average_precision(match(datasets.truth, one, datasets.skeleton.sigmas)) for one in results])


def _share_right(metric: str, datasets: Datasets, results: list[dict[str, Any]]) -> Score:
    people, predicted = datasets.val, predicted_people(datasets.val, results)
    rows = np.searchsorted(people.ids, predicted.ids, sorter=(order := np.argsort(people.ids)))
    poses = order[rows], stack_poses(results, predicted)
    right, labeled = pck_counts(people, *poses) if metric == "pck" else pckh_counts(people, *poses, datasets.skeleton)
    image = np.unique(people.image_ids, return_inverse=True)[1]
    return share(np.bincount(image, right), np.bincount(image, labeled))


def read_confirmed(folder: Path) -> Confirmed | None:
    """Read what a search has confirmed; None before it has."""
    file = folder / CONFIRMED_FILE
    if not file.exists():
        return None
    try:
        plain = read_json(file)
        return Confirmed(**{**plain, "kinds": [Kind(**kind) for kind in plain["kinds"]],
                            "gains": {name: Gain(**gain) for name, gain in plain["gains"].items()}})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} does not hold what a search has confirmed ({error}); delete it, and confirm again"
                         ) from error
