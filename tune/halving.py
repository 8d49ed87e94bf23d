"""Successive halving: which trials are stopped early."""

from __future__ import annotations

from typing import cast

import optuna
from optuna.trial import FrozenTrial, TrialState


class Halving(optuna.pruners.SuccessiveHalvingPruner):
    """Successive halving among the trials that have not failed.

    Optuna's compares a trial with whatever has reached its rung, also with what a trial reported before it diverged.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether successive halving ends a trial after what it has reported."""
        return super().prune(cast(optuna.Study, _WithoutFailed(study)), trial)


class _WithoutFailed:
    """A study, but for the trials that have failed."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study

    def __getattr__(self, name: str) -> object:
        return getattr(self.study, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        return [trial for trial in self.study.get_trials(deepcopy) if trial.state is not TrialState.FAIL]
