"""Evaluate a checkpoint: `python -m jobs.evaluate RUN_OR_CHECKPOINT [--data.root DIR] [--workers 2]`."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from jobs import cli
from jobs.cluster.connect import connect
from jobs.run_folder.layout import BAD_PICTURES_FILE
from jobs.training.evaluation import evaluate
from trs import checkpoint as checkpoints
from trs.config import DataConfig, EvalConfig
from trs.evaluation.protocol import measure_of, protocol


@dataclass(frozen=True)
class Command:
    """Measure every network in a checkpoint, and their ensemble: OKS-AP, PCKh, PCK, as far as the data allow."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint's folder, or a run's, whose latest checkpoint is taken."""
    workers: int = 1
    """Processes that share the pictures; the AP is the same for any number."""
    use_gpu: bool = False
    """One GPU for each worker."""
    out: Path | None = None
    """Folder for metrics.json and each network's poses in COCO's result format; by default beside the checkpoint.
    On a cluster, storage that every node sees."""
    data: DataConfig = field(default_factory=DataConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)


def main(arguments: list[str]) -> None:
    """Evaluate, and print the protocol and a line for each metric."""
    named = tyro.cli(Command, args=arguments, prog="python -m jobs.evaluate").checkpoint
    checkpoint = checkpoints.newest(named.absolute())  # the workers run in folders of their own
    config = checkpoints.load(checkpoint).config
    # Now that the checkpoint is known, its own data and evaluation are the defaults of the other options.
    command = tyro.cli(Command, args=arguments, prog="python -m jobs.evaluate",
                       default=Command(named, data=config.data, eval=config.eval))
    config = dataclasses.replace(
        config, data=command.data, eval=command.eval,
        train=dataclasses.replace(config.train, workers=command.workers, min_workers=None, use_gpu=command.use_gpu))
    out = (command.out or checkpoint.parent / "evaluation").absolute()
    connect()
    metrics = evaluate(checkpoint, config, out)
    print(checkpoint)
    for measure, names in itertools.groupby(sorted(metrics, key=measure_of), key=measure_of):
        print(protocol(config, metric=measure))
        for name in names:
            print(f"  {name:<16} {metrics[name]:.4f}")
    bad = out / BAD_PICTURES_FILE
    if bad.exists():
        print(f"WARNING: {len(bad.read_text().splitlines())} people count as missed, their pictures cannot be used: "
              f"{bad}")
    print(f"poses and metrics: {out}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
