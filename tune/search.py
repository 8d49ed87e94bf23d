"""A search over trainings: what `run_tune.py` starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import TrialState

from jobs import cli
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.resources import concurrency
from jobs.cluster.stopping import Stopped, aside, stop_gently
from jobs.run_folder.layout import write_run
from jobs.training.prepare import prepare
from trs.errors import InputError
from tune.leaderboard import read_leaderboard
from tune.plan import load_plan, make_plan, save_plan
from tune.publish.files import compare
from tune.runner import reference_is_left, run
from tune.space import chosen_space, get, paper_defaults
from tune.study import BASELINE, open_study, trials_left
from tune.trial import TRIALS


@dataclass(frozen=True)
class Command(cli.Command):
    """Search: trainings with TPE and successive halving, beside the paper's defaults and a supervised reference."""

    trials: int = 4
    """Trials of the study; the first runs the paper's defaults. The supervised reference comes on top."""
    space: tuple[str, ...] = ()
    """Further ranges to search, or other ones: name=low..high, name=low..high:log, name=a,b,c."""
    space_file: Path | None = None
    """A YAML file of ranges that replaces the default space."""
    grace_epochs: int | None = None
    """Epochs that every trial runs before it may be stopped; by default a quarter of all."""
    reduction_factor: int = 2
    """Successive halving keeps the best 1/reduction_factor at each rung."""
    concurrent: int | None = None
    """Trials at a time; by default as many as the cluster holds."""
    reference: bool = True
    """Run the supervised reference beside the trials."""


def main(arguments: list[str]) -> None:
    """Search, or go on with a search, and compare its trials."""
    command = cli.parse(Command, arguments, "python run_tune.py")
    folder, config = command.folder, command.settings
    if folder.exists() and not command.resume:
        raise InputError(f"{folder} exists already: go on with --resume {folder.name}, or choose another --name")
    search = load_plan(folder) if command.resume else make_plan(
        config, command.trials, chosen_space(config, list(command.space), command.space_file), command.grace_epochs,
        command.reduction_factor, command.reference)
    defaults = paper_defaults(config, search.distributions)
    sets = prepare(config, folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    connect()
    concurrent = concurrency(config.train, command.concurrent)
    checks.require(config, sets, folder)
    write_run(config, sets, folder)
    save_plan(search, folder)
    study = open_study(folder, search.grace_epochs, search.reduction_factor)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(defaults, user_attrs={BASELINE: True})
    print(f"{command.title}: {search.trials} trials, {concurrent} at a time, of {config.train.epochs} epochs on "
          f"{len(sets.labeled)} labelled and {len(sets.unlabeled)} unlabelled people -> {folder}", flush=True)
    print("searched: " + "  ".join(f"{name}={text}" for name, text in search.space.items()), flush=True)
    for name, value in defaults.items():
        if get(config, name) != value:
            print(f"the first trial runs the paper's {name}={value}, not {get(config, name)}", flush=True)
    ended_by: Exception = InputError(f"Ray Tune has ended early; see its files in {folder / 'ray'}")
    try:
        with stop_gently(folder):
            aside(lambda: run(folder, config, sets, search, study, concurrent))
    except Stopped as stopped:
        ended_by = stopped
    compare(read_leaderboard(folder))
    left = trials_left(study, search.trials) + reference_is_left(folder, config, search)
    if left:
        print(f"stopped with {left} trainings left; go on with: python run_tune.py --resume {folder.name} "
              f"--out {folder.parent}", flush=True)
        raise ended_by
    if all(trial.state is TrialState.FAIL for trial in study.get_trials(deepcopy=False)):
        raise InputError(f"every trial failed; the lines above say why, the trials lie in {folder / TRIALS}")
