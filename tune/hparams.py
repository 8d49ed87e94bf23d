"""The search for TensorBoard's HParams page: each trial's searched values beside its AP."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch.utils.tensorboard import FileWriter
from torch.utils.tensorboard.summary import hparams, scalar

from tune.leaderboard import Entry, Leaderboard

FOLDER = "tensorboard_hparams"


def write_hparams(board: Leaderboard) -> None:
    """Write `FOLDER/tensorboard_hparams/NAME` for each trial with an AP, in place of what an earlier call wrote.

    They lie apart from the trials' own events: of several event files in a folder TensorBoard follows the youngest
    only, and would lose sight of a trial that still runs.
    """
    folder = board.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for entry in board.entries:
        if entry.values and entry.score is not None:
            _write(folder / entry.name, entry, entry.score)


def _write(folder: Path, entry: Entry, score: float) -> None:
    writer = FileWriter(str(folder))
    for summary in (*hparams(entry.values, {entry.metric: score}), scalar(entry.metric, score)):
        writer.add_summary(summary, entry.epochs)
    writer.close()
