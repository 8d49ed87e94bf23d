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
from jobs.cluster.resources import Room, Share, room_for, share_cores
from jobs.cluster.stopping import Stopped, finish_first, run_aside, stop_gently
from jobs.run_folder.layout import write_run
from jobs.run_folder.lease import Lease, Lost, hold, require_new
from jobs.run_folder.output import outlive_readers
from jobs.run_folder.silence import break_silence
from jobs.training.prepare import prepare
from trs.config.before import kept_from_0_1
from trs.config.checks import MAY_CHANGE
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.schedule import of_workers, steps_per_epoch
from tune.confirm import confirm
from tune.going_on import enqueue, queued_values, require_continuable
from tune.identity import identities, require_whole, settle
from tune.leaderboard import Leaderboard, read_leaderboard
from tune.patience import hasten, in_haste
from tune.plan import SEARCH_FILE, SUPERVISED, TRIALS, Plan, Search, load_plan, save_search, trial_name
from tune.publish.files import compare
from tune.report.gallery import Validation
from tune.runner import run, trainings_left
from tune.space import Values, alike, check_space, chosen_space, describe, get, paper_defaults, without_mixing
from tune.storage import open_study, require_reachable
from tune.study import BASELINE, CAUSE, OWN, REFERENCE_CAUSE, running


@dataclass(frozen=True)
class Command(Plan, cli.Command):
    """Search: trainings with TPE and successive halving, beside the paper's defaults and a supervised reference."""

    space: tuple[str, ...] = ()
    """Further ranges to search, or other ones: name=low..high, name=low..high:log, name=a,b,c."""
    space_file: Path | None = None
    """A YAML file of ranges that replaces the default space."""
    concurrent: int | None = field(default=None, metadata=MAY_CHANGE)
    """Trials at a time; by default as many as the cluster holds."""
    max_cpus: float | None = field(default=None, metadata=MAY_CHANGE)
    """CPUs that all trials together may hold of a cluster that others use too."""
    max_gpus: float | None = field(default=None, metadata=MAY_CHANGE)
    """GPUs that all trials together may hold."""
    queue: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default=(), metadata=MAY_CHANGE)
    """Settings of a trial that is to come next, on top of --trials, such as "method.unsup_weight=2 method.mix_count=3";
    what they leave out is sampled. May be given several times."""
    storage: str | None = field(default=None, metadata=MAY_CHANGE)
    """Address of a database for the study, such as postgresql://user@host/name; by default it is a file in the
    search's folder. A password is written into no file: give it here on a resume too, or by PGPASSWORD or ~/.pgpass."""
    confirm: int = field(default=0, metadata=MAY_CHANGE)
    """After the search, train the best two trials, the paper's defaults and supervised training again with so many
    other seeds of labels and weights, and say what is left of the gains."""

    @property
    def to_resume(self) -> str:
        """The options that resume the search, within its bounds, and confirm it if it was to be."""
        return super().to_resume + str(self.share) + (f" --confirm {self.confirm}" if self.confirm else "")

    @property
    def share(self) -> Share:
        """What it may hold of the cluster."""
        return Share(self.max_cpus, self.max_gpus)

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
    with hold(command.folder) as lease, outlive_readers(command.folder):
        _search(command, lease)


@dataclass(frozen=True)
class _Begun:
    """A search that may run: checked, written down, its first trials enqueued."""

    search: Search
    datasets: Datasets
    study: optuna.Study
    room: Room

    @property
    def board(self) -> Leaderboard:
        """The trials as they are now."""
        return read_leaderboard(self.search.folder)

    def compare(self) -> None:
        """Print the leaderboard, and write it and the report."""
        compare(self.board, Validation.loaded(self.search.folder, self.search.config.data, self.datasets))


def _search(command: Command, lease: Lease) -> None:
    try:
        begun = _begin(command, lease)
    except (SystemExit, KeyboardInterrupt):
        print(f"stopped before anything {'more ' * (command.resume is not None)}was trained" + (
            f"; go on with: python run_tune.py {command.to_resume}" if (command.folder / SEARCH_FILE).exists() else ""),
            flush=True)
        raise
    _announce(command, begun)
    ended_by: BaseException | None = None
    try:
        with stop_gently(command.folder, lease) as stop:
            run_aside(lambda: run(begun.search, begun.datasets, begun.study, begun.room), stop)
    except Lost:
        raise
    except (Exception, SystemExit) as error:  # whatever it is, what there is by now is shown, and how to go on
        ended_by = error
    with finish_first(hasten):
        _conclude(command, begun, ended_by)
    if command.confirm:
        try:
            confirm(begun.board, begun.datasets, command.confirm, begun.room, lease)
        except (Stopped, OfMachine, SystemExit):
            print(f"stopped; go on with: python run_tune.py {command.to_resume}", flush=True)
            raise
        begun.compare()


