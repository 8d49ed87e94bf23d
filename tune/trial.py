"""The driver of one trial: the search's job + a suggestion -> `jobs.training.trainer.fit`."""

from __future__ import annotations

import dataclasses
from typing import Any

from ray.tune.integration.ray_train import TuneReportCallback

from jobs.cluster.connect import quieten
from jobs.cluster.ray_private import put_report_queue_here
from jobs.config import Job
from jobs.run_folder.layout import STOP_FILE, write_run
from jobs.training.datasets import StoredDatasets
from jobs.training.trainer import fit
from trs.config import SupervisedConfig, change
from tune.plan import SUPERVISED, Search
from tune.space import Values


def trial_job(job: Job, name: str, values: Values) -> Job:
    """Make the job of a trial; that of the supervised reference has the other method and the rest alike."""
    config = (dataclasses.replace(job.config, method=SupervisedConfig()) if name == SUPERVISED else
              change(job.config, values))
    return dataclasses.replace(job, config=config)


def run_trial(suggestion: dict[str, Any], search: Search, stored: StoredDatasets) -> None:
    """Train one suggestion in `trials/NAME`; a trial that was interrupted is resumed from its last checkpoint.

    Args:
        suggestion: `name` and `values`, from `tune.study.StudySearcher.suggest`.
        search: the search.
        stored: the datasets that all trials share.
    """
    quieten()
    job, run = trial_job(search.job, **suggestion), search.run_folder(suggestion["name"])
    write_run(job, stored.split, run)
    put_report_queue_here()
    fit(job, stored, run, callbacks=[TuneReportCallback()], stop=search.folder / STOP_FILE)
