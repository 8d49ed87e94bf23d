"""The folders of a run's checkpoints: their names, and which is the newest. What is inside `trs.checkpoint` knows.

Apart from that, since who only drives a training looks for them too, and needs no torch for it.
"""

from __future__ import annotations

import re
from pathlib import Path

from trs.errors import InputError

STATE = "state.json"
"""The file in a checkpoint that is written last."""
_NAME = re.compile(r"checkpoint_\d{8,}")
"""A checkpoint's folder; 0.1 left half-written ones under names that begin alike."""


def folder_name(step: int) -> str:
    """Name the checkpoint after a step; names sort like steps."""
    return f"checkpoint_{step:08d}"


def exists(folder: Path) -> bool:
    """Whether a folder is a checkpoint."""
    return (folder / STATE).is_file()


def newest(folder: Path) -> Path:
    """The folder itself if it is a checkpoint, else the newest checkpoint of the run that it is.

    Raises:
        InputError: there is none.
    """
    if exists(folder):
        return folder
    found = of_run(folder)
    if not found:
        raise InputError(f"there is no checkpoint in {folder}; give a run's folder or a checkpoint's")
    return found[-1]


def of_run(folder: Path) -> list[Path]:
    """List a run's checkpoints, the oldest first."""
    found = (state.parent for state in folder.glob(f"checkpoint_*/{STATE}"))
    return sorted(path for path in found if _NAME.fullmatch(path.name))
