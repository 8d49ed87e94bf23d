"""One training on Ray: `python -m jobs.train --preset demo`."""

from __future__ import annotations

import sys
from collections.abc import Sized

from jobs import cli
from jobs.cluster import checks
from jobs.cluster.connect import connect
from jobs.cluster.resources import share_cores
from jobs.cluster.stopping import run_aside, stop_gently
from jobs.cluster.waiting import goes_on
from jobs.run_folder.console import Pace, print_progress
from jobs.run_folder.layout import FIRST_STAGE, write_run
from jobs.run_folder.lease import Lease, hold, require_new
from jobs.run_folder.output import outlive_readers
from jobs.run_folder.silence import break_silence
from jobs.training.datasets import store
from jobs.training.prepare import prepare
from jobs.training.trainer import fit
from trs import checkpoint_folders as checkpoints
from trs.config.before import kept_from_0_1
from trs.evaluation.protocol import protocol
from trs.schedule import of_workers


def main(arguments: list[str]) -> None:
    """Train once: one method on one dataset, on as many workers as asked for."""
    command = cli.parse(cli.Command, arguments, "python -m jobs.train")
    if not command.resume:
        require_new(command.folder, command.to_resume)
    with hold(command.folder) as lease, outlive_readers(command.folder):
        _train(command, lease)


def _train(command: cli.Command, lease: Lease) -> None:
    job, folder = command.job, command.folder
    with break_silence(lambda: "the annotations are read"):
        datasets = prepare(job.config, folder)
    with break_silence(lambda: "Ray starts, and its nodes are asked what they see"):
        connect()
        checks.require(job, datasets, folder)
    job = share_cores(job)
    write_run(job, datasets.split, folder)
    counts: dict[str, Sized] = {"labeled": datasets.labeled, "unlabeled": datasets.unlabeled,
                                "validation": datasets.val, "test": datasets.test or []}
    print(f"{command.title}: {', '.join(f'{len(people)} {name}' for name, people in counts.items() if len(people))} "
          f"people of {len(datasets.skeleton)} keypoints -> {folder}\n"
          f"{protocol(job.config, len(datasets.val), datasets.skeleton)}", flush=True)
    cli.tell_notes([*datasets.notes, *kept_from_0_1(job.config), *of_workers(job.config.train)])
    done = False
    paces = {"first stage": Pace(folder / FIRST_STAGE), "training": Pace(folder)}
    try:
        with (stop_gently(folder, lease) as stop,
              print_progress(folder / FIRST_STAGE, job.config, "first stage: "), print_progress(folder, job.config),
              break_silence(lambda: goes_on({name: pace for name, pace in paces.items() if pace.folder.exists()}))):
            run_aside(lambda: fit(job, store(datasets), folder, lease=lease), stop)
        done = True
    finally:
        if not done:
            print(f"stopped; resume with: python -m jobs.train {command.to_resume}", file=sys.stderr)
    print(f"done: {checkpoints.newest(folder)}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
