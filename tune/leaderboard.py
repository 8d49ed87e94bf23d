"""Where the runs of a search stand, best first: read from the study and from the metrics that each run wrote."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from jobs.run_folder.layout import CONFIG_FILE, MISTAKE_FILE
from jobs.run_folder.metrics import Metrics, read_metrics
from trs import config as configs
from trs.config import Config
from trs.errors import InputError
from trs.evaluation.protocol import METRIC_NAMES
from tune.space import Space, Values
from tune.study import BASELINE, STUDY_FILE, SUPERVISED, read_study, trial_name
from tune.trial import TRIALS, trial_config

Status = Literal["complete", "pruned", "failed", "running", "reference"]

_STATUS: dict[TrialState, Status] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned",
                                     TrialState.FAIL: "failed", TrialState.RUNNING: "running"}


@dataclass(frozen=True)
class Entry:
    """One run of a search.

    name: of its folder.
    values: the searched settings by their dotted names; the reference has none.
    metrics: of each evaluated epoch, oldest first.
    metric: that the search maximises, "ap", "pckh" or "pck".
    baseline: it runs the paper's defaults.
    """

    name: str
    status: Status
    values: Values
    metrics: list[Metrics]
    metric: str
    baseline: bool = False

    @property
    def epochs(self) -> int:
        """Epochs that it has trained."""
        return int(self.metrics[-1]["epoch"]) if self.metrics else 0

    @property
    def hours(self) -> float:
        """Time of the steps in these epochs, without evaluations and waiting."""
        steps = [0.0, *(metrics["step"] for metrics in self.metrics)]
        return sum((after - before) / metrics["steps_per_second"] for before, after, metrics in
                   zip(steps[:-1], steps[1:], self.metrics, strict=True) if metrics["steps_per_second"] > 0) / 3600

    @property
    def score(self) -> float | None:
        """The metric after the last epoch.

        Never that of the best epoch: it is measured on the validation set, and to pick an epoch there would flatter
        every run, the noisy ones most.
        """
        return self.metrics[-1][self.metric] if self.metrics else None


@dataclass(frozen=True)
class Leaderboard:
    """A search as far as it has come.

    config: what the trials have in common.
    study: Optuna's memory of them.
    space: the ranges of the searched settings.
    entries: every run that has started, the best first, those without a score last.
    """

    folder: Path
    config: Config
    study: optuna.Study
    space: Space
    entries: list[Entry]

    @cached_property
    def best(self) -> Entry | None:
        """The best complete trial; before one is complete, the best so far."""
        measured = [entry for entry in self.entries if entry.score is not None]
        for statuses in (("complete",), ("running", "pruned")):
            for entry in measured:
                if entry.status in statuses:
                    return entry
        return None

    @cached_property
    def baseline(self) -> Entry | None:
        """The trial that runs the paper's defaults."""
        return next((entry for entry in self.entries if entry.baseline), None)

    @cached_property
    def reference(self) -> Entry | None:
        """The supervised run."""
        return next((entry for entry in self.entries if entry.status == "reference"), None)

    @property
    def metric(self) -> str:
        """The name of what is compared, for people: AP, PCKh or PCK."""
        return METRIC_NAMES[self.config.eval.metric]

    def gain(self, other: Entry | None) -> float | None:
        """How much the best scores more than another run; None unless both have run to their end."""
        best, measured = self._final_score(self.best), self._final_score(other)
        return None if best is None or measured is None else best - measured

    def _final_score(self, entry: Entry | None) -> float | None:
        """The score of a run that has come to its end."""
        if entry is None:
            return None
        finished = entry.status == "reference" and entry.epochs >= self.config.train.epochs
        return entry.score if finished or entry.status == "complete" else None

    def notes(self, entry: Entry) -> list[str]:
        """What is special about a run."""
        special = {"best" if self.best and self.best.status == "complete" else "best so far": entry is self.best,
                   "paper's defaults": entry.baseline, "supervised": entry.status == "reference"}
        return [note for note, holds in special.items() if holds]

    @property
    def summary(self) -> str:
        """The best score and what it gains, in a sentence."""
        if self.best is None:
            return "no trial has been evaluated yet"
        so_far = "" if self.best.status == "complete" else " so far"
        gains = {"the paper's defaults": self.gain(self.baseline), "supervised": self.gain(self.reference)}
        told = [f"{gain:+.3f} over {name}" for name, gain in gains.items() if gain is not None]
        gained = f" ({', '.join(told)})" if told else ""
        return f"best {self.metric}{so_far}: {self.best.score:.3f}, trial {self.best.name}{gained}"

    def count(self, status: Status) -> int:
        """Runs of this status."""
        return sum(entry.status == status for entry in self.entries)

    @cached_property
    def short_names(self) -> dict[str, str]:
        """The searched settings' names without their group, where that leaves them distinct."""
        last = [name.rpartition(".")[2] for name in self.space]
        return {name: short if last.count(short) == 1 else name for name, short in zip(self.space, last, strict=True)}

    def run_folder(self, entry: Entry) -> Path:
        """Where a run keeps its config, metrics, predictions and checkpoints."""
        return self.folder / TRIALS / entry.name

    def run_config(self, entry: Entry) -> Config:
        """The whole config of a run; one that has just been asked for has no folder yet."""
        return trial_config(self.config, entry.name, entry.values)


