"""What each worker of a training is given, and work that is done in one go."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.cluster.failures import Failures
from jobs.cluster.ray_private import FailureConfig, RunConfig, run_together
from jobs.cluster.resources import scaling
from jobs.config import Job
from jobs.run_folder.lease import Lease
from jobs.run_folder.suggestion import Suggestion
from jobs.training.datasets import StoredDatasets


@dataclass(frozen=True, eq=False)
class Assignment:
    """What a worker works on; it travels to the workers as it is.

    job: the training and its machines.
    datasets: in the object store.
    folder: that the work reads and writes: of the run, or of the results.
    stop: the file that asks the work to save and end.
    checkpoint: whose networks are looked at, where nothing is trained; in a training, the shared burn-in's.
    until: the step to end at, see `trs.loop.train`.
    suggestion: that is trained, where a search has made it.
    lease: of the command; a worker writes nothing once that is lost.
    """

    job: Job
    datasets: StoredDatasets
    folder: Path
    stop: Path | None = None
    checkpoint: Path | None = None
    until: int | None = None
    suggestion: Suggestion | None = None
    lease: Lease | None = None

    def require_lease(self) -> None:
        """Raise `jobs.run_folder.lease.Lost` where the folder is another command's by now."""
        if self.lease is not None:
            self.lease.require()

    def settings(self) -> dict[str, Any]:
        """Wrap it for Ray Train, which hands its workers a dictionary."""
        return {"assignment": self}


def do_once(work: Callable[[dict[str, Any]], Any], assignment: Assignment, judge: Failures | None = None) -> Any:
    """Let workers do something short together, which is repeated as a whole where it fails and the judge allows it.

    Returns: what rank 0 returned.
    """
    name = f"ray-{uuid.uuid4().hex[:8]}"  # Ray Train resumes a run of the same name
    folder = assignment.folder
    try:
        return run_together(work, assignment.settings(), scaling(assignment.job), RunConfig(
            name=name, storage_path=str(folder), callbacks=[judge] if judge else [],
            failure_config=FailureConfig(max_failures=-1 if judge else 0))).return_value
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)
