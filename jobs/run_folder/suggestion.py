"""Which suggestion of which search a run was trained with: stated by the worker that trains it, and by nobody else.

The settings of a trial, its checkpoints and its metrics can then never part: a study and a folder that tell different
things are found out when the trial is resumed, and by everybody who looks.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trs.errors import InputError, printable
from trs.files import read_json, write_text

SUGGESTION_FILE = "suggestion.json"


@dataclass(frozen=True)
class Suggestion:
    """A trial of a search.

    search: its identity.
    trial: the trial's name.
    values: the searched settings by their dotted names.
    """

    search: str
    trial: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def contradicted_by(self, written: Suggestion, known: Collection[str]) -> str | None:
        """What a run's folder states against this suggestion, in a sentence; None where they agree.

        Args:
            written: in the folder.
            known: identities of the search and of what it was copied from, whose trials are its own.
        """
        if written.search not in known:
            return "a trial of another search was trained there"
        if written.trial != self.trial:
            return f"trial {printable(written.trial)} was trained there"
        for name in sorted({*self.values, *written.values}):
            if self.values.get(name) != written.values.get(name):
                return (f"it was trained with {printable(name)} {printable(str(written.values.get(name)))}, and the "
                        f"study says {self.values.get(name)}")
        return None


def write_suggestion(folder: Path, suggestion: Suggestion) -> None:
    """State what is trained in a run's folder."""
    write_text(folder / SUGGESTION_FILE, json.dumps(dataclasses.asdict(suggestion)))


def read_suggestion(folder: Path) -> Suggestion | None:
    """What a run's folder states; None before a worker has begun, and in a run of 0.1.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / SUGGESTION_FILE
    if not file.exists():
        return None
    try:
        content = read_json(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); restore it from a copy") from error
    if not (isinstance(content, dict) and content.keys() == {"search", "trial", "values"}
            and isinstance(content["search"], str) and isinstance(content["trial"], str)
            and isinstance(content["values"], dict)):
        raise InputError(f"{file} does not say which trial was trained there; restore it from a copy")
    return Suggestion(**content)