def read_leaderboard(folder: Path) -> Leaderboard:
    """The leaderboard of a search, finished or running.

    Raises:
        InputError: the folder holds no search.
    """
    if not (folder / STUDY_FILE).is_file():
        raise InputError(f"there is no search in {folder}; name one that python run_tune.py has started, and with "
                         "--out the folder that it lies in")
    try:
        study = read_study(folder)
    except KeyError as error:
        raise InputError(f"{folder / STUDY_FILE} holds no search named {folder.name!r}; give the folder the name back "
                         "that it was started under") from error
    config = configs.load(folder / CONFIG_FILE)
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state in _STATUS]
    entries = [_entry(folder, trial, config.eval.metric) for trial in trials]
    if (run := folder / TRIALS / SUPERVISED).is_dir():
        status: Status = "failed" if (run / MISTAKE_FILE).exists() else "reference"
        entries.append(Entry(SUPERVISED, status, {}, read_metrics(run), config.eval.metric))
    entries.sort(key=lambda entry: float("-inf") if entry.score is None else entry.score, reverse=True)
    space = {name: distribution for trial in trials for name, distribution in trial.distributions.items()}
    return Leaderboard(folder, config, study, space, entries)


def _entry(folder: Path, trial: FrozenTrial, metric: str) -> Entry:
    name = trial_name(trial.number)
    return Entry(name, _STATUS[trial.state], dict(trial.params), read_metrics(folder / TRIALS / name), metric,
                 BASELINE in trial.user_attrs)


def as_csv(board: Leaderboard) -> str:
    """A row a run: trial, status, epochs, the metric, and the searched settings under their dotted names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "status", "epochs", board.config.eval.metric, *board.space])
    for entry in board.entries:
        writer.writerow([entry.name, entry.status, entry.epochs, entry.score, *map(entry.values.get, board.space)])
    return text.getvalue()


def as_text(board: Leaderboard) -> str:
    """A table for the terminal, its columns aligned."""
    rows = [["trial", "status", "epochs", board.metric, *board.short_names.values(), ""]]
    for entry in board.entries:
        values = [shown(entry.values.get(name)) for name in board.space]
        rows.append([entry.name, entry.status, str(entry.epochs), "-" if entry.score is None else f"{entry.score:.3f}",
                     *values, ", ".join(board.notes(entry))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 1, len(widths) - 1)
    return "\n".join("  ".join(cell.ljust(width) if index in left else cell.rjust(width)
                               for index, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
                     for row in rows)


def shown(value: Any) -> str:
    """A searched value for people."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
