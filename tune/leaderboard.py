"""Where the runs of a search stand, best first: read from the study and from the metrics that each run wrote."""

from __future__ import annotations

import csv
import dataclasses
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from jobs import config as jobs_config
from jobs.config import Job
from jobs.run_folder.layout import CONFIG_FILE, METRICS_FILE, MISTAKE_FILE
from jobs.run_folder.metrics import metrics_fault, read_metrics
from jobs.run_folder.suggestion import Suggestion, read_suggestion
from trs.config import Config
from trs.errors import InputError
from trs.evaluation.protocol import ENSEMBLE, METRIC_NAMES, TEST
from trs.files import is_finite, read_text
from tune.columns import Layout, short_names
from tune.confirmed import Confirmed, read_confirmed
from tune.entry import Entry, Status
from tune.identity import disagreement, identities, unknown_to
from tune.place import holds_study
from tune.plan import SUPERVISED, TRIALS, trial_job, trial_name
from tune.space import Space, Values
from tune.storage import read_study
from tune.study import BASELINE, CAUSE, REFERENCE_CAUSE

_RATE = "train.learning_rate"
_STATUS: dict[TrialState, Status] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned",
                                     TrialState.FAIL: "failed", TrialState.RUNNING: "running"}


@dataclass(frozen=True)
class Leaderboard:
    """A search as far as it has come.

    job: what the trials have in common.
    study: Optuna's memory of them.
    space: the ranges of the searched settings.
    entries: every run that has started, the best first, those without a score last.
    confirmed: what has come of training the best again with other seeds, if it was.
    unknown: names of the trials that were trained, and that the study does not have.
    """

    folder: Path
    job: Job
    study: optuna.Study
    space: Space
    entries: list[Entry]
    confirmed: Confirmed | None = None
    unknown: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """What the trials learn, before their suggestions change it."""
        return self.job.config

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
    def doubts(self) -> list[str]:
        """A sentence on each run whose metrics are not to be believed, or that the study does not know, and on what was
        confirmed and is the best no more.
        """
        return [*self._overtaken,
                *(f"{TRIALS}/{entry.name}/{METRICS_FILE}: {entry.doubt}" for entry in self.entries if entry.doubt),
                *(f"{TRIALS}/{name}: it was trained, and the study does not know it: one of them is of another search, "
                  "or an older copy" for name in self.unknown)]

    @property
    def _overtaken(self) -> list[str]:
        if self.confirmed is None or self.best is None or self.best.name == self.confirmed.best.run:
            return []
        return [f"what was trained again is the {self.confirmed.best.name}, as it was then; by now the best is "
                f"{self.best.name}, which --resume with --confirm {self.confirmed.seeds} trains again"]

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

    @cached_property
    def is_tested(self) -> bool:
        """Whether people are kept who choose nothing."""
        return self.config.data.dev_count is not None

    def gain(self, other: Entry | None) -> float | None:
        """How much the best scores more than another run, on the test people if there are any.

        The best was chosen by its validation score, which flatters it there.

        Returns: None unless both have run to their end.
        """
        best, measured = self.final_score(self.best), self.final_score(other)
        return None if best is None or measured is None else best - measured

    def final_score(self, entry: Entry | None) -> float | None:
        """The score of a run that has come to its end."""
        if entry is None:
            return None
        finished = entry.status == "reference" and entry.epochs >= self.config.train.epochs
        if not finished and entry.status != "complete":
            return None
        return entry.test_score if self.is_tested else entry.score

    def notes(self, entry: Entry) -> list[str]:
        """What is special about a run."""
        special = {"best" if self.best and self.best.status == "complete" else "best so far": entry is self.best,
                   "paper's defaults": entry.baseline, "supervised": entry.status == "reference"}
        waits = entry.cause and f"waits for another try: {entry.cause}"
        why = {"failed": entry.cause, "running": waits, "reference": waits}
        return [note for note, holds in special.items() if holds] + [
            note for status, note in why.items() if note and entry.status == status]

    @property
    def summary(self) -> str:
        """The best score and what it gains, in a sentence."""
        if self.best is None:
            return "no trial has been evaluated yet"
        so_far = "" if self.best.status == "complete" else " so far"
        supervised = f"supervised training {self.terms}"
        gains = {"the paper's defaults": self.gain(self.baseline), supervised: self.gain(self.reference)}
        known = [f"{gain:+.3f} over {name}" for name, gain in gains.items() if gain is not None]
        gained = f" ({', '.join(known)})" if known else ""
        test, tested = self.best.test_score, self.is_tested and self.best.test_score is not None
        ensemble = self.best.test_ensemble if tested else self.best.ensemble
        together = "" if ensemble is None else f", its ensemble {ensemble:.3f}"
        if not tested:
            return f"best {self.metric}{so_far}: {self.best.score:.3f}, trial {self.best.name}{gained}{together}"
        return (f"best {self.metric}{so_far}: {self.best.score:.3f}, trial {self.best.name}; on the people who chose "
                f"nothing {test:.3f}{gained}{together}")

    @property
    def terms(self) -> str:
        """On which terms the best stands beside supervised training: of equal steps, but not of equal time."""
        best, reference = self.best, self.reference
        times = best.hours / reference.hours if best and reference and reference.hours else 0.0
        taking = f", which take {1 / times:.2f} of the time" if times else ""
        rate = "; its learning rate is the config's, and --confirm tries the best's too" if _RATE in self.space else ""
        return f"of as many steps{taking}{rate}"

    @property
    def choice(self) -> str:
        """By whom the best was chosen, in a sentence: by those who are measured it would be flattered."""
        if self.is_tested:
            return (f"Trials were stopped and the best chosen by {self.config.data.dev_count:,} people kept out of "
                    f"training; test {self.metric} is that of people who chose nothing, for whole runs.")
        return ("The best was chosen by the same people that it is measured on, which flatters it; --data.dev-count "
                "keeps others for that.")

    def count(self, status: Status) -> int:
        """Runs of this status."""
        return sum(entry.status == status for entry in self.entries)

    @cached_property
    def short_names(self) -> dict[str, str]:
        """The searched settings' names for people."""
        return short_names(self.space)

    @property
    def layout(self) -> Layout:
        """How it is laid out as a table."""
        return Layout(self.metric, self.short_names, is_tested=self.is_tested, has_ensemble=True)

    def run_folder(self, entry: Entry) -> Path:
        """Name the folder where a run keeps its config, metrics, predictions and checkpoints."""
        return self.folder / TRIALS / entry.name

    def run_job(self, entry: Entry) -> Job:
        """Read the whole job of a run; one that has just been asked for has no folder yet."""
        file = self.run_folder(entry) / CONFIG_FILE
        return jobs_config.load(file) if file.exists() else trial_job(self.job, entry.name, entry.values)


