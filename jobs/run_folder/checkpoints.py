"""The checkpoints of a run: which one to go on from, and which ones to keep."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from trs.checkpoint import Checkpoint, Damaged, folder_name, load, of_run
from trs.errors import InputError
from trs.files import leftovers

_log = logging.getLogger(__name__)


def load_newest_whole(folder: Path) -> Checkpoint | None:
    """Load a run's newest checkpoint that is not damaged, or None if it has none.

    Damaged ones are renamed out of the way, and each is named in a warning.

    Raises:
        InputError: there are checkpoints, and all of them are damaged: to begin anew would throw the run away; or one
            is of a later version, which is none of damage.
    """
    damaged: list[tuple[Path, str]] = []
    for path in reversed(of_run(folder)):
        try:
            found = load(path)
        except Damaged as error:
            damaged.append((path, str(error)))
            continue
        for other, sentence in damaged:
            _log.warning(sentence)
            other.rename(_aside(other))
        return found
    if damaged:
        raise InputError(f"no checkpoint of {folder} is whole: {damaged[0][1]}")
    return None


def _aside(path: Path) -> Path:
    """Name a place for a damaged checkpoint; one of the same step may lie there from an earlier time."""
    names = (f"damaged_{path.name}{f'_{number}' if number > 1 else ''}" for number in itertools.count(1))
    return next(place for name in names if not os.path.lexists(place := path.with_name(name)))


def prune(folder: Path, keep: Collection[int], newest: int = 2) -> None:
    """Delete a run's checkpoints but the newest and those after the steps in `keep`, and half-written ones.

    Args:
        folder: of the run.
        keep: steps.
        newest: how many are kept; two, while it goes on, because the newest may prove damaged.
    """
    kept = {folder_name(step) for step in keep} | {path.name for path in of_run(folder)[-newest:]}
    for path in (*folder.glob("checkpoint_*"), *leftovers(folder / "checkpoint_*")):
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
