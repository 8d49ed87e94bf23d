"""The driver of one trial: the search's job + a suggestion -> `jobs.training.trainer.fit`."""

from __future__ import annotations

from typing import Any

from jobs.cluster.connect import quieten
from jobs.run_folder.layout import MISTAKE_FILE, STOP_FILE, with_threads_of, write_run
from jobs.training.datasets import StoredDatasets
from jobs.training.many import telling_failures
from jobs.training.trainer import fit
from trs.errors import InputError
from trs.files import write_text
from tune.burn_in import burn_in
from tune.identity import require_own, suggestion_of
from tune.plan import Search, trial_job
from tune.reports import passed_on


def run_trial(suggestion: dict[str, Any], search: Search, stored: StoredDatasets) -> None:
    """Train one suggestion, and report what it fails from."""
    with telling_failures():
        _run(suggestion, search, stored)


def _run(suggestion: dict[str, Any], search: Search, stored: StoredDatasets) -> None:
    """Train one suggestion in `trials/NAME`; a trial that was interrupted is resumed from its last checkpoint.

    Args:
        suggestion: `name` and `values`, from `tune.study.StudySearcher.suggest`; with `burns_in` not the trial is
            trained, but what it will go on from.
        search: the search.
        stored: the datasets that all trials share.
    """
    quieten()
    search.require_lease()
    name, values, stop = suggestion["name"], suggestion["values"], search.folder / STOP_FILE
    shared = burn_in(search, name, values)
    if suggestion.get("burns_in"):
        assert shared is not None
        job = with_threads_of(shared.folder, shared.job)
        write_run(job, stored.split, shared.folder)
        fit(job, stored, shared.folder, stop=stop, until=job.config.train.burn_in, lease=search.lease)
        return
    run = search.run_folder(name)
    job = with_threads_of(run, trial_job(search.job, name, values))
    require_own(run, search.identities, name, values)
    write_run(job, stored.split, run)
    if shared is not None and not shared.is_done:
        write_text(run / MISTAKE_FILE, shared.mistake)
        raise InputError(shared.mistake)
    with passed_on() as report:
        fit(job, stored, run, callbacks=[report], stop=stop, burned_in=None if shared is None else shared.state,
            suggestion=suggestion_of(search.identities, name, values), lease=search.lease)
