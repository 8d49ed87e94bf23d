"""One training on Ray: `python -m jobs.train --preset demo`."""

from __future__ import annotations

import sys

from jobs import cli
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.stopping import aside, stop_gently
from jobs.run_folder.console import follow
from jobs.run_folder.layout import write_run
from jobs.training.prepare import prepare
from jobs.training.pseudo_labels import FIRST_STAGE
from jobs.training.trainer import fit
from trs import checkpoint as checkpoints
from trs.errors import InputError
from trs.evaluation.protocol import protocol


def main(arguments: list[str]) -> None:
    """Train once: one method on one dataset, on as many workers as asked for."""
    command = cli.parse(cli.Command, arguments, "python -m jobs.train")
    config, folder = command.settings, command.folder
    if folder.exists() and not command.resume:
        raise InputError(f"{folder} exists already: go on with --resume {folder.name}, or choose another --name")
    sets = prepare(config, folder)
    connect()
    checks.require(config, sets, folder)
    write_run(config, sets, folder)
    print(f"{command.title}: {len(sets.labeled)} labelled, {len(sets.unlabeled)} unlabelled, {len(sets.val)} "
          f"validation people of {len(sets.skeleton)} keypoints -> {folder}\n{protocol(config, len(sets.val))}",
          flush=True)
    done = False
    try:
        with stop_gently(folder), follow(folder / FIRST_STAGE, config, "first stage: "), follow(folder, config):
            aside(lambda: fit(config, sets, folder))
        done = True
    finally:
        if not done:
            print(f"stopped; go on with: python -m jobs.train --resume {folder.name} --out {folder.parent}",
                  file=sys.stderr)
    print(f"done: {checkpoints.newest(folder)}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
