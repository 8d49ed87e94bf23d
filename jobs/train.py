"""One training on Ray: `python -m jobs.train --preset demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from jobs import cli, cluster, doctor
from jobs.lines import follow
from jobs.runs import SPLIT_FILE, write_run
from jobs.stages import FIRST_STAGE
from jobs.stopping import aside, stop_gently
from jobs.trainer import fit
from trs import checkpoint as checkpoints
from trs import loop
from trs.config import Config
from trs.data.datasets import Datasets, load_datasets, require_unlabeled
from trs.data.split import load_split
from trs.errors import InputError
from trs.evaluation.evaluate import require_metric
from trs.evaluation.protocol import protocol
from trs.methods.build import METHODS, build_method


def prepare(config: Config, folder: Path) -> Datasets:
    """Load the sets, and find a fault in the config or the data before anything starts; nothing is written.

    Args:
        config: of the training.
        folder: of the run; one that is resumed keeps its split.

    Raises:
        InputError: the fault.
    """
    manifest = folder / SPLIT_FILE
    sets = load_datasets(config.data, load_split(manifest) if manifest.exists() else None)
    if METHODS[type(config.method)].uses_unlabeled:
        require_unlabeled(sets)
    require_metric(sets, config.eval.metric)
    # Weights that are absent or do not fit are told before Ray starts.
    loop.start(config, sets, build_method(config, len(sets.skeleton)), torch.device("cpu"))
    return sets


def main(arguments: list[str]) -> None:
    """Train once: one method on one dataset, on as many workers as asked for."""
    command = cli.parse(cli.Command, arguments, "python -m jobs.train")
    config, folder = command.settings, command.folder
    if folder.exists() and not command.resume:
        raise InputError(f"{folder} exists already: go on with --resume {folder.name}, or choose another --name")
    sets = prepare(config, folder)
    cluster.connect()
    doctor.require(config, sets, folder)
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
