"""The trials of a search on Ray Tune, as far as they are left."""

from __future__ import annotations

from collections.abc import Callable

import optuna

from jobs.cluster.failures import OfMachine
from jobs.run_folder.checkpoints import prune
from jobs.run_folder.metrics import best_step
from jobs.training.datasets import store
from jobs.training.many import train_many
from trs.data.datasets import Datasets
from tune.live import report_live
from tune.plan import Search, trial_name
from tune.publish.optuna_notes import keep_poses
from tune.report.gallery import Validation
from tune.study import StudyPruner, StudySearcher, trials_left
from tune.trial import run_trial


def run(search: Search, datasets: Datasets, study: optuna.Study, room: Callable[[], int]) -> None:
    """Run what is left of a search; asked to stop, it returns early, with the study as it is then.

    Args:
        search: the search.
        datasets: that all trials share.
        study: new, or of an earlier start.
        room: how many trials there may be at a time, asked before each start.

    Raises:
        OfMachine: the storage takes nothing more; the search can be resumed.
    """
    samples = trainings_left(search, study)
    if samples == 0:
        _trim(search, study)  # who was killed after the last trial has not
        return
    people = Validation.loaded(search.folder, search.config.data, datasets)
    searcher = StudySearcher(study, search, room,
                             before_end=lambda trial: keep_poses(search.folder, trial, people))
    shared = {"search": search, "stored": store(datasets)}
    with report_live(search, samples) as callback:
        # Each may want a burn-in of its own, and tries, and people queue more: the searcher knows what is left.
        train_many(run_trial, shared, searcher, search.folder, -1, room, [callback], StudyPruner(searcher))
    _trim(search, study)
    if searcher.gives_up is not None:
        raise OfMachine(searcher.gives_up)


def _trim(search: Search, study: optuna.Study) -> None:
    """Keep the newest and the best checkpoint of each trial that has ended; nobody goes on from it."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            run = search.run_folder(trial_name(trial.number))
            best = best_step(run, search.config.eval.metric)
            prune(run, [] if best is None else [best], newest=1)


def trainings_left(search: Search, study: optuna.Study) -> int:
    """Count the trainings that are still to run, the reference's included."""
    return trials_left(study, search.plan.trials) + search.reference_is_left()
