"""The table of docs/searching.md: what may happen to a search, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.documentation.commands import ROOT


@dataclass(frozen=True)
class Cause:
    """A row: what becomes of the trials, what --resume does, and the exit code of the search."""

    trials: str
    resume: str
    exit_code: int


def causes() -> dict[str, Cause]:
    """The rows, by what happens."""
    lines = (ROOT / "docs" / "searching.md").read_text().splitlines()
    first = lines.index("| what happens | its trials | `--resume` | exit code |") + 2
    rows = {}
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        name, trials, resume, code = (cell.strip() for cell in line.strip("|").split(" | "))
        rows[name] = Cause(trials, resume, int(code))
    return rows
