"""Every private name of Optuna that this project leans on, each with its reason; checked with Optuna 4.5 and 5.0.

Nothing else uses what Optuna keeps to itself: what an update of Optuna may break is here.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial


def live(study: optuna.Study, trial: FrozenTrial) -> Trial:
    """Give the trial itself for the copy that a study shows.

    The copies of `Study.get_trials` take no score and no note, and ask no pruner; no public call gives the trial of a
    number (https://github.com/optuna/optuna/issues/2987). A resumed search needs those that were running when it was
    interrupted, under their old numbers.
    """
    return Trial(study, trial._trial_id)


def asked_for(trial: FrozenTrial) -> dict[str, Any]:
    """The settings that a trial was enqueued with (`Study.enqueue_trial`), which it has no public word for."""
    return dict(trial.system_attrs.get("fixed_params", {}))
