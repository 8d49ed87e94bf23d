"""The columns of a leaderboard, in a terminal, in a report, and while the search runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from tune.space import Values


class Placed(Protocol):
    """A run with a place in the table."""

    @property
    def name(self) -> str:
        """The name of its folder."""

    @property
    def status(self) -> str:
        """What has become of it."""

    @property
    def values(self) -> Values:
        """The searched settings by their dotted names."""

    @property
    def epochs(self) -> int:
        """Epochs that it has trained."""

    @property
    def score(self) -> float | None:
        """The metric after the last of them."""

    @property
    def ensemble(self) -> float | None:
        """That of the ensemble."""

    @property
    def test_score(self) -> float | None:
        """The metric of the people who choose nothing."""

    @property
    def test_ensemble(self) -> float | None:
        """That of the ensemble."""


@dataclass(frozen=True)
class Cell:
    """What a table says of a run in a column: what to sort by, and its text."""

    value: Any
    text: str


@dataclass(frozen=True)
class Layout:
    """The columns of a leaderboard, in a terminal, in a report, and while the search runs.

    metric: its name for people.
    settings: dotted names of the searched settings, each with its name for people.
    epochs: of a whole trial, where the table says of how many a run's are.
    is_tested: whether the table has columns for the people who choose nothing.
    has_ensemble: whether it has one for the ensemble; on the people who choose nothing, if there are any.
    """

    metric: str
    settings: dict[str, str]
    epochs: int | None = None
    is_tested: bool = False
    has_ensemble: bool = False

    @property
    def columns(self) -> list[str]:
        """Their titles."""
        tested, together = [f"test {self.metric}"] * self.is_tested, ["ensemble"] * self.has_ensemble
        return ["trial", "status", "epochs", self.metric, *tested, *together, *self.settings.values()]

    def cells(self, run: Placed) -> list[Cell]:
        """Say what stands in each column."""
        epochs = f"{run.epochs}" if self.epochs is None else f"{run.epochs}/{self.epochs}"
        values = [run.values.get(name) for name in self.settings]
        scores = [run.score, *[run.test_score] * self.is_tested,
                  *[run.test_ensemble if self.is_tested else run.ensemble] * self.has_ensemble]
        return [Cell(run.name, run.name), Cell(run.status, run.status), Cell(run.epochs, epochs),
                *(Cell(score, "-" if score is None else f"{score:.3f}") for score in scores),
                *(Cell(value, value_text(value)) for value in values)]

    def draw(self, runs: Iterable[tuple[Placed, str, str]]) -> Table:
        """Draw the table for a terminal.

        Args:
            runs: each with a note, which stands behind its columns, and rich's style of its line.
        """
        table = Table(box=None, header_style="bold", pad_edge=False)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="left" if number < 2 else "right")
        table.add_column("")
        for run, note, style in runs:
            table.add_row(*(Text(cell.text) for cell in self.cells(run)), note, style=style)
        return table


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Name settings without their group, where that leaves them distinct."""
    last = {name: name.rpartition(".")[2] for name in names}
    return {name: short if list(last.values()).count(short) == 1 else name for name, short in last.items()}


def value_text(value: Any) -> str:
    """Write a searched value for people."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
