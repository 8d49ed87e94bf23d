"""Optuna's study as the one memory of a search, and its bridges to Ray Tune.

Ray's own OptunaSearch keeps its state in a pickle, records a pruned trial as complete with its cut-short value, and
leaves orphans in the study after a crash. Here everything that must survive lies in the study's database: what was
asked, every reported score, the rungs of the successive halving (Optuna's pruner keeps them there), how a trial ended.
A resumed search hands out the trials that were running when it broke off, under their old numbers, before new ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from tune.space import Space

ReadMetrics = Callable[[str], list[dict[str, float]]]
STUDY_FILE = "study.db"
SUPERVISED = "supervised"
"""Name of the reference run, which is no trial of the study."""
BASELINE = "baseline"
"""User attribute of the trial that runs the paper's defaults."""


def open_study(folder: Path, grace_epochs: int, reduction_factor: int) -> optuna.Study:
    """The study of a search folder, new or resumed, with ASHA as Optuna's asynchronous successive halving."""
    return optuna.create_study(
        storage=f"sqlite:///{folder / STUDY_FILE}", study_name=folder.name, direction="maximize", load_if_exists=True,
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=grace_epochs, reduction_factor=reduction_factor))


def read_study(folder: Path) -> optuna.Study:
    """An existing study, to look at."""
    return optuna.load_study(storage=f"sqlite:///{folder / STUDY_FILE}", study_name=folder.name)


def sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """TPE for the trial with this number.

    Its draws depend on the seed and the number, not on what this process has drawn before: a resumed search would
    otherwise begin with the draws of its first start, and run the same trials twice.
    """
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=5, multivariate=True, constant_liar=True)


def running(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that no one has ended: when no search runs, those that were broken off."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def trials_left(study: optuna.Study, wanted: int) -> int:
    """Trials still to run, those that were broken off included."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return max(0, wanted - len(ended))


def trial_name(number: int) -> str:
    """The name of the study's trial with this number."""
    return f"{number:04d}"


class StudySearcher(Searcher):
    """Ray Tune's searcher over an Optuna study.

    Args:
        study: from `open_study`.
        space: what is searched.
        reference: suggest the supervised reference first.
        seed: of the draws.
        metric: that is maximised.
        read_metrics: what the run of a trial's name has written so far, oldest first.
        stopping: whether the search is being stopped: nothing new starts, and what ends early stays to be resumed.
        epochs: of a whole trial; after the last there is nothing left to stop.
        before_end: called with a trial before its end is recorded, after which the study takes nothing more.
    """

    def __init__(self, study: optuna.Study, space: Space, reference: bool, seed: int, metric: str = "ap",
                 read_metrics: ReadMetrics = lambda name: [], stopping: Callable[[], bool] = lambda: False,
                 epochs: float = math.inf,
                 before_end: Callable[[optuna.trial.Trial], None] = lambda trial: None) -> None:
        super().__init__(metric=metric, mode="max")
        self.study, self.space, self.seed = study, space, seed
        self.read_metrics, self.stopping, self.before_end = read_metrics, stopping, before_end
        self.epochs = epochs
        self.reference_waits = reference
        self.broken_off = [optuna.trial.Trial(study, trial._trial_id) for trial in running(study)]
        self.asked: dict[str, optuna.trial.Trial] = {}
        self.pruned: set[str] = set()
        self.diverged: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The supervised reference first, then trials that were broken off, then new ones."""
        if self.stopping():
            return Searcher.FINISHED
        if self.reference_waits:
            self.reference_waits = False
            return {"name": SUPERVISED, "values": {}}
        trial = self.broken_off.pop(0) if self.broken_off else self._ask()
        self.asked[trial_id] = trial
        return {"name": trial_name(trial.number), "values": dict(trial.params)}

    def _ask(self) -> optuna.trial.Trial:
        trials = self.study.get_trials(deepcopy=False)
        asked = sum(trial.state != TrialState.WAITING for trial in trials)  # the enqueued defaults wait
        self.study.sampler = sampler(self.seed, asked)
        return self.study.ask(self.space)

    def should_prune(self, trial_id: str, epoch: int, value: float) -> bool:
        """Record a trial's score after an epoch; true if successive halving ends it there, or it is not a number.

        The reference and the paper's defaults run to their end: what is measured against must be measured whole.
        """
        trial = self.asked.get(trial_id)
        if trial is None:
            return False
        if not math.isfinite(value):
            self.diverged.add(trial_id)
            return True
        trial.report(value, epoch)
        if epoch < self.epochs and trial.should_prune() and BASELINE not in trial.user_attrs:
            self.pruned.add(trial_id)
            return True
        return False

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record how a trial ended."""
        trial = self.asked.pop(trial_id, None)
        if trial is None:
            return
        if self.stopping() and trial_id not in self.pruned | self.diverged:
            return
        reported = self._reported(trial)
        for metrics in [] if trial_id in self.pruned | self.diverged else self.read_metrics(trial_name(trial.number)):
            # Epochs that a search wrote just before it was killed never came to Tune.
            if int(metrics["epoch"]) not in reported:
                trial.report(metrics[self.metric], int(metrics["epoch"]))
        reported = self._reported(trial)
        self.before_end(trial)
        if error or trial_id in self.diverged or not reported:
            self.study.tell(trial, state=TrialState.FAIL)
        elif trial_id in self.pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, reported[max(reported)])

    def _reported(self, trial: optuna.trial.Trial) -> dict[int, float]:
        return self.study._storage.get_trial(trial._trial_id).intermediate_values

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the study's database is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class StudyPruner(FIFOScheduler):
    """Ray Tune's scheduler that asks the study's pruner after every report."""

    def __init__(self, searcher: StudySearcher) -> None:
        super().__init__()
        self.searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop the trial or let it go on."""
        metric = self.searcher.metric
        stop = metric in result and self.searcher.should_prune(trial.trial_id, int(result["epoch"]), result[metric])
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
