"""The trials of a search on Ray Tune, as far as they are left."""

from __future__ import annotations

from pathlib import Path

import optuna
import ray
import ray.tune

from jobs.cluster.connect import DRIVER
from jobs.cluster.stopping import STOP_FILE
from jobs.run_folder.layout import MISTAKE_FILE
from jobs.run_folder.metrics import read_metrics
from trs import config as configs
from trs.config import Config
from trs.data.datasets import Datasets
from tune.live import watching
from tune.plan import Search
from tune.publish.optuna_notes import keep_poses
from tune.study import SUPERVISED, StudyPruner, StudySearcher, trials_left
from tune.trial import TRIALS, run_trial


def run(folder: Path, config: Config, sets: Datasets, search: Search, study: optuna.Study, concurrent: int) -> None:
    """Run what is left of a search; asked to stop, it returns early, with the study as it is then.

    Args:
        folder: of the search.
        config: that the suggestions change.
        sets: that all trials share.
        search: the plan.
        study: new, or of an earlier start.
        concurrent: trials at a time.
    """
    reference = reference_is_left(folder, config, search)
    samples = trials_left(study, search.trials) + reference
    if samples == 0:
        return
    searcher = StudySearcher(study, search.distributions, reference, config.train.seed, config.eval.metric,
                             lambda name: read_metrics(folder / TRIALS / name), (folder / STOP_FILE).exists,
                             config.train.epochs, lambda trial: keep_poses(folder, trial, config))
    driver = ray.tune.with_parameters(run_trial, base=configs.to_dict(config), sets=sets, folder=str(folder))
    with watching(folder, config, samples) as watch:
        ray.tune.Tuner(
            ray.tune.with_resources(driver, DRIVER),
            tune_config=ray.tune.TuneConfig(
                search_alg=ray.tune.search.ConcurrencyLimiter(searcher, max_concurrent=concurrent),
                scheduler=StudyPruner(searcher), num_samples=samples),
            run_config=ray.tune.RunConfig(
                name="ray", storage_path=str(folder), verbose=0, callbacks=[watch])).fit()


def reference_is_left(folder: Path, config: Config, search: Search) -> bool:
    """Whether the supervised reference has still to be trained; like a trial, one that failed has had its try."""
    run = folder / TRIALS / SUPERVISED
    metrics = read_metrics(run)
    done = bool(metrics) and metrics[-1]["epoch"] >= config.train.epochs
    return search.reference and not done and not (run / MISTAKE_FILE).exists()
