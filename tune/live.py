"""What a person sees while a search runs: a table that updates in place in a terminal, lines in a log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from jobs.cluster.failures import Blame
from jobs.cluster.waiting import goes_on
from jobs.run_folder.console import Pace, duration, epoch_line
from jobs.run_folder.layout import BAD_IMAGES_FILE, MISTAKE_FILE, read_events
from jobs.run_folder.metrics import Metrics, read_metrics
from jobs.run_folder.silence import break_silence, say
from jobs.training.many import Failure
from trs.evaluation.protocol import METRIC_NAMES
from tune.burn_in import burn_in
from tune.columns import Layout, short_names, value_text
from tune.plan import SUPERVISED, TRIALS, Search, trial_name
from tune.space import Values

_FAILED = "FAILED"
_ENDED_ROWS = 12
"""The trials that have ended and stand in the table: so many of the best."""


@dataclass
class Row:
    """A run as far as it has come; values are the searched settings by their dotted names."""

    name: str
    values: Values
    status: str = "running"
    epochs: int = 0
    score: float | None = None
    ensemble: float | None = None
    test_score: float | None = None
    test_ensemble: float | None = None


def _earlier(run: Path, search: Search) -> Row | None:
    """Read how far a run has come in an earlier start of the search."""
    metrics = read_metrics(run)
    if not metrics:
        return None
    epochs = int(metrics[-1]["epoch"])
    if (run / MISTAKE_FILE).exists():
        return Row(run.name, {}, _FAILED, epochs)
    status = "finished" if epochs >= search.config.train.epochs else "stopped early"
    return Row(run.name, {}, status, epochs, metrics[-1].get(search.config.eval.metric))


class SearchLines(TrialProgressCallback):
    """Hears from Tune what happens to the trials, and prints a line of it, in the place of Tune's own reporter.

    Args:
        search: the search.
        samples: runs that this start of the search has before it.
    """

    def __init__(self, search: Search, samples: int) -> None:
        super().__init__()
        self.search, self.samples = search, samples
        self.layout = Layout(METRIC_NAMES[search.config.eval.metric], short_names(search.space),
                             search.config.train.epochs)
        self.rows = {path.name: row for path in sorted((search.folder / TRIALS).glob("*"))
                     if (row := _earlier(path, search)) is not None}
        self.ended, self.began = 0, time.monotonic()
        self.failures: dict[str, Failure] = {}
        self.paces: dict[str, Pace] = {}
        self.events: dict[Path, int] = {}
        self.told = self.began

    def tell(self, line: str, name: str, in_its_folder: bool = False) -> None:
        """Say what has happened to the run of this name, heard from Tune or read in its folder."""
        self.told = time.monotonic()
        say(f"[{name}] {line}")

    def wait(self, line: str) -> None:
        """Say how far the runs are, where nothing has happened for long."""
        say(line)

    def goes_on(self) -> str:
        """How far the runs are."""
        return goes_on(dict(self.paces))

    def hear_events(self) -> None:
        """Tell what has happened to the runs since the last call: restarts, damaged checkpoints."""
        for name, pace in dict(self.paces).items():
            for line in read_events(pace.folder)[self.events.get(pace.folder, 0):]:
                self.events[pace.folder] = self.events.get(pace.folder, 0) + 1
                self.tell(line, name, in_its_folder=True)

    def _watch(self, trial: Trial) -> None:
        """Follow a run that begins by its folder."""
        name = trial.config["name"]
        shared = burn_in(self.search, name, trial.config["values"]) if _burns_in(trial) else None
        pace = self.paces[name] = Pace(self.search.run_folder(name) if shared is None else shared.folder)
        self.events[pace.folder] = len(read_events(pace.folder))

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial begins."""
        self.rows.pop(trial.config["name"], None)  # one that is resumed
        row = self._row(trial)
        self._watch(trial)
        if _burns_in(trial):
            row.status = "burning in"
            self.tell(f"burns in: {self.search.config.train.burn_in} supervised steps, for all trials that agree on "
                      "what they depend on", row.name)
            return
        values = [f"{self.layout.settings.get(name, name)}={value_text(value)}" for name, value in row.values.items()]
        self.tell("  ".join(["starts", *values]), row.name)

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: Metrics, **info: Any) -> None:
        """A trial was evaluated."""
        metric, row = self.search.config.eval.metric, self._row(trial)
        if (failure := Failure.of(result)) is not None:
            self.failures[row.name] = failure
        if metric in result:
            row.epochs, row.score = int(result["epoch"]), result[metric]
            self.tell(epoch_line(result, self.search.config.train.epochs, metric), row.name)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial has come to its end, was stopped early, or will be resumed with the search."""
        self.paces.pop(trial.config["name"], None)
        if _burns_in(trial):
            self.tell("interrupted" if self.search.is_stopping() else "burned in", trial.config["name"])
            return
        # Its folder knows, also where a search resumes a trial that was killed after its last epoch.
        metrics = read_metrics(self.search.run_folder(trial.config["name"]))
        if metrics and metrics[-1]["epoch"] >= self.search.config.train.epochs:
            self._end(trial, "finished")
        elif self.search.is_stopping():
            row = self._row(trial)
            row.status = "interrupted"
            self.tell(row.status, row.name)
        else:
            self._end(trial, "stopped early")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial has failed: why; of a burn-in that its settings are to blame for the trials say so that needed it."""
        name = trial.config["name"]
        self.paces.pop(name, None)
        failure = self.failures.pop(name, None) or Failure(f"its driver was lost, see {trial.local_path}/error.txt",
                                                           Blame.MACHINE)
        if failure.blame is not Blame.SETTINGS:
            what = "its burn-in was" if _burns_in(trial) else "was"
            self.tell(f"{what} broken off: {failure.why}; it is tried again, or on --resume", name)
            return
        if _burns_in(trial):
            return
        self._row(trial).score = None  # that of an earlier epoch is none of the trial's
        self._end(trial, _FAILED, f": {failure.why}")

    def _end(self, trial: Trial, how: str, why: str = "") -> None:
        self.ended += 1
        row = self._row(trial)
        row.status = how
        against = self.headline()
        self.tell(f"{how}{why}; {self.left()}{f'; {against}' if against else ''}", row.name)

    def _row(self, trial: Trial) -> Row:
        """Find the row of a trial, which may fail before Tune says that it has started."""
        name, values = trial.config["name"], trial.config["values"]
        return self.rows.setdefault(name, Row(name, values))

    def left(self) -> str:
        """Say how many have ended, and how long the rest may take."""
        said = f"{self.ended} of {self.samples} done"
        if self.ended == 0:
            return said
        seconds = (time.monotonic() - self.began) / self.ended * (self.samples - self.ended)
        return f"{said}, about {duration(seconds)} left"

    def best(self) -> Row | None:
        """Find the run with the best score so far, the reference left out."""
        scored = [row for row in self.rows.values()
                  if row.score is not None and row.name != SUPERVISED and row.status != _FAILED]
        return max(scored, key=lambda row: row.score or 0.0, default=None)

    def headline(self) -> str:
        """Tell the best so far, against what it is measured by."""
        named = {"best so far": self.best(), "paper's defaults": self.rows.get(trial_name(0)),
                 "supervised": self.rows.get(SUPERVISED)}
        return ", ".join(f"{name} {row.score:.3f} ({row.name}, epoch {row.epochs})" for name, row in named.items()
                         if row is not None and row.score is not None)