def read_leaderboard(folder: Path) -> Leaderboard:
    """Read the leaderboard of a search, finished or running.

    Raises:
        InputError: the folder holds no search, or a damaged one.
    """
    if not holds_study(folder):
        raise InputError(f"there is no search in {folder}; name one that python run_tune.py has started, and with "
                         "--out the folder that it lies in")
    study = read_study(folder)
    job = jobs_config.load(folder / CONFIG_FILE)
    metric = job.config.eval.metric
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state in _STATUS]
    entries = [_entry(folder, trial, metric, identities(study)) for trial in trials]
    if (run := folder / TRIALS / SUPERVISED).is_dir():
        found = _reference(run, metric, identities(study), study.user_attrs.get(REFERENCE_CAUSE))
        whole = found.status == "reference" and found.epochs >= job.config.train.epochs
        entries.append(dataclasses.replace(found, cause=None) if whole else found)
    entries.sort(key=lambda entry: float("-inf") if entry.score is None else entry.score, reverse=True)
    space = {name: distribution for trial in trials for name, distribution in trial.distributions.items()}
    return Leaderboard(folder, job, study, space, entries, read_confirmed(folder), tuple(unknown_to(study, folder)))


def _entry(folder: Path, trial: FrozenTrial, metric: str, known: list[str]) -> Entry:
    name = trial_name(trial.number)
    run, status = folder / TRIALS / name, _STATUS[trial.state]
    values = dict(trial.params)
    written, contradiction = _stated(run, known, name, values)
    fault = None if status == "running" else metrics_fault(run)  # which may be writing a line now
    # What a run was trained with its worker knows, and the study may not.
    return Entry(name, status, values if written is None else dict(written.values), read_metrics(run), metric,
                 BASELINE in trial.user_attrs,
                 told=trial.value if status == "complete" and is_finite(trial.value) and not contradiction else None,
                 fault="; ".join(each for each in (contradiction, fault) if each) or None,
                 cause=trial.user_attrs.get(CAUSE))


def _reference(run: Path, metric: str, known: list[str], cause: str | None) -> Entry:
    """The supervised run, of which the study knows at most the cause why it waits for another try."""
    file = run / MISTAKE_FILE
    status: Status = "failed" if file.exists() else "reference"
    _, contradiction = _stated(run, known, SUPERVISED, {})
    fault = "; ".join(each for each in (contradiction, metrics_fault(run)) if each) or None
    return Entry(SUPERVISED, status, {}, read_metrics(run), metric, fault=fault,
                 cause=read_text(file).strip() if status == "failed" else cause)


def _stated(run: Path, known: list[str], name: str, values: Values) -> tuple[Suggestion | None, str | None]:
    """What a run's folder states that was trained there, and why that is not what the study says."""
    try:
        written = read_suggestion(run)
        return written, disagreement(written, known, name, values)
    except InputError as error:  # nobody's word for it is left but the study's; the other trials have theirs
        return None, str(error)


def as_csv(board: Leaderboard) -> str:
    """Write a row a run: trial, status, epochs, the metric of the networks' mean and of their ensemble, both of the
    test set too if there is one, what came of training it again with other seeds if it was, and the searched settings
    under their dotted names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metric = board.config.eval.metric
    tested = [f"{TEST}{metric}", f"{TEST}{metric}_{ENSEMBLE}"] if board.is_tested else []
    again = [f"confirmed_{metric}", "confirmed_std", "confirmed_seeds"] if board.confirmed else []
    writer.writerow(["trial", "status", "epochs", metric, f"{metric}_{ENSEMBLE}", *tested, *again, *board.space])
    for entry in board.entries:
        scores = [entry.ensemble, *([entry.test_score, entry.test_ensemble] if board.is_tested else [])]
        if board.confirmed is not None:
            kind = board.confirmed.of_run(entry.name)
            scores += [None, None, None] if kind is None else [kind.score, kind.spread, board.confirmed.seeds]
        writer.writerow([entry.name, entry.status, entry.epochs, entry.score, *scores,
                         *map(entry.values.get, board.space)])
    return text.getvalue()


def as_text(board: Leaderboard) -> str:
    """Write a table for the terminal, its columns aligned and as wide as they need."""
    table = board.layout.draw((entry, ", ".join(board.notes(entry)), "") for entry in board.entries)
    console = Console(file=io.StringIO(), width=10_000, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
