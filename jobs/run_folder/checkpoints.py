"""The checkpoints of a run: which one to go on from, and which ones to keep."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from trs.checkpoint import Checkpoint, folder_name, load, of_run
from trs.errors import InputError


def load_newest_whole(folder: Path, complain: Callable[[str], object]) -> Checkpoint | None:
    """A run's newest checkpoint that is not damaged, or None if it has none. Damaged ones are renamed out of the way.

    Args:
        folder: of the run.
        complain: takes a sentence about each of them.

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
            complain(sentence)
            other.rename(other.with_name(f"damaged_{other.name}"))
        return found
    if damaged:
        raise InputError(f"no checkpoint of {folder} is whole: {damaged[0][1]}")
    return None


def prune(folder: Path, keep: Collection[int]) -> None:
    """Delete a run's checkpoints but the newest two and those after the steps in `keep`, and what a kill left half.

    Two, because the newest may prove damaged.
    """
    kept = {folder_name(step) for step in keep} | {path.name for path in of_run(folder)[-2:]}
    for path in folder.glob("checkpoint_*"):
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
