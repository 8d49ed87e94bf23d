"""A search over trainings: what `run_tune.py` starts."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import optuna
import ray
import ray.tune
import yaml
from optuna.trial import TrialState

from jobs import cli, cluster, doctor
from jobs.runs import MISTAKE_FILE, read_metrics, write_run
from jobs.stopping import STOP_FILE, Stopped, aside, stop_gently
from jobs.train import prepare
from trs import config as configs
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.files import write_whole
from tune import compare
from tune.notes import keep_poses
from tune.space import Space, check_space, default_space, describe, get, load_space, paper_defaults, parse_space
from tune.study import BASELINE, SUPERVISED, StudyPruner, StudySearcher, open_study, trials_left
from tune.trial import TRIALS, run_trial
from tune.watch import watching

SEARCH_FILE = "search.yaml"


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


@dataclass(frozen=True)
class Search:
    """What a search is, beside its base config; kept in search.yaml."""

    trials: int
    grace_epochs: int
    reduction_factor: int
    reference: bool
    space: dict[str, str]

    @property
    def distributions(self) -> Space:
        """The space as Optuna's distributions."""
        return parse_space([f"{name}={text}" for name, text in self.space.items()])


def main(arguments: list[str]) -> None:
    """Search, or go on with a search, and compare its trials."""
    command = cli.parse(Command, arguments, "python run_tune.py")
    folder, config = command.folder, command.settings
    if folder.exists() and not command.resume:
        raise InputError(f"{folder} exists already: go on with --resume {folder.name}, or choose another --name")
    search = _load(folder) if command.resume else _plan(command)
    defaults = paper_defaults(config, search.distributions)
    sets = prepare(config, folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cluster.connect()
    concurrent = cluster.concurrency(config.train, command.concurrent)
    doctor.require(config, sets, folder)
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
    compare.main([str(folder)])
    left = trials_left(study, search.trials) + _reference_is_left(folder, config, search)
    if left:
        print(f"stopped with {left} trainings left; go on with: python run_tune.py --resume {folder.name} "
              f"--out {folder.parent}", flush=True)
        raise ended_by
    if all(trial.state is TrialState.FAIL for trial in study.get_trials(deepcopy=False)):
        raise InputError(f"every trial failed; the lines above say why, the trials lie in {folder / TRIALS}")


def _plan(command: Command) -> Search:
    config = command.settings
    # Judged earlier, the fastest starters win (see tests/benchmarks/search.py).
    grace_epochs = math.ceil(config.train.epochs / 4) if command.grace_epochs is None else command.grace_epochs
    if command.trials < 1 or grace_epochs < 1 or command.reduction_factor < 2:
        raise InputError("--trials and --grace-epochs must be at least 1, --reduction-factor at least 2")
    widened = parse_space(list(command.space))
    start = load_space(command.space_file) if command.space_file else default_space(config, widened)
    space = start | widened
    check_space(config, space)
    return Search(command.trials, grace_epochs, command.reduction_factor,
                  command.reference and not isinstance(config.method, SupervisedConfig), describe(space))


def save_plan(search: Search, folder: Path) -> None:
    """Write search.yaml."""
    write_whole(folder / SEARCH_FILE, yaml.safe_dump(dataclasses.asdict(search), sort_keys=False))


def _load(folder: Path) -> Search:
    try:
        return Search(**yaml.safe_load((folder / SEARCH_FILE).read_text()))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"{folder} holds no search to resume: {error}") from error


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
    reference = _reference_is_left(folder, config, search)
    samples = trials_left(study, search.trials) + reference
    if samples == 0:
        return
    searcher = StudySearcher(study, search.distributions, reference, config.train.seed, config.eval.metric,
                             lambda name: read_metrics(folder / TRIALS / name), (folder / STOP_FILE).exists,
                             config.train.epochs, lambda trial: keep_poses(folder, trial, config))
    driver = ray.tune.with_parameters(run_trial, base=configs.to_dict(config), sets=sets, folder=str(folder))
    with watching(folder, config, samples) as watch:
        ray.tune.Tuner(
            ray.tune.with_resources(driver, cluster.DRIVER),
            tune_config=ray.tune.TuneConfig(
                search_alg=ray.tune.search.ConcurrencyLimiter(searcher, max_concurrent=concurrent),
                scheduler=StudyPruner(searcher), num_samples=samples),
            run_config=ray.tune.RunConfig(
                name="ray", storage_path=str(folder), verbose=0, callbacks=[watch])).fit()


def _reference_is_left(folder: Path, config: Config, search: Search) -> bool:
    """Whether the supervised reference has still to be trained; like a trial, one that failed has had its try."""
    run = folder / TRIALS / SUPERVISED
    metrics = read_metrics(run)
    done = bool(metrics) and metrics[-1]["epoch"] >= config.train.epochs
    return search.reference and not done and not (run / MISTAKE_FILE).exists()
