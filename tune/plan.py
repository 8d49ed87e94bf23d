"""What a search is: its folder, the job that its trials share, how many there are, and what they differ in.

A search's folder holds:

    config.yaml, split.json   what its trials share, see `jobs.run_folder.layout`
    search.yaml               the plan and the searched ranges
    skeleton.json             the keypoints that the trials learn, for whoever looks at their poses
    study.db                  the trials, see `tune.study`
    trials/NAME/              the run of a trial, or of the supervised reference
    burn_in/NAME/             the supervised steps that several trials go on from, see `jobs.training.burn_in`
    confirm/, confirmed.json  the best trained again with other seeds, see `tune.confirm`
    ray/                      what Ray Tune writes down
    stop                      there while the search is asked to save and end
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from jobs.config import Job
from jobs.run_folder.layout import MISTAKE_FILE, STOP_FILE
from jobs.run_folder.lease import Lease
from jobs.run_folder.metrics import read_metrics
from trs.config import Config, SupervisedConfig, change
from trs.config.checks import MAY_CHANGE, check_values
from trs.config.files import of_file
from trs.errors import InputError, printable
from trs.files import write_text
from trs.skeleton import Skeleton
from tune.space import Space, Values, space_of, to_plain

SEARCH_FILE, SKELETON_FILE, TRIALS, BURN_IN = "search.yaml", "skeleton.json", "trials", "burn_in"
SUPERVISED = "supervised"
"""Name of the reference run, which is no trial of the study."""


@dataclass(frozen=True)
class Plan:
    """How many trials a search makes, and how soon it stops the bad ones."""

    trials: int = field(default=5, metadata=MAY_CHANGE)
    """Trials of the study; the first runs the paper's defaults. The supervised reference comes on top, and
    what is queued. A resumed search may have more."""
    grace_epochs: int | None = None
    """Epochs that every trial runs before it may be stopped; by default a quarter of all."""
    reduction_factor: int = 2
    """Successive halving keeps the best 1/reduction_factor at each rung."""
    reference: bool = True
    """Run the supervised reference beside the trials."""

    def __post_init__(self) -> None:
        if min(self.trials, 1 if self.grace_epochs is None else self.grace_epochs) < 1 or self.reduction_factor < 2:
            raise InputError("--trials and --grace-epochs must be at least 1, --reduction-factor at least 2")


@dataclass(frozen=True)
class Search:
    """A search, wherever it stands.

    folder: absolute.
    job: what its trials share, before their suggestions change it.
    space: the searched ranges.
    identities: who it is, and then whom it was copied from, see `tune.identity`.
    lease: of the command that runs it, without which nothing is written.
    """

    folder: Path
    job: Job
    plan: Plan
    space: Space
    identities: tuple[str, ...] = ()
    lease: Lease | None = None

    @property
    def config(self) -> Config:
        """What the trials learn, before their suggestions change it."""
        return self.job.config

    @property
    def grace_epochs(self) -> int:
        """Epochs that every trial runs before it may be stopped."""
        # Judged earlier, the fastest starters win (see tests/benchmarks/search.py).
        quarter = math.ceil(self.config.train.epochs / 4)
        return quarter if self.plan.grace_epochs is None else self.plan.grace_epochs

    @property
    def reference(self) -> bool:
        """Whether a supervised reference runs beside the trials; beside supervised ones it would be one of them."""
        return self.plan.reference and not isinstance(self.config.method, SupervisedConfig)

    def require_lease(self) -> None:
        """Raise `jobs.run_folder.lease.Lost` where the folder is another command's by now."""
        if self.lease is not None:
            self.lease.require()

    def run_folder(self, name: str) -> Path:
        """Name the folder of a trial, or of the reference."""
        return self.folder / TRIALS / name

    def burn_in_folder(self, name: str) -> Path:
        """Name the folder of a burn-in."""
        return self.folder / BURN_IN / name

    def is_stopping(self) -> bool:
        """Say whether it was asked to save and end."""
        return (self.folder / STOP_FILE).exists()

    def reference_is_left(self) -> bool:
        """Say whether the reference has still to be trained; like a trial, one that failed has had its try."""
        run = self.run_folder(SUPERVISED)
        metrics = read_metrics(run)
        done = bool(metrics) and metrics[-1]["epoch"] >= self.config.train.epochs
        return self.reference and not done and not (run / MISTAKE_FILE).exists()


def trial_name(number: int) -> str:
    """Name the study's trial with this number."""
    return f"{number:04d}"


def trial_job(job: Job, name: str, values: Values) -> Job:
    """Make the job of a trial; that of the supervised reference has the other method and the rest alike."""
    config = (dataclasses.replace(job.config, method=SupervisedConfig()) if name == SUPERVISED else
              change(job.config, values))
    return dataclasses.replace(job, config=config)


def save_search(search: Search, skeleton: Skeleton) -> None:
    """Write search.yaml and skeleton.json."""
    plan = dataclasses.replace(search.plan, grace_epochs=search.grace_epochs, reference=search.reference)
    content = {**dataclasses.asdict(plan), "space": to_plain(search.space)}
    write_text(search.folder / SEARCH_FILE, yaml.safe_dump(content, sort_keys=False))
    write_text(search.folder / SKELETON_FILE, json.dumps(dataclasses.asdict(skeleton)))


def load_plan(folder: Path) -> tuple[Plan, Space]:
    """Read the plan and the searched ranges that a search's folder holds.

    Raises:
        InputError: it holds none.
    """
    try:
        return of_file(folder / SEARCH_FILE, "plan", _of_plain)
    except InputError as error:
        raise InputError(f"{printable(str(folder))} holds no search to resume: {error}") from error


def _of_plain(content: object) -> tuple[Plan, Space]:
    if not isinstance(content, dict) or "space" not in content:
        raise InputError("a plan has a space beside the number of trials")
    values = {name: value for name, value in content.items() if name != "space"}
    known = {field.name: field.default for field in dataclasses.fields(Plan)}
    if values.keys() - known:
        raise InputError(f"a plan has no {printable(str(min(values.keys() - known, key=str)))}")
    check_values(Plan, known | values, "plan")
    return Plan(**values), space_of(content["space"])