def _begin(command: Command, lease: Lease) -> _Begun:
    """Check all that can be checked, first what needs no Ray, and write down what the search is."""
    folder, job, plan = command.folder, command.job, command.plan
    space = (load_plan(folder)[1] if command.resume else
             chosen_space(job.config, list(command.space), command.space_file))
    require_reachable(folder, command.storage)
    if command.resume:
        require_whole(folder, command.storage)
        require_continuable(folder, plan, space, command.storage)
    check_space(job.config, space)
    command.share.trainings(job)  # refuses bounds that hold none, before Ray starts
    queue = queued_values(command.queue, job.config, space)
    defaults = paper_defaults(job.config, space)
    with break_silence(lambda: "the annotations are read"):
        datasets = prepare(job.config, folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with break_silence(lambda: "Ray starts, and its nodes are asked what they see"):
        connect()
        room = room_for(job, command.concurrent, command.share)
        trainings = plan.trials + plan.reference + len(queue)
        concurrent = min(room(), trainings)
        checks.require(job, datasets, folder, min(room.most(), trainings))
    write_run(job, datasets.split, folder)  # a trial's own says its threads, which hang on how many there are at a time
    job = share_cores(job, concurrent, command.share)
    search = Search(folder, job, plan, space, lease=lease)
    save_search(search, datasets.skeleton)
    study = _study_of(search, defaults, command.storage)
    enqueue(study, queue)
    search = dataclasses.replace(search, identities=tuple(identities(study)))
    return _Begun(search, datasets, study, room)


def _announce(command: Command, begun: _Begun) -> None:
    """Say what is about to be trained, on whom, and what is searched."""
    config, datasets, search = begun.search.config, begun.datasets, begun.search
    queued = f" and {len(command.queue)} queued" if command.queue else ""
    print(f"{command.title}: {search.plan.trials} trials{queued}, {begun.room}, of {config.train.epochs} epochs on "
          f"{len(datasets.labeled)} labeled and {len(datasets.unlabeled)} unlabeled people -> {search.folder}",
          flush=True)
    steps = config.train.epochs * steps_per_epoch(len(datasets.labeled), len(datasets.unlabeled), config.train)
    cli.tell_notes([*datasets.notes, *kept_from_0_1(config), *of_workers(config.train),
                    *alike(config, search.space, steps - config.train.burn_in)])
    print("searched: " + "  ".join(f"{name}={text}" for name, text in describe(search.space).items()), flush=True)
    for name, value in paper_defaults(config, search.space).items():
        if get(config, name) != value:
            print(f"the first trial runs the paper's {name}={value}, not {get(config, name)}", flush=True)


def _conclude(command: Command, begun: _Begun, ended_by: BaseException | None) -> None:
    """Show what there is by now, and how to go on where something is left.

    Args:
        command: that was given.
        begun: the search.
        ended_by: what has ended it early, if something has.

    Raises:
        InputError: trainings are left, or every trial has failed; else what has ended the search.
    """
    try:
        with in_haste(ended_by is not None):
            begun.compare()
            left = trainings_left(begun.search, begun.study)
    except Exception as error:
        ended_by, left = ended_by or error, 1
    if left == 0 and isinstance(ended_by, Stopped):  # after the last training
        print("all trials have ended" + (f"; confirm with: python run_tune.py {command.to_resume}"
                                         if command.confirm else ""), flush=True)
        raise ended_by
    if left or ended_by is not None:
        print(f"stopped with {left} trainings left; go on with: python run_tune.py {command.to_resume}", flush=True)
        raise ended_by or OfMachine(_waiting(begun.search, begun.study))
    if all(trial.state is TrialState.FAIL for trial in begun.study.get_trials(deepcopy=False)):
        raise InputError(f"every trial failed; the lines above say why, the trials lie in {command.folder / TRIALS}")


def _waiting(search: Search, study: optuna.Study) -> str:
    """Why a search that was not stopped has trainings left, in a sentence."""
    causes = [f"{trial_name(trial.number)}: {trial.user_attrs[CAUSE]}" for trial in running(study)
              if trial.user_attrs.get(CAUSE)]
    if search.reference_is_left() and (cause := study.user_attrs.get(REFERENCE_CAUSE)):
        causes.append(f"{SUPERVISED}: {cause}")
    return (f"{trainings_left(search, study)} trainings wait for another try"
            f"{f', the first of trial {causes[0]}' if causes else ''}; go on with --resume")


def _study_of(search: Search, defaults: Values, storage: str | None) -> optuna.Study:
    """The study of a search, which knows itself, with its first trials enqueued."""
    study = open_study(search.folder, search.grace_epochs, search.plan.reduction_factor, storage)
    study, told = settle(study, search.folder)
    if told is not None:
        print(told, flush=True)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(defaults, user_attrs={BASELINE: True})
        # Not one that would wait forever: who asks for one trial gets the defaults alone.
        for point in without_mixing(defaults, search.space)[: search.plan.trials - 1]:
            study.enqueue_trial(point, user_attrs={OWN: True})
    return study
