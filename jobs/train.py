"""One training on Ray: `python -m jobs.train --preset demo`."""

from __future__ import annotations

import sys
from pathlib import Path

from jobs import cli, cluster
from jobs.runs import SPLIT_FILE, follow, write_run
from jobs.trainer import build_trainer
from trs.config import Config
from trs.data.sets import Sets, load_sets, require_unlabeled
from trs.data.split import load_split
from trs.errors import InputError
from trs.methods.build import METHODS, build_method


def prepare(config: Config, folder: Path) -> Sets:
    """Load the sets and write what the run is. A resumed run keeps its split.

    Raises:
        InputError: a fault in the config or in the data; nothing has been written then.
    """
    manifest = folder / SPLIT_FILE
    sets = load_sets(config.data, load_split(manifest) if manifest.exists() else None)
    if METHODS[type(config.method)].uses_unlabeled:
        require_unlabeled(sets)
    build_method(config, len(sets.skeleton))  # weights that are absent or do not fit are told before Ray starts
    write_run(config, sets, folder)
    return sets


def main(arguments: list[str]) -> None:
    """Train once: one method on one dataset, on as many workers as asked for."""
    command = cli.parse(cli.Command, arguments, "python -m jobs.train")
    config, folder = command.settings, command.folder
    if folder.exists() and not command.resume:
        raise InputError(f"{folder} exists already: go on with --resume {folder.name}, or choose another --name")
    sets = prepare(config, folder)
    cluster.connect()
    cluster.require_resources(config.train)
    print(f"{command.title}: {len(sets.labeled)} labelled, {len(sets.unlabeled)} unlabelled, {len(sets.val)} "
          f"validation people of {len(sets.skeleton)} keypoints -> {folder}", flush=True)
    with follow(folder, config.train.epochs):
        result = build_trainer(config, sets, folder).fit()
    print(f"done; checkpoint: {result.checkpoint.path}" if result.checkpoint else "done; nothing was left to train")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
