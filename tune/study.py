"""Optuna's study as the one memory of a search, and its bridges to Ray Tune.

Ray's own OptunaSearch keeps its state in a pickle, records a pruned trial as complete with its cut-short value, and
leaves orphans in the study after a crash. Here everything that must survive lies in the study's database: what was
asked, every reported score, the rungs of the successive halving (Optuna's pruner keeps them there), how a trial ended.
A resumed search hands out the trials that were running when it was interrupted, under their old numbers, before new
ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from jobs.cluster.failures import Blame
from jobs.run_folder.metrics import read_metrics
from jobs.training.many import Failure, StatelessSearcher
from tune.burn_in import burn_in
from tune.optuna_private import asked_for, live
from tune.plan import SUPERVISED, Search, trial_name
from tune.space import suggest, values_fault

BASELINE, OWN, QUEUED, CAUSE = "baseline", "own", "queued", "cause"
"""User attributes of a trial: it runs the paper's defaults; the search itself has enqueued it; a person has, and it
comes on top; why it has failed, or waits for another try."""
REFERENCE_CAUSE = "reference_cause"
"""User attribute of the study, which has no trial for the reference: why that waits for another try."""
TRIES = 3
"""Of a trial that fails from no fault of its settings, in one start of a search."""


def sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Make the TPE sampler for the trial with this number.

    Its draws depend on the seed and the number, not on what this process has drawn before: a resumed search would
    otherwise begin with the draws of its first start, and run the same trials twice.
    """
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=5, multivariate=True, constant_liar=True)


