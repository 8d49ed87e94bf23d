"""The search for TensorBoard: each trial's searched values beside its score, and its poses as an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch.utils.tensorboard import FileWriter
from torch.utils.tensorboard.summary import hparams, image, scalar

from trs.files import whole_folder
from tune.entry import Entry
from tune.leaderboard import Leaderboard
from tune.report.gallery import Validation, contact_sheet

FOLDER = "tensorboard_hparams"


def write_hparams(board: Leaderboard, people: Validation) -> None:
    """Write `FOLDER/tensorboard_hparams/NAME` for each trial with a score, in place of what an earlier call wrote.

    They lie apart from the trials' own events: of several event files in a folder TensorBoard follows the youngest
    only, and would lose sight of a trial that still runs.
    """
    scores = [(entry, entry.score) for entry in board.entries if entry.values and entry.score is not None]
    if not scores:
        return
    with whole_folder(board.folder / FOLDER, replace=True) as partial:  # others may compare at the same time
        for entry, score in scores:
            _write(partial / entry.name, entry, score, _poses(board.run_folder(entry), people))


def _write(folder: Path, entry: Entry, score: float, drawing: np.ndarray | None) -> None:
    writer = FileWriter(str(folder))
    for summary in (*hparams(entry.values, {entry.metric: score}), scalar(entry.metric, score)):
        writer.add_summary(summary, entry.epochs)
    if drawing is not None:
        writer.add_summary(image("poses: annotated, predicted", drawing, dataformats="HWC"), entry.epochs)
    writer.close()


def _poses(run: Path, people: Validation) -> np.ndarray | None:
    """Draw a run's poses, as far as there are any."""
    try:
        return contact_sheet(run, people)
    except (OSError, ValueError, KeyError):
        return None
