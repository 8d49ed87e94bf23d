"""What a search is, beside the config that its trials share: kept in search.yaml."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from trs.config import Config, SupervisedConfig
from trs.errors import InputError
from trs.files import write_whole
from tune.space import Space, check_space, describe, parse_space

SEARCH_FILE = "search.yaml"


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


def make_plan(config: Config, trials: int, space: Space, grace_epochs: int | None = None, reduction_factor: int = 2,
              reference: bool = True) -> Search:
    """A search over a config; by default every trial runs a quarter of its epochs before it may be stopped.

    Raises:
        InputError: a value out of range, or a space that a trial would not take.
    """
    # Judged earlier, the fastest starters win (see tests/benchmarks/search.py).
    grace_epochs = math.ceil(config.train.epochs / 4) if grace_epochs is None else grace_epochs
    if trials < 1 or grace_epochs < 1 or reduction_factor < 2:
        raise InputError("--trials and --grace-epochs must be at least 1, --reduction-factor at least 2")
    check_space(config, space)
    return Search(trials, grace_epochs, reduction_factor,
                  reference and not isinstance(config.method, SupervisedConfig), describe(space))


def save_plan(search: Search, folder: Path) -> None:
    """Write search.yaml."""
    write_whole(folder / SEARCH_FILE, yaml.safe_dump(dataclasses.asdict(search), sort_keys=False))


def load_plan(folder: Path) -> Search:
    """The plan that a search's folder holds.

    Raises:
        InputError: it holds none.
    """
    try:
        return Search(**yaml.safe_load((folder / SEARCH_FILE).read_text()))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"{folder} holds no search to resume: {error}") from error
