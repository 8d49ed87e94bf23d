"""A search over trainings: what `run_tune.py` starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import optuna
import tyro
from optuna.trial import TrialState

from jobs import cli
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.failures import OfMachine
from jobs.cluster.resources import room_for, share_cores
from jobs.cluster.stopping import run_aside, stop_gently
from jobs.run_folder.layout import write_run
from jobs.run_folder.lease import Lease, Lost, hold, require_new
from jobs.training.prepare import prepare
from trs.config.checks import MAY_CHANGE
from trs.errors import InputError
from tune.confirm import confirm
from tune.going_on import enqueue, queued_values, require_continuable
from tune.identity import identities, require_whole, settle
from tune.leaderboard import read_leaderboard
from tune.plan import TRIALS, Plan, Search, load_plan, save_search, trial_name
from tune.publish.files import compare
from tune.report.gallery import Validation
from tune.runner import run, trainings_left
from tune.space import Values, check_space, chosen_space, describe, get, paper_defaults, without_mixing
from tune.storage import open_study
from tune.study import BASELINE, CAUSE, OWN, running


@dataclass(frozen=True)
class Command(Plan, cli.Command):
    """Search: trainings with TPE and successive halving, beside the paper's defaults and a supervised reference."""

    space: tuple[str, ...] = ()
    """Further ranges to search, or other ones: name=low..high, name=low..high:log, name=a,b,c."""
    space_file: Path | None = None
    """A YAML file of ranges that replaces the default space."""
    concurrent: int | None = field(default=None, metadata=MAY_CHANGE)
    """Trials at a time; by default as many as the cluster holds."""
    queue: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default=(), metadata=MAY_CHANGE)
    """Settings of a trial that is to come next, on top of --trials, such as "method.unsup_weight=2 method.mix_count=3";
    what they leave out is sampled. May be given several times."""
    confirm: int = field(default=0, metadata=MAY_CHANGE)
    """After the search, train the best trial, the paper's defaults and supervised training again with so many other
    seeds of labels and weights, and say what is left of the gains."""

    @property
    def plan(self) -> Plan:
        """What was asked for."""
        return Plan(**{option.name: getattr(self, option.name) for option in dataclasses.fields(Plan)})

    @classmethod
    def resumed(cls, folder: Path) -> dict[str, Any]:
        """The plan that a search's folder says."""
        return vars(load_plan(folder)[0])


def main(arguments: list[str]) -> None:
    """Search, or resume a search, and compare its trials."""
    command = cli.parse(Command, arguments, "python run_tune.py")
    if not command.resume:
        require_new(command.folder, command.to_resume)
    if command.confirm < 0:
        raise InputError("--confirm must not be negative")
    with hold(command.folder) as lease:
        _search(command, lease)


def _search(command: Command, lease: Lease) -> None:
    folder, job = command.folder, command.job
    plan, space = command.plan, (load_plan(folder)[1] if command.resume else
                                 chosen_space(job.config, list(command.space), command.space_file))
    if command.resume:
        require_whole(folder)
        require_continuable(folder, plan, space)
    check_space(job.config, space)
    queue = queued_values(command.queue, job.config, space)
    defaults = paper_defaults(job.config, space)
    datasets = prepare(job.config, folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    connect()
    room = room_for(job, command.concurrent)
    checks.require(job, datasets, folder)
    write_run(job, datasets.split, folder)  # a trial's own says its threads, which hang on how many there are at a time
    job = share_cores(job, min(room(), plan.trials + plan.reference + len(queue)))
    search = Search(folder, job, plan, space, lease=lease)
    save_search(search, datasets.skeleton)
    study = _study_of(search, defaults)
    enqueue(study, queue)
    search = dataclasses.replace(search, identities=tuple(identities(study)))
    queued = f" and {len(queue)} queued" if queue else ""
    print(f"{command.title}: {plan.trials} trials{queued}, {room}, of {job.config.train.epochs} epochs on "
          f"{len(datasets.labeled)} labeled and {len(datasets.unlabeled)} unlabeled people -> {folder}", flush=True)
    cli.tell_notes(datasets.notes)
    print("searched: " + "  ".join(f"{name}={text}" for name, text in describe(space).items()), flush=True)
    for name, value in defaults.items():
        if get(job.config, name) != value:
            print(f"the first trial runs the paper's {name}={value}, not {get(job.config, name)}", flush=True)
    ended_by: Exception | None = None
    try:
        with stop_gently(folder, lease):
            run_aside(lambda: run(search, datasets, study, room), lease)
    except Lost:
        raise
    except Exception as error:  # whatever it is, what there is by now is shown, and how to go on
        ended_by = error
    try:
        compare(read_leaderboard(folder), Validation.loaded(folder, job.config.data, datasets))
        left = trainings_left(search, study)
    except Exception as error:
        ended_by, left = ended_by or error, 1
    if left or ended_by is not None:
        print(f"stopped; go on with: python run_tune.py {command.to_resume}", flush=True)
        raise ended_by or OfMachine(_waiting(search, study))
    if all(trial.state is TrialState.FAIL for trial in study.get_trials(deepcopy=False)):
        raise InputError(f"every trial failed; the lines above say why, the trials lie in {folder / TRIALS}")
    if command.confirm:
        confirm(read_leaderboard(folder), job, datasets, command.confirm, room, lease)
        compare(read_leaderboard(folder), Validation.loaded(folder, job.config.data, datasets))


def _waiting(search: Search, study: optuna.Study) -> str:
    """Why a search that was not stopped has trainings left, in a sentence."""
    causes = [f"{trial_name(trial.number)}: {trial.user_attrs[CAUSE]}" for trial in running(study)
              if CAUSE in trial.user_attrs]
    return (f"{trainings_left(search, study)} trainings wait for another try"
            f"{f', the first of trial {causes[0]}' if causes else ''}; go on with --resume")


def _study_of(search: Search, defaults: Values) -> optuna.Study:
    """The study of a search, which knows itself, with its first trials enqueued."""
    study = open_study(search.folder, search.grace_epochs, search.plan.reduction_factor)
    told = settle(study, search.folder)
    if told is not None:
        print(told, flush=True)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(defaults, user_attrs={BASELINE: True})
        # Not one that would wait forever: who asks for one trial gets the defaults alone.
        for point in without_mixing(defaults, search.space)[: search.plan.trials - 1]:
            study.enqueue_trial(point, user_attrs={OWN: True})
    return study
