"""What optuna-dashboard shows beside the numbers: a note on the study and on each trial, and each trial's poses."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna_dashboard import get_note, save_note

from trs.visualize import write_jpeg
from tune.entry import Entry
from tune.leaderboard import Leaderboard
from tune.optuna_private import live
from tune.plan import TRIALS, trial_name
from tune.report.gallery import Validation, contact_sheet, protocol_of

ARTIFACTS = "artifacts"
"""Folder of the images, in the search's."""
POSES_FILE = "poses.jpg"


def write_notes(board: Leaderboard) -> None:
    """Say in the study what it compares, and in each trial how it stands; notes that already say so are left alone."""
    _note(board.study, f"{protocol_of(board)}\n\n{board.summary}")
    trials = {trial_name(trial.number): trial for trial in board.study.get_trials(deepcopy=False)}
    for entry in board.entries:
        if entry.name in trials:
            _note(live(board.study, trials[entry.name]), _sentence(board, entry))


def _note(about: optuna.Study | optuna.trial.Trial, text: str) -> None:
    if get_note(about) != text:
        save_note(about, text)


def _sentence(board: Leaderboard, entry: Entry) -> str:
    score = "not evaluated yet" if entry.score is None else f"{board.metric} {entry.score:.3f}"
    notes = "".join(f", {note}" for note in board.notes(entry))
    return f"**{entry.status}** after {entry.epochs} of {board.config.train.epochs} epochs: {score}{notes}."


def keep_poses(folder: Path, trial: optuna.trial.Trial, people: Validation) -> None:
    """Keep an image of what a trial has predicted, before it ends: Optuna takes none afterwards.

    Args:
        folder: of the search.
        trial: that still runs, for the study.
        people: whom it has predicted.
    """
    run = folder / TRIALS / trial_name(trial.number)
    # A trial that failed early has no poses, and a storage may be full; no image is worth the search.
    with contextlib.suppress(OSError, ValueError, KeyError, optuna.exceptions.StorageInternalError):
        image = contact_sheet(run, people)
        (folder / ARTIFACTS).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / POSES_FILE
            write_jpeg(file, image)
            upload_artifact(study_or_trial=trial, file_path=str(file),
                            artifact_store=FileSystemArtifactStore(folder / ARTIFACTS))
