"""The burn-ins of a search: each is trained once, for all trials that agree on what it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.config import Job
from jobs.run_folder.layout import MISTAKE_FILE
from jobs.training.burn_in import burn_in_of, name_of, state_of
from trs import checkpoint_folders as checkpoints
from trs.files import read_text
from tune.plan import Search, trial_job
from tune.space import Values


@dataclass(frozen=True)
class BurnIn:
    """The burn-in of the trials that agree on all it depends on."""

    job: Job
    folder: Path

    @property
    def state(self) -> Path:
        """The checkpoint that the trials go on from."""
        return state_of(self.job, self.folder)

    @property
    def is_done(self) -> bool:
        """Whether it is there."""
        return checkpoints.exists(self.state)

    @property
    def mistake(self) -> str:
        """Why it is not, after it was tried."""
        file = self.folder / MISTAKE_FILE
        why = read_text(file) if file.exists() else f"see {self.folder}"
        return f"the burn-in has failed: {why}"


def burn_in(search: Search, name: str, values: Values) -> BurnIn | None:
    """What a trial goes on from, if the search trains with a burn-in."""
    job = burn_in_of(trial_job(search.job, name, values))
    return None if job is None else BurnIn(job, search.burn_in_folder(name_of(job)))
