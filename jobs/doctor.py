"""Check a cluster before anything starts: `python -m jobs.doctor` with the options of the training or search."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

from jobs import cli
from jobs.cluster.checks import examine
from jobs.cluster.connect import connect
from jobs.cluster.ray_files import token_file, token_is_exposed
from jobs.run_folder.silence import break_silence
from trs.data.datasets import load_datasets
from trs.errors import InputError


@dataclass(frozen=True)
class Command(cli.Command):
    """Check the cluster for the training that the same options would start; nothing is started."""


def main(arguments: list[str]) -> None:
    """Examine, and print a line a check."""
    command = cli.parse(Command, arguments, "python -m jobs.doctor")
    faults = 0
    with break_silence(lambda: "Ray starts, the annotations are read, and the nodes are asked what they see"):
        datasets = load_datasets(command.settings.data)
        connect()
        for finding in examine(command.job, datasets, command.folder):
            said = finding.fault or finding.note
            print(f"{'ok   ' if finding.fault is None else 'FAULT'}  {finding.about}{f': {said}' if said else ''}",
                  flush=True)
            faults += finding.fault is not None
    if token_is_exposed():  # Ray leaves its file so; nothing has to wait for that
        file = token_file()
        print(f"WARN   token: other users of this machine can read {file}, and with it start jobs: chmod 600 "
              f"{shlex.quote(str(file))}", flush=True)
    if faults:
        raise InputError(f"{faults} of the checks found a fault; nothing was started")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
