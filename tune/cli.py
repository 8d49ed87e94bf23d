"""The command line of a command about a search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from jobs.run_folder.paths import require_length, require_text
from tune.place import holds_study


@dataclass(frozen=True)
class SearchCommand:
    """A command about a search."""

    search: tyro.conf.Positional[str]
    """Name of a search, or its folder."""
    out: Path = Path("runs")
    """Folder that the searches lie in."""

    @property
    def folder(self) -> Path:
        """The search's folder, absolute."""
        return self.folder_of(self.search)

    def folder_of(self, search: str) -> Path:
        """A search's folder, absolute.

        Raises:
            InputError: its name is no text, or too long.
        """
        require_length("--out", str(self.out))
        named = self.out / search
        folder = (named if holds_study(named) or not holds_study(Path(search)) else Path(search)).absolute()
        require_text(folder)
        return folder
