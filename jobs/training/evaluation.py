"""The evaluation of a checkpoint on Ray: its trainer and what each of its workers runs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from jobs.cluster.resources import require_resources, scaling
from jobs.run_folder.layout import BAD_PICTURES_FILE, append_line
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config
from trs.data.datasets import Datasets, load_datasets
from trs.evaluation.evaluate import evaluate as evaluate_method
from trs.evaluation.results import write_results
from trs.methods.build import build_method
from trs.warm_start import restore_networks


def evaluate_per_worker(settings: dict[str, Any]) -> None:
    """Evaluate this worker's share; rank 0 writes what all have found."""
    from jobs.training import worker

    worker.evaluate_checkpoint(settings)


def evaluate(checkpoint: Path, config: Config, out: Path) -> dict[str, float]:
    """Metrics of a checkpoint on `config.train.workers` processes, also written to `out/metrics.json`.

    Args:
        checkpoint: its folder.
        config: the checkpoint's own, with the data and the evaluation that are wanted.
        out: folder for metrics.json and predictions/.

    Raises:
        InputError: a checkpoint or data that cannot be used.
    """
    sets = load_datasets(config.data)
    train = dataclasses.replace(config.train, data_cpus=1e-3)
    require_resources(train)
    out.mkdir(parents=True, exist_ok=True)
    (out / BAD_PICTURES_FILE).unlink(missing_ok=True)
    name = f"ray-{uuid.uuid4().hex[:8]}"  # a run of the same name would be taken for one to go on with
    settings = {"checkpoint": str(checkpoint), "config": configs.to_dict(config), "sets": ray.put(sets),
                "out": str(out)}
    try:
        ray.train.torch.TorchTrainer(
            evaluate_per_worker, train_loop_config=settings, scaling_config=scaling(train),
            run_config=ray.train.RunConfig(name=name, storage_path=str(out))).fit()
    finally:
        shutil.rmtree(out / name, ignore_errors=True)
    return json.loads((out / "metrics.json").read_text())


def evaluate_checkpoint(settings: dict[str, Any]) -> None:
    """Evaluate a checkpoint together with the other workers.

    settings:
        checkpoint: its folder.
        config: a config as plain values.
        sets: `Datasets` in the object store.
        out: folder for metrics.json, predictions/ and bad_pictures.txt.
    """
    config = configs.from_dict(settings["config"])
    torch.set_num_threads(max(1, int(config.train.cpus_per_worker)))
    sets: Datasets = ray.get(settings["sets"])
    device, out = ray.train.torch.get_device(), Path(settings["out"])
    method = build_method(config, len(sets.skeleton))
    restore_networks(method.networks.to(device), checkpoints.load(Path(settings["checkpoint"])))
    complaints: list[str] = []
    metrics = evaluate_method(method, sets, config, device, complaints,
                       lambda name, results: write_results(out / "predictions", name, results))
    for complaint in complaints:
        append_line(out / BAD_PICTURES_FILE, complaint)
    if ray.train.get_context().get_world_rank() == 0:
        (out / "metrics.json").write_text(json.dumps(metrics))