def running(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Find the trials that no one has ended: when no search runs, those that were interrupted."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def queued(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Find the trials that wait because somebody has enqueued them, by --queue or by `optuna.Study.enqueue_trial`."""
    return [trial for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if not trial.user_attrs.keys() & {BASELINE, OWN}]


def ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Find the trials that have ended, but for those that were queued."""
    return [trial for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED,
                                                                       TrialState.FAIL))
            if QUEUED not in trial.user_attrs]


def trials_left(study: optuna.Study, wanted: int) -> int:
    """Count the trials still to run, those that were interrupted included, and those that are queued on top."""
    begun = running(study)
    on_top = sum(QUEUED in trial.user_attrs for trial in begun)
    # What has begun goes on, though fewer are wanted by now.
    return max(wanted - len(ended(study)), len(begun) - on_top) + on_top + len(queued(study))


class StudySearcher(StatelessSearcher):
    """Ray Tune's searcher over the study of a search, whose database is its state.

    Args:
        study: from `open_study`.
        search: whose trials these are. While it is being stopped nothing new starts, and what ends early stays to be
            resumed.
        room: trials at a time: so many may wait for a burn-in, and no more is asked for before anything is known.
        before_end: called with a trial before its end is recorded, after which the study takes nothing more.
    """

    def __init__(self, study: optuna.Study, search: Search, room: Callable[[], int] = lambda: 1,
                 before_end: Callable[[optuna.trial.Trial], object] = lambda trial: None) -> None:
        super().__init__(metric=search.config.eval.metric, mode="max")
        self.study, self.search, self.before_end = study, search, before_end
        self.reference_waits = search.reference_is_left()
        self.room = room
        self.left = trials_left(study, search.plan.trials)
        self.in_queue = {trial.number for trial in queued(study)}
        self.waiting = [self._resumed(trial) for trial in running(study)]
        self.asked: dict[str, optuna.trial.Trial] = {}
        self.burning: dict[str, Path] = {}
        self.tried: set[Path] = set()
        self.pruned: set[str] = set()
        self.diverged: set[str] = set()
        self.failures: dict[str, Failure] = {}
        self.tries = Counter[str]()
        self.reference: str | None = None
        self.gives_up: str | None = None

    # Ray's annotation knows no FINISHED.
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Hand out the supervised reference first, then trials that were interrupted, then queued and new ones.

        What is queued while others run is handed out too. Before the first trial that goes on from a burn-in comes the
        burn-in itself, and the trial waits for it.

        Returns: `name` and `values` of a trial, and `burns_in` where it is its burn-in that is asked for; None where
            all that is left waits; or the end.
        """
        if self.search.is_stopping() or self.gives_up:
            return Searcher.FINISHED
        if self.reference_waits:
            self.reference_waits, self.reference = False, trial_id
            if self.study.user_attrs.get(REFERENCE_CAUSE):
                self.study.set_user_attr(REFERENCE_CAUSE, None)  # it waits no more for another try
            return {"name": SUPERVISED, "values": {}}
        self._look_into_queue()
        none_is_ready = all(self._must_wait(trial) for trial in self.waiting)
        if none_is_ready and len(self.waiting) < min(self.left, self.room()):
            if (asked := self._ask()) is None:
                return self.suggest(trial_id)
            self.waiting.append(asked)
        for trial in self.waiting:
            suggestion = {"name": trial_name(trial.number), "values": dict(trial.params)}
            folder = self._burn_in_left(trial)
            if folder is None:
                self.waiting.remove(trial)
                self.left -= 1
                if trial.user_attrs.get(CAUSE):
                    trial.set_user_attr(CAUSE, None)  # it waits no more for another try
                self.asked[trial_id] = trial
                return suggestion
            if folder not in self.burning.values():
                self.burning[trial_id] = folder
                return {**suggestion, "burns_in": True}
        return None if self.waiting or self.asked or self.reference else Searcher.FINISHED

    def _resumed(self, found: optuna.trial.FrozenTrial) -> optuna.trial.Trial:
        """A trial of an earlier start; one that was killed while it was asked for gets the settings that it lacks."""
        self.study.sampler = sampler(self.search.config.train.seed, found.number)
        trial = live(self.study, found)
        if not self.search.run_folder(trial_name(found.number)).exists():  # nothing of it was trained
            for name, distribution in self.search.space.items():
                suggest(trial, name, distribution)
        return trial

    def _look_into_queue(self) -> None:
        """Count what was queued since the last look."""
        new = {trial.number for trial in queued(self.study)} - self.in_queue
        self.in_queue |= new
        self.left += len(new)

    def _burn_in_left(self, trial: optuna.trial.Trial) -> Path | None:
        """The folder of a trial's burn-in, if that must be trained first; one that has failed fails in the trial."""
        shared = burn_in(self.search, trial_name(trial.number), dict(trial.params))
        return None if shared is None or shared.is_done or shared.folder in self.tried else shared.folder

    def _must_wait(self, trial: optuna.trial.Trial) -> bool:
        return self._burn_in_left(trial) in self.burning.values()

    def _ask(self) -> optuna.trial.Trial | None:
        """Ask for a trial that waits, or for a new one; None after one that was queued with what it cannot have."""
        self.search.require_lease()
        trials = self.study.get_trials(deepcopy=False)
        asked = sum(trial.state != TrialState.WAITING for trial in trials)  # the enqueued defaults wait
        self.study.sampler = sampler(self.search.config.train.seed, asked)
        trial = self.study.ask()
        wanted = asked_for(self.study.get_trials(deepcopy=False)[trial.number])
        if wanted and not trial.user_attrs.keys() & {BASELINE, OWN} and trial.number not in self.in_queue:
            self.in_queue.add(trial.number)  # queued this moment
            self.left += 1
        if trial.number in self.in_queue:
            trial.set_user_attr(QUEUED, True)
            fault = values_fault(self.search.config, self.search.space, wanted)
            if fault is not None:
                self.left -= 1
                trial.set_user_attr(CAUSE, f"it was queued with a setting that it cannot have: {fault}")
                self.study.tell(trial, state=TrialState.FAIL)
                print(f"[{trial_name(trial.number)}] FAILED: {trial.user_attrs[CAUSE]}", flush=True)
                return None
        for name, distribution in self.search.space.items():
            suggest(trial, name, distribution)
        return trial

    def should_prune(self, trial_id: str, epoch: int, value: float | None) -> bool:
        """Record a trial's score after an epoch; true if successive halving ends it there, or it is not a number.

        The reference, the paper's defaults and the search's own second trial run to their end: what is measured against
        must be measured whole, and who comes first to a rung is chance. After a trial's last epoch there is nothing
        left to stop.
        """
        trial = self.asked.get(trial_id)
        if trial is None:
            return False
        if value is None or not math.isfinite(value):
            self.diverged.add(trial_id)
            return True
        self.search.require_lease()
        if self._was_told(trial):
            print(f"[{trial_name(trial.number)}] was ended in the study by somebody else", flush=True)
            return True
        trial.report(value, epoch)
        runs_whole = bool(trial.user_attrs.keys() & {BASELINE, OWN})
        if epoch < self.search.config.train.epochs and trial.should_prune() and not runs_whole:
            self.pruned.add(trial_id)
            return True
        return False

    def _was_told(self, trial: optuna.trial.Trial) -> bool:
        """Whether somebody else has told the study an end of a trial that runs here: it takes nothing more."""
        return self.study.get_trials(deepcopy=False)[trial.number].state.is_finished()

    def hear(self, trial_id: str, failure: Failure) -> None:
        """Note what a trial is about to fail from."""
        self.failures[trial_id] = failure

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record how a trial ended; one that failed from no fault of its settings is tried again, now or on a resume.

        In the study such a trial has not ended.
        """
        # A driver that was lost itself has said nothing.
        failure = self.failures.pop(trial_id, Failure("its driver was lost", Blame.MACHINE)) if error else None
        again = failure is not None and failure.blame is not Blame.SETTINGS
        if trial_id in self.burning:
            folder = self.burning.pop(trial_id)
            if not again:
                self.tried.add(folder)
            elif failure is not None and not self._may_try(folder.name, failure):
                self.gives_up = failure.why  # it would be so for all that wait for it
        if trial_id == self.reference:
            self.reference = None
            self.reference_waits = again and self._may_try(SUPERVISED, failure)
            if failure is not None and again and not self.search.is_stopping():
                self.search.require_lease()
                self.study.set_user_attr(REFERENCE_CAUSE, failure.why)
        trial = self.asked.pop(trial_id, None)
        if trial is None:
            return
        if self._was_told(trial):
            return
        stopped_early = trial_id in self.pruned | self.diverged
        if self.search.is_stopping() and not stopped_early:
            return
        self.search.require_lease()
        name = trial_name(trial.number)
        written = read_metrics(self.search.run_folder(name))
        whole = bool(written) and written[-1]["epoch"] >= self.search.config.train.epochs
        if failure is not None:
            trial.set_user_attr(CAUSE, failure.why)
        if again and not stopped_early and not whole:
            if self._may_try(name, failure):
                self.waiting.append(trial)
                self.left += 1
            return
        reported = dict(self.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        failed = (failure is not None and not whole) or trial_id in self.diverged
        if not stopped_early and not failed:
            # Epochs that a search wrote just before it was killed never came to Tune.
            for metrics in written:
                epoch, score = int(metrics["epoch"]), metrics.get(self.search.config.eval.metric)
                if epoch not in reported and score is not None:
                    reported[epoch] = score
                    trial.report(score, epoch)
        self.before_end(trial)
        if failed or not reported:
            self.study.tell(trial, state=TrialState.FAIL)
        elif trial_id in self.pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, reported[max(reported)])

    def _may_try(self, name: str, failure: Failure | None) -> bool:
        """Whether to try what has failed once more; a storage that takes nothing ends the search, to be resumed."""
        if failure is not None and failure.blame is Blame.STORAGE:
            self.gives_up = failure.why
            return False
        self.tries[name] += 1
        return self.tries[name] < TRIES


class StudyPruner(FIFOScheduler):
    """Ray Tune's scheduler that asks the study's pruner after every report."""

    def __init__(self, searcher: StudySearcher) -> None:
        super().__init__()
        self.searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop the trial, or let it run."""
        if (failure := Failure.of(result)) is not None:
            self.searcher.hear(trial.trial_id, failure)
        metric = self.searcher.search.config.eval.metric
        stop = metric in result and self.searcher.should_prune(trial.trial_id, int(result["epoch"]), result[metric])
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
