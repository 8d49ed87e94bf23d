"""One number of a table."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.batch import Run


@dataclass(frozen=True)
class Cell:
    """One number of a table: a metric of a run, and what was published.

    row: what the first columns say.
    """

    row: tuple[str, ...]
    column: str
    run: Run
    metric: str = "ap"
    published: float | None = None