class LiveTable(SearchLines):
    """The same as a table in a terminal; failures and warnings are lines of their own, above it."""

    def __init__(self, search: Search, samples: int, live: Live) -> None:
        super().__init__(search, samples)
        self.live = live
        self.waits = ""
        self.live.update(self.table())

    def __getstate__(self) -> dict[str, Any]:
        """Leave the terminal out when Tune writes its callbacks down, for a resume of its own that never happens."""
        return {**vars(self), "live": None}

    def wait(self, line: str) -> None:
        """Show it above the table until something happens."""
        self.waits = line
        self.live.update(self.table(), refresh=True)

    def tell(self, line: str, name: str, in_its_folder: bool = False) -> None:
        """Draw the table anew; what needs a person's eye stays above it."""
        self.told, self.waits = time.monotonic(), ""
        row = self.rows.get(name)  # a driver may end before its trial has begun
        if row is None or row.status == _FAILED or "WARNING" in line or BAD_IMAGES_FILE in line or in_its_folder:
            self.live.console.print(f"[{name}] {line}", markup=False, highlight=False, style="red")
        self.live.update(self.table(), refresh=True)

    def table(self) -> Group:
        """Lay out the runs that train, then the best of those that have ended, below what is measured against what."""
        best = self.best()
        table = self.layout.draw((row, "", "bold" if row is best else "dim" if row.status == "stopped early" else "")
                                 for row in self._placed())
        lines = [f"{self.left()}   {self.headline()}".strip(), *([self.waits] if self.waits else [])]
        return Group(*map(Text, lines), table)

    def _placed(self) -> list[Row]:
        ended = [row for row in self.rows.values() if row.status != "running"]
        ended.sort(key=lambda row: -1.0 if row.score is None else row.score, reverse=True)
        return [row for row in self.rows.values() if row.status == "running"] + ended[:_ENDED_ROWS]


def _burns_in(trial: Trial) -> bool:
    """Whether what Tune runs is a burn-in, not the trial that it is for."""
    return bool(trial.config.get("burns_in"))


@contextlib.contextmanager
def report_live(search: Search, samples: int, console: Console | None = None) -> Iterator[SearchLines]:
    """Show a table where there is a terminal, lines where there is none."""
    console = console or Console(force_terminal=sys.stdout.isatty())  # FORCE_COLOR means colors, not a terminal
    if not console.is_terminal or console.is_dumb_terminal:
        with _followed(SearchLines(search, samples)) as lines:
            yield lines
        return
    with (Live(console=console, refresh_per_second=2, transient=False) as live,
          _followed(LiveTable(search, samples, live)) as table):
        yield table


@contextlib.contextmanager
def _followed(lines: SearchLines) -> Iterator[SearchLines]:
    """While the context lasts, tell what the runs' folders say between the reports, and no long silence."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(1.0):
            lines.hear_events()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        with break_silence(lines.goes_on, lines.wait, lambda: lines.told):
            yield lines
    finally:
        ended.set()
        follower.join()
