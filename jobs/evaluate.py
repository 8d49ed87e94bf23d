"""Evaluate a checkpoint: `python -m jobs.evaluate RUN_OR_CHECKPOINT [--data.root DIR] [--workers 2]`."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from jobs import cli
from jobs import config as jobs_config
from jobs.cluster.connect import connect
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import BAD_IMAGES_FILE, CONFIG_FILE, read_lines
from jobs.run_folder.silence import break_silence
from jobs.training.evaluation import evaluate
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import DataConfig, EvalConfig
from trs.config.effects import changed, require_effect
from trs.evaluation.protocol import TEST, measure_of, protocol

if TYPE_CHECKING:
    from jobs.cli import Given as DataOptions
    from jobs.cli import Given as EvalOptions
else:
    # The rest changes a training, and nothing of what is measured.
    DataOptions = cli.overrides(DataConfig, without=["include_labeled", "unlabeled_count", "split", "split_seed",
                                                     "min_detection_score", "sigma", "max_bad_images"])
    EvalOptions = cli.overrides(EvalConfig, without=["metric", "every"])


@dataclass(frozen=True)
class Command:
    """Measure every network in a checkpoint, and their ensemble: OKS-AP, PCKh, PCK, as far as the data allow.

    What is not given below is as the checkpoint was trained.
    """

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint's folder, or a run's, whose latest checkpoint is taken."""
    workers: int = 1
    """Processes that share the images; the AP is the same for any number."""
    use_gpu: bool = False
    """One GPU for each worker."""
    out: Path | None = None
    """Folder for metrics.json and each network's poses in COCO's result format; by default beside the checkpoint.
    On a cluster, storage that every node sees."""
    data: DataOptions = field(default_factory=dict)
    eval: EvalOptions = field(default_factory=dict)


def _machines(run: Path) -> ClusterConfig:
    """The CPUs of the run that a checkpoint lies in, or the default ones where it lies alone; what was chosen among
    the nodes and GPUs of its cluster is the training's.
    """
    file = run / CONFIG_FILE
    trained = jobs_config.load(file).cluster if file.exists() else ClusterConfig()
    return ClusterConfig(cpus_per_worker=trained.cpus_per_worker, data_cpus=trained.data_cpus)


def main(arguments: list[str]) -> None:
    """Evaluate, and print the protocol and a line for each metric."""
    command = tyro.cli(Command, args=arguments, prog="python -m jobs.evaluate")
    checkpoint = checkpoints.newest(command.checkpoint.absolute())  # the workers run in folders of their own
    trained = checkpoints.load(checkpoint).config
    config = configs.change(trained, cli.dotted(
        data=command.data, eval=command.eval, train={"workers": command.workers}))
    require_effect(changed(config, trained), config)
    out = (command.out or checkpoint.parent / "evaluation").absolute()
    cli.make_folder("--out", out)
    machines = dataclasses.replace(_machines(checkpoint.parent), use_gpu=command.use_gpu)
    with break_silence(lambda: f"the people of {config.data.root} are measured"):
        connect()
        metrics, keypoints, datasets = evaluate(checkpoint, Job(config, machines), out)
    cli.tell_notes(datasets.notes)
    print(checkpoint)
    for people in filter(None, (datasets.val, datasets.test)):
        found = [name for name in metrics if name.startswith(TEST) is (people is datasets.test)]
        for _, names in itertools.groupby(sorted(found, key=measure_of), key=measure_of):
            shown = list(names)
            print(protocol(config, len(people), datasets.skeleton, shown[0]))
            for name in shown:
                value = metrics[name]
                print(f"  {name:<16} {'-' if value is None else f'{value:.4f}'}")
    if keypoints:
        print("the ensemble's score of each keypoint: the share that is right, a mean over COCO's ten thresholds")
        for name, score in keypoints.items():
            print(f"  {name:<16} {'-' if score is None else f'{score:.4f}'}")
    bad = out / BAD_IMAGES_FILE
    if bad.exists():
        print(f"WARNING: {len(read_lines(bad))} of the validation images cannot be used, their people count as missed: "
              f"{bad}")
    print(f"poses and metrics: {out}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
