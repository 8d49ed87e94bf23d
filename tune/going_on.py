"""Going on with a search: what its study cannot take is refused before anything starts, and people may queue trials."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.distributions import check_distribution_compatibility

from trs.config import Config
from trs.errors import InputError
from tune.plan import SEARCH_FILE, Plan
from tune.space import Space, Values, described, parse_values, values_fault
from tune.storage import is_begun, read_study
from tune.study import QUEUED, ended


def require_continuable(folder: Path, plan: Plan, space: Space, storage: str | None = None) -> None:
    """Refuse a plan that the study of a search cannot go on with.

    Raises:
        InputError: fewer trials than have ended, or a range that Optuna takes for another parameter.
    """
    if not is_begun(folder, storage):
        return  # killed before its first trial, or the disk was full
    study = read_study(folder, storage)
    if plan.trials < (before := len(ended(study))):
        raise InputError(f"{before} trials of this search have ended: --trials may be raised, or lowered to that, and "
                         f"not to {plan.trials}")
    for trial in study.get_trials(deepcopy=False):
        for name, begun in trial.distributions.items():
            try:
                check_distribution_compatibility(begun, space.get(name, begun))
            except ValueError as error:
                raise InputError(
                    f"{folder / SEARCH_FILE}: the search was begun with {described(name, begun)} and cannot go on with "
                    f"{described(name, space[name])}: the ends of a range may move, but choices, its scale and whether "
                    "its numbers are whole may not; restore it, or start a new search") from error


def queued_values(lines: tuple[str, ...], config: Config, space: Space) -> list[Values]:
    """What a person wants tried: the settings of a trial a line, `name=value name=value`; others are sampled.

    Raises:
        InputError: a setting that is not searched, or a value outside of its range.
    """
    queue = [parse_values(line) for line in lines]
    for line, values in zip(lines, queue, strict=True):
        fault = values_fault(config, space, values)
        if fault is not None:
            raise InputError(f"--queue {line!r}: {fault}")
    return queue


def enqueue(study: optuna.Study, queue: list[Values]) -> None:
    """Queue trials on top of those that the search makes by itself."""
    for values in queue:
        study.enqueue_trial(values, user_attrs={QUEUED: True})
