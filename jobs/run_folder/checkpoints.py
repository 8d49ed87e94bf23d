"""The checkpoints of a run: which one to go on from, and which ones to keep."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from trs.checkpoint import Checkpoint, folder_name, load, of_run
from trs.errors import InputError
from trs.files import leftovers

_log = logging.getLogger(__name__)


def load_newest_whole(folder: Path) -> Checkpoint | None:
    """Load a run's newest checkpoint that is not damaged, or None if it has none.

    Damaged ones are renamed out of the way, and each is named in a warning.

    Raises:
        InputError: there are checkpoints, and all of them are damaged: to begin anew would throw the run away.
    """
    damaged: list[tuple[Path, str]] = []
    for path in reversed(of_run(folder)):
        try:
            found = load(path)
        except InputError as error:
            damaged.append((path, str(error)))
            continue
        for other, sentence in damaged:
            _log.warning(sentence)
            other.rename(other.with_name(f"damaged_{other.name}"))
        return found
    if damaged:
        raise InputError(f"no checkpoint of {folder} is whole: {damaged[0][1]}")
    return None


def prune(folder: Path, keep: Collection[int]) -> None:
    """Delete a run's checkpoints but the newest two and those after the steps in `keep`, and half-written ones.

    Two, because the newest may prove damaged.
    """
    kept = {folder_name(step) for step in keep} | {path.name for path in of_run(folder)[-2:]}
    for path in (*folder.glob("checkpoint_*"), *leftovers(folder / "checkpoint_*")):
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
