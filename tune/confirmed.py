"""What has come of training the best of a search again with other seeds: `confirmed.json` in the search's folder."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from trs.errors import InputError
from trs.evaluation.intervals import Gain
from trs.files import read_json, write_text

CONFIRMED_FILE = "confirmed.json"


@dataclass(frozen=True)
class Kind:
    """One kind of training, with N seeds.

    name: for people.
    run: the search's run that has the same settings; None where it has none.
    score: the metric's mean over the seeds, and `spread` its standard deviation; None for a single seed.
    ensemble: the mean of the ensemble's.
    steps: of each training.
    seconds: that the steps of a training took in the mean, without evaluations.
    """

    name: str
    run: str | None
    score: float
    spread: float | None
    ensemble: float
    steps: int
    seconds: float


@dataclass(frozen=True)
class Confirmed:
    """What has come of all kinds.

    metric: for people.
    seeds: N.
    people: on whom they were measured, and whether these are `tested`: have chosen nothing.
    kinds: the best trial's first, then what it is measured against.
    gains: of the best trial's kind over others, by their names; of what supervised training offers only over the better
        one at equal steps, and over the better one at equal time.
    failed: why a kind is not among them, by its name: it failed with one of the seeds, from its settings.
    labels: whether each seed has labels of its own, which a manifest or the first people of a file leave no choice of.
    """

    metric: str
    seeds: int
    people: int
    tested: bool
    kinds: list[Kind]
    gains: dict[str, Gain]
    labels: bool = True
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Kind:
        """That of the trial which was the best of the search."""
        return self.kinds[0]

    @property
    def title(self) -> str:
        """How they were trained and measured, in a sentence."""
        who = "people who chose nothing" if self.tested else "validation people, who chose the best"
        of = "labels and weights" if self.labels else "weights, with the same labels"
        return (f"Trained again with {self.seeds} other seed{'s' * (self.seeds > 1)} of {of}; {self.metric} on "
                f"{self.people:,} {who}, the mean of the networks that the method is scored by")

    @property
    def sentences(self) -> list[str]:
        """The gains, a sentence each, and what has failed."""
        return [*(f"gain over {name}: {gain}" for name, gain in self.gains.items()),
                *(f"{name}: {why}" for name, why in self.failed.items())]

    def rows(self) -> list[list[str]]:
        """The kinds as text: name, metric with its spread, ensemble, steps, seconds."""
        return [[kind.name, f"{kind.score:.3f}" + ("" if kind.spread is None else f" ± {kind.spread:.3f}"),
                 f"{kind.ensemble:.3f}", f"{kind.steps:,}", f"{kind.seconds:.0f} s"] for kind in self.kinds]

    @property
    def columns(self) -> list[str]:
        """What stands in `rows`."""
        return ["trained again", self.metric, "ensemble", "steps", "their time"]

    def of_run(self, run: str) -> Kind | None:
        """What has come of the settings of a run of the search."""
        return next((kind for kind in self.kinds if kind.run == run), None)


def as_text(confirmed: Confirmed) -> str:
    """Write it for a terminal."""
    rows = [confirmed.columns, *confirmed.rows()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                       for column, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]
    return "\n".join([f"{confirmed.title}:", *lines, *confirmed.sentences])


def write_confirmed(folder: Path, confirmed: Confirmed) -> None:
    """Write confirmed.json into a search's folder."""
    write_text(folder / CONFIRMED_FILE, json.dumps(dataclasses.asdict(confirmed), indent=1) + "\n")


def read_confirmed(folder: Path) -> Confirmed | None:
    """Read what a search has confirmed; None before it has.

    Raises:
        InputError: the file holds something else.
    """
    file = folder / CONFIRMED_FILE
    if not file.exists():
        return None
    try:
        plain = read_json(file)
        return Confirmed(**{**plain, "kinds": [Kind(**kind) for kind in plain["kinds"]],
                            "gains": {name: Gain(**gain) for name, gain in plain["gains"].items()}})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} does not hold what a search has confirmed ({error}); delete it, and confirm again"
                         ) from error
