"""What a person sees while a search runs: a table that updates in place in a terminal, lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jobs.cluster.stopping import STOP_FILE
from jobs.run_folder.console import duration, epoch_line
from jobs.run_folder.layout import BAD_PICTURES_FILE, MISTAKE_FILE
from jobs.run_folder.metrics import Metrics, read_metrics
from trs.config import Config
from trs.evaluation.protocol import METRIC_NAMES
from tune.leaderboard import shown
from tune.study import SUPERVISED, trial_name
from tune.trial import TRIALS

_ENDED_ROWS = 12
"""Of the trials that have ended, so many of the best stand in the table."""


@dataclass
class Row:
    """A run as far as it has come."""

    name: str
    values: dict[str, Any]
    status: str = "running"
    epoch: int = 0
    score: float | None = None


def _earlier(run: Path, config: Config) -> Row | None:
    """A run that an earlier start of the search has brought to its end, or part of the way."""
    metrics = read_metrics(run)
    if not metrics:
        return None
    epoch = int(metrics[-1]["epoch"])
    status = "finished" if epoch >= config.train.epochs else "stopped early"
    return Row(run.name, {}, status, epoch, metrics[-1][config.eval.metric])


class Watch(TrialProgressCallback):
    """Hears from Tune what happens to the trials, and tells it, in the place of Tune's own callback of this kind.

    Args:
        folder: of the search.
        config: of the search.
        samples: runs that this start of the search has before it.
    """

    def __init__(self, folder: Path, config: Config, samples: int) -> None:
        super().__init__()
        self.folder, self.config, self.samples = folder, config, samples
        self.rows = {path.name: row for path in sorted((folder / TRIALS).glob("*"))
                     if (row := _earlier(path, config)) is not None}
        self.ended, self.began = 0, time.monotonic()

    def tell(self, line: str, name: str) -> None:
        """Say what has happened to the run of this name."""
        print(f"[{name}] {line}", flush=True)

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """A trial begins."""
        self.rows.pop(trial.config["name"], None)  # one that goes on
        row = self._row(trial)
        self.tell("  ".join(["starts", *(f"{key}={shown(value)}" for key, value in row.values.items())]), row.name)

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: Metrics, **info: Any) -> None:
        """A trial was evaluated."""
        metric, row = self.config.eval.metric, self._row(trial)
        if metric in result:
            row.epoch, row.score = int(result["epoch"]), result[metric]
            self.tell(epoch_line(result, self.config.train.epochs, metric), row.name)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """A trial has come to its end, was stopped early, or is to go on when the search does."""
        # Its folder knows, also where a search goes on with a trial that was killed after its last epoch.
        metrics = read_metrics(self.folder / TRIALS / trial.config["name"])
        if metrics and metrics[-1]["epoch"] >= self.config.train.epochs:
            self._end(trial, "finished")
        elif (self.folder / STOP_FILE).exists():
            row = self._row(trial)
            row.status = "interrupted"
            self.tell(row.status, row.name)
        else:
            self._end(trial, "stopped early")

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """A trial has failed: why, or where to read it."""
        mistake = self.folder / TRIALS / trial.config["name"] / MISTAKE_FILE
        why = mistake.read_text() if mistake.exists() else f"see {trial.local_path}/error.txt"
        self._end(trial, "FAILED", f": {why}")

    def _end(self, trial: Any, how: str, why: str = "") -> None:
        self.ended += 1
        row = self._row(trial)
        row.status = how
        against = self.headline()
        self.tell(f"{how}{why}; {self.left()}{f'; {against}' if against else ''}", row.name)

    def _row(self, trial: Any) -> Row:
        """A trial may fail before Tune says that it has started."""
        name, values = trial.config["name"], trial.config["values"]
        return self.rows.setdefault(name, Row(name, {key.rpartition(".")[2]: values[key] for key in values}))

    def left(self) -> str:
        """How many have ended, and how long the rest may take."""
        said = f"{self.ended} of {self.samples} done"
        if self.ended == 0:
            return said
        seconds = (time.monotonic() - self.began) / self.ended * (self.samples - self.ended)
        return f"{said}, about {duration(seconds)} left"

    def best(self) -> Row | None:
        """The run with the best score so far, the reference left out."""
        scored = [row for row in self.rows.values()
                  if row.score is not None and row.name != SUPERVISED and row.status != "FAILED"]
        return max(scored, key=lambda row: row.score or 0.0, default=None)

    def headline(self) -> str:
        """The best so far, against what it is measured by."""
        named = {"best so far": self.best(), "paper's defaults": self.rows.get(trial_name(0)),
                 "supervised": self.rows.get(SUPERVISED)}
        return ", ".join(f"{name} {row.score:.3f} ({row.name}, epoch {row.epoch})" for name, row in named.items()
                         if row is not None and row.score is not None)


class LiveTable(Watch):
    """The same as a table in a terminal; failures and warnings are lines of their own, above it."""

    def __init__(self, folder: Path, config: Config, samples: int, live: Live) -> None:
        super().__init__(folder, config, samples)
        self.live = live
        self.live.update(self.table())

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes its callbacks down, for a resume that is ours and never reads them; a terminal cannot be."""
        return {**vars(self), "live": None}

    def tell(self, line: str, name: str) -> None:
        """Draw the table anew; what needs a person's eye stays above it."""
        if self.rows[name].status == "FAILED" or "WARNING" in line or BAD_PICTURES_FILE in line:
            self.live.console.print(f"[{name}] {line}", markup=False, highlight=False, style="red")
        self.live.update(self.table(), refresh=True)

    def table(self) -> Group:
        """The runs that train, then the best of those that have ended; above them what is measured against what."""
        columns = list(next((row.values for row in self.rows.values() if row.values), {}))
        metric = METRIC_NAMES[self.config.eval.metric]
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("trial", "status"):
            table.add_column(column)
        for column in ("epoch", metric, *columns):
            table.add_column(column, justify="right")
        for row in self._shown():
            style = "bold" if row is self.best() else "dim" if row.status == "stopped early" else ""
            table.add_row(row.name, row.status, f"{row.epoch}/{self.config.train.epochs}",
                          "-" if row.score is None else f"{row.score:.3f}",
                          *(shown(row.values.get(column)) for column in columns), style=style)
        return Group(Text(f"{self.left()}   {self.headline()}".strip()), table)

    def _shown(self) -> list[Row]:
        ended = [row for row in self.rows.values() if row.status != "running"]
        ended.sort(key=lambda row: -1.0 if row.score is None else row.score, reverse=True)
        return [row for row in self.rows.values() if row.status == "running"] + ended[:_ENDED_ROWS]


@contextlib.contextmanager
def watching(folder: Path, config: Config, samples: int, console: Console | None = None) -> Iterator[Watch]:
    """A table where there is a terminal, lines where there is none."""
    console = console or Console(force_terminal=sys.stdout.isatty())  # FORCE_COLOR means colours, not a terminal
    if not console.is_terminal or console.is_dumb_terminal:
        yield Watch(folder, config, samples)
        return
    with Live(console=console, refresh_per_second=2, transient=False) as live:
        yield LiveTable(folder, config, samples, live)
