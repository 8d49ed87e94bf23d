"""A search over trainings: what `run_tune.py` starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.trial import TrialState

from jobs import cli
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.resources import room_for, share_cores
from jobs.cluster.stopping import Stopped, run_aside, stop_gently
from jobs.run_folder.layout import write_run
from jobs.training.prepare import prepare
from trs.errors import InputError
from tune.confirm import confirm
from tune.identity import identities, require_whole, settle
from tune.leaderboard import read_leaderboard
from tune.plan import TRIALS, Plan, Search, load_plan, save_search
from tune.publish.files import compare
from tune.report.gallery import Validation
from tune.runner import run, trainings_left
from tune.space import check_space, chosen_space, describe, get, paper_defaults, without_mixing
from tune.storage import open_study
from tune.study import BASELINE


@dataclass(frozen=True)
class Command(Plan, cli.Command):
    """Search: trainings with TPE and successive halving, beside the paper's defaults and a supervised reference."""

    space: tuple[str, ...] = ()
    """Further ranges to search, or other ones: name=low..high, name=low..high:log, name=a,b,c."""
    space_file: Path | None = None
    """A YAML file of ranges that replaces the default space."""
    concurrent: int | None = field(default=None, metadata=cli.MAY_CHANGE)
    """Trials at a time; by default as many as the cluster holds."""
    confirm: int = field(default=0, metadata=cli.MAY_CHANGE)
    """After the search, train the best trial, the paper's defaults and supervised training again with so many other
    seeds of labels and weights, and say what is left of the gains."""

    @property
    def plan(self) -> Plan:
        """What was asked for."""
        return Plan(**{option.name: getattr(self, option.name) for option in dataclasses.fields(Plan)})


def main(arguments: list[str]) -> None:
    """Search, or resume a search, and compare its trials."""
    command = cli.parse(Command, arguments, "python run_tune.py")
    folder, job = command.folder, command.job
    if folder.exists() and not command.resume:
        raise InputError(f"{folder} exists already: resume it with {command.to_resume}, or choose another --name")
    if command.confirm < 0:
        raise InputError("--confirm must not be negative")
    plan, space = load_plan(folder) if command.resume else (
        command.plan, chosen_space(job.config, list(command.space), command.space_file))
    if command.resume:
        require_whole(folder)
    check_space(job.config, space)
    defaults = paper_defaults(job.config, space)
    datasets = prepare(job.config, folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    connect()
    room = room_for(job, command.concurrent)
    checks.require(job, datasets, folder)
    job = share_cores(job, min(room(), plan.trials + plan.reference))
    write_run(job, datasets.split, folder)
    search = Search(folder, job, plan, space)
    save_search(search, datasets.skeleton)
    study = open_study(folder, search.grace_epochs, plan.reduction_factor)
    told = settle(study, folder)
    search = dataclasses.replace(search, identities=tuple(identities(study)))
    if told is not None:
        print(told, flush=True)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(defaults, user_attrs={BASELINE: True})
        # Not one that would wait forever: who asks for one trial gets the defaults alone.
        for point in without_mixing(defaults, space)[: plan.trials - 1]:
            study.enqueue_trial(point)
    print(f"{command.title}: {plan.trials} trials, {room}, of {job.config.train.epochs} epochs on "
          f"{len(datasets.labeled)} labeled and {len(datasets.unlabeled)} unlabeled people -> {folder}", flush=True)
    cli.tell_notes(datasets.notes)
    print("searched: " + "  ".join(f"{name}={text}" for name, text in describe(space).items()), flush=True)
    for name, value in defaults.items():
        if get(job.config, name) != value:
            print(f"the first trial runs the paper's {name}={value}, not {get(job.config, name)}", flush=True)
    ended_by: Exception = InputError(f"Ray Tune has ended early; see its files in {folder / 'ray'}")
    try:
        with stop_gently(folder):
            run_aside(lambda: run(search, datasets, study, room))
    except Stopped as stopped:
        ended_by = stopped
    compare(read_leaderboard(folder), Validation.loaded(folder, job.config.data, datasets))
    left = trainings_left(search, study)
    if left:
        print(f"stopped with {left} trainings left; resume with: python run_tune.py {command.to_resume}", flush=True)
        raise ended_by
    if all(trial.state is TrialState.FAIL for trial in study.get_trials(deepcopy=False)):
        raise InputError(f"every trial failed; the lines above say why, the trials lie in {folder / TRIALS}")
    if command.confirm:
        confirm(read_leaderboard(folder), job, datasets, command.confirm, room)
        compare(read_leaderboard(folder), Validation.loaded(folder, job.config.data, datasets))
