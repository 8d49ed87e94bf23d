"""Check a cluster before anything starts: `python -m jobs.doctor` with the options of the training or search."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs import cli
from jobs.cluster.checks import examine, nearest
from jobs.cluster.connect import connect
from jobs.cluster.finding import Finding, warning_if
from jobs.cluster.measured import measure
from jobs.cluster.ray_files import token_file, token_is_exposed
from jobs.cluster.resources import waits_for_nodes
from jobs.run_folder.silence import break_silence
from trs.config.checks import MAY_CHANGE
from trs.data.datasets import load_datasets
from trs.errors import InputError


@dataclass(frozen=True)
class Command(cli.Command):
    """Check the cluster for the training that the same options would start, and measure its storage and network.

    Nothing is trained.
    """

    concurrent: int = field(default=1, metadata=MAY_CHANGE)
    """Trainings that are to run at a time, for the memory of the head."""
    json: bool = field(default=False, metadata=MAY_CHANGE)
    """Print a list of JSON instead of lines: of each check what it is about, its level (ok, warning or error), and what
    is said."""


def main(arguments: list[str]) -> None:
    """Examine, and print a line a check."""
    command = cli.parse(Command, arguments, "python -m jobs.doctor")
    if command.concurrent < 1:
        raise InputError(f"--concurrent must be at least 1, got {command.concurrent}")
    found = list[Finding]()
    quiet = contextlib.redirect_stdout(sys.stderr) if command.json else contextlib.nullcontext()
    with quiet, break_silence(lambda: "Ray starts, the annotations are read, the nodes are asked what they see, and "
                                      "storage and network are measured"):
        for finding in _examined(command):
            found.append(finding)
            if not command.json:
                print(finding, flush=True)
    if command.json:
        print(json.dumps([{name: value for name, value in dataclasses.asdict(finding).items() if name != "stops"}
                          for finding in found], indent=1))
    errors = sum(finding.level == "error" for finding in found)
    if errors:
        raise InputError(f"{errors} of the checks found an error; nothing was started")


def _examined(command: Command) -> Iterator[Finding]:
    """What takes no time first; what is measured only where all else is well."""
    datasets = load_datasets(command.settings.data)
    connect()
    errors = 0
    for finding in examine(command.job, datasets, command.folder, command.concurrent):
        errors += finding.level == "error" and finding.stops
        yield finding
    file = token_file()
    # Ray leaves its file so; nothing has to wait for that.
    yield warning_if("token", f"other users of this machine can read {file}, and with it start jobs: chmod 600 "
                     f"{shlex.quote(str(file))}" if token_is_exposed() else None)
    if errors:
        return
    if waits_for_nodes(command.job) is not None:
        yield Finding("storage and all-reduce: speed", "are measured once the cluster has nodes for a training")
    else:
        yield from measure(command.job, nearest(command.folder))


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
