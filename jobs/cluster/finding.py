"""What a check has found: that all is well, a warning, or an error with the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """A check's result.

    about: what was looked at.
    said: what is wrong with it in a sentence, with the remedy; or, where nothing is, what there is to know.
    level: how much that matters.
    stops: whether a training must not start with an error.
    """

    about: str
    said: str | None = None
    level: Level = "ok"
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.level:<7}  {self.about}{f': {self.said}' if self.said else ''}"


def error_if(about: str, fault: str | None, stops: bool = True) -> Finding:
    """An error where there is a fault, and else that all is well."""
    return Finding(about, fault, "ok" if fault is None else "error", stops)


def warning_if(about: str, fault: str | None) -> Finding:
    """A warning where there is a fault, and else that all is well."""
    return Finding(about, fault, "ok" if fault is None else "warning")
