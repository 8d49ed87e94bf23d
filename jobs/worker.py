"""What each worker of a training runs: `trs.loop` between Ray Data's batches and Ray Train's reports."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from jobs.data import open_batches
from jobs.runlog import RunLog
from jobs.runs import BAD_PICTURES_FILE, MISTAKE_FILE, append_line, checkpoint_name, sentence
from jobs.stages import save_labels
from trs import checkpoint as checkpoints
from trs import config as configs
from trs import loop
from trs.data.sets import Sets
from trs.errors import InputError
from trs.evaluation.evaluate import evaluate, label
from trs.evaluation.results import write_results
from trs.methods.build import LABELERS, build_method


def run(settings: dict[str, Any]) -> None:
    """Train, or go on from the last checkpoint that Ray Train hands over.

    Ray Train restarts the workers whatever they failed from. A mistake of the user's would meet every restart again, so
    it is written down, and the restarted workers leave at once; `jobs.trainer.fit` reads it.

    settings:
        config: a config as plain values.
        sets: `Sets` in the object store.
        streams: `Stream`s in the object store, by name.
        folder: of the run.
    """
    mistake = Path(settings["folder"], MISTAKE_FILE)
    if mistake.exists():
        return
    try:
        _train(settings)
    except InputError as error:
        mistake.write_text(sentence(error))
        raise


def _train(settings: dict[str, Any]) -> None:
    config = configs.from_dict(settings["config"])
    # Ray sets this for whole CPUs only; workers that each take the machine's threads wait for one another.
    torch.set_num_threads(max(1, int(config.train.cpus_per_worker)))
    sets: Sets = ray.get(settings["sets"])
    folder = Path(settings["folder"])
    main = ray.train.get_context().get_world_rank() == 0
    resumed = _latest_checkpoint()
    method = build_method(config, len(sets.skeleton))
    training = loop.start(config, sets, method, ray.train.torch.get_device(), resumed,
                          complain=lambda sentence: append_line(folder / BAD_PICTURES_FILE, sentence))
    log = RunLog(folder, training.counters.step) if main else None

    def report(metrics: loop.Metrics, save: Callable[[Path], None]) -> None:
        if log is None:
            ray.train.report(metrics)
            return
        log.write(metrics)
        with tempfile.TemporaryDirectory() as temporary:
            save(Path(temporary, "checkpoint"))
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(f"{temporary}/checkpoint"),
                             checkpoint_dir_name=checkpoint_name(metrics))

    height, width = config.data.input_size
    picture_bytes = 3 * height * width
    loop.train(training, open_batches(settings["streams"], config.train.data_cpus, picture_bytes), report,
               wrap=ray.train.torch.prepare_model,
               keep=lambda name, results: write_results(folder / "predictions", name, results))


def _latest_checkpoint() -> checkpoints.Checkpoint | None:
    found = ray.train.get_checkpoint()
    if found is None:
        return None
    with found.as_directory() as folder:
        return checkpoints.load(Path(folder))


def evaluate_checkpoint(settings: dict[str, Any]) -> None:
    """Evaluate a checkpoint together with the other workers.

    settings:
        checkpoint: its folder.
        config: a config as plain values.
        sets: `Sets` in the object store.
        out: folder for metrics.json, predictions/ and bad_pictures.txt.
    """
    config = configs.from_dict(settings["config"])
    torch.set_num_threads(max(1, int(config.train.cpus_per_worker)))
    sets: Sets = ray.get(settings["sets"])
    device, out = ray.train.torch.get_device(), Path(settings["out"])
    method = build_method(config, len(sets.skeleton))
    checkpoints.restore_networks(method.networks.to(device), checkpoints.load(Path(settings["checkpoint"])))
    complaints: list[str] = []
    metrics = evaluate(method, sets, config, device, complaints,
                       lambda name, results: write_results(out / "predictions", name, results))
    for complaint in complaints:
        append_line(out / BAD_PICTURES_FILE, complaint)
    if ray.train.get_context().get_world_rank() == 0:
        (out / "metrics.json").write_text(json.dumps(metrics))


def label_people(settings: dict[str, Any]) -> None:
    """Label the unlabelled people together with the other workers, as the config's method does it.

    settings:
        checkpoint: folder of the first stage's.
        config: of the second stage, as plain values.
        sets: `Sets` in the object store.
        folder: for pseudo_labels.npz and bad_pictures.txt.
    """
    config = configs.from_dict(settings["config"])
    torch.set_num_threads(max(1, int(config.train.cpus_per_worker)))
    sets: Sets = ray.get(settings["sets"])
    device, folder = ray.train.torch.get_device(), Path(settings["folder"])
    checkpoint = checkpoints.load(Path(settings["checkpoint"]))
    teacher = build_method(checkpoint.config, len(sets.skeleton))
    checkpoints.restore_networks(teacher.networks.to(device), checkpoint)
    teacher.networks.eval()
    see = LABELERS[type(config.method)]
    complaints: list[str] = []
    network = teacher.predictors[teacher.peers[0]]
    rows, keypoints = label(
        lambda images: see(network, images, config.method, config.model.fuse, sets.skeleton.flip_order),
        sets.unlabeled, config, device, complaints)
    for complaint in complaints:
        append_line(folder / BAD_PICTURES_FILE, complaint)
    if ray.train.get_context().get_world_rank() == 0:
        save_labels(folder, rows, keypoints)
