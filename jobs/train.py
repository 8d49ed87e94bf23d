"""One training on Ray: `python -m jobs.train --preset demo`.

The driver loads the annotations once and puts the tables into the object store; the workers run `trs.loop`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch

from jobs import cli, cluster
from jobs.data import open_batches
from jobs.runlog import RunLog, follow
from trs import checkpoint as checkpoints
from trs import config as configs
from trs import loop
from trs.config import Config
from trs.data.sets import Sets, load_sets, require_unlabeled
from trs.data.split import load_split, save_split
from trs.data.stream import stream_of
from trs.errors import InputError
from trs.evaluation.results import write_results
from trs.methods.build import METHODS, build_method

SPLIT_FILE = "split.json"


def train_loop_per_worker(settings: dict[str, Any]) -> None:
    """What each worker runs.

    settings:
        config: a config as plain values.
        sets: `Sets` in the object store.
        streams: `Stream`s in the object store, by name.
        folder: of the run.
    """
    config = configs.from_dict(settings["config"])
    sets: Sets = ray.get(settings["sets"])
    folder = Path(settings["folder"])
    main = ray.train.get_context().get_world_rank() == 0
    resumed = _latest_checkpoint()
    method = build_method(config, len(sets.skeleton))
    training = loop.start(config, sets, method, ray.train.torch.get_device(), resumed)
    log = RunLog(folder, training.counters.step) if main else None

    def report(metrics: loop.Metrics, save: Callable[[Path], None]) -> None:
        if log is None:
            ray.train.report(metrics)
            return
        log.write(metrics)
        with tempfile.TemporaryDirectory() as temporary:
            save(Path(temporary, "checkpoint"))
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(f"{temporary}/checkpoint"),
                             checkpoint_dir_name=f"checkpoint_{int(metrics['step']):08d}")

    loop.train(training, open_batches(settings["streams"], config.train.data_cpus), report,
               wrap=ray.train.torch.prepare_model,
               keep=lambda name, results: write_results(folder / "predictions", name, results))


def _latest_checkpoint() -> checkpoints.Checkpoint | None:
    found = ray.train.get_checkpoint()
    if found is None:
        return None
    with found.as_directory() as folder:
        return checkpoints.load(Path(folder))


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


def write_run(config: Config, sets: Sets, folder: Path) -> None:
    """Write what a run is: config.yaml and split.json."""
    folder.mkdir(parents=True, exist_ok=True)
    configs.save(config, folder / cli.CONFIG_FILE)
    save_split(sets.split, folder / SPLIT_FILE)


def put_streams(sets: Sets, config: Config) -> dict[str, ray.ObjectRef]:
    """The training streams in the object store."""
    people = {"labeled": sets.labeled, "unlabeled": sets.unlabeled}
    return {name: ray.put(stream_of(table, sets.skeleton.flip_order, config)) for name, table in people.items()}


def build_trainer(config: Config, sets: Sets, folder: Path, callbacks: Iterable[Any] = ()
                  ) -> ray.train.torch.TorchTrainer:
    """A TorchTrainer whose run is `folder`: checkpoints lie there, and a run that was broken off there goes on.

    Args:
        config: of the training.
        sets: from `prepare`.
        folder: of the run, on storage that every node sees.
        callbacks: Ray Train's user callbacks.
    """
    settings = {"config": configs.to_dict(config), "sets": ray.put(sets), "streams": put_streams(sets, config),
                "folder": str(folder)}
    return ray.train.torch.TorchTrainer(
        train_loop_per_worker,
        train_loop_config=settings,
        scaling_config=ray.train.ScalingConfig(
            num_workers=config.train.workers, use_gpu=config.train.use_gpu,
            resources_per_worker={"CPU": config.train.cpus_per_worker, "GPU": 1} if config.train.use_gpu
            else {"CPU": config.train.cpus_per_worker}),
        run_config=ray.train.RunConfig(
            name=folder.name, storage_path=str(folder.parent), callbacks=list(callbacks),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2, checkpoint_score_attribute="ap"),
            failure_config=ray.train.FailureConfig(max_failures=config.train.max_failures,
                                                   controller_failure_limit=3)))


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
