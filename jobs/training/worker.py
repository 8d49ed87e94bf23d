"""What each worker of a training runs: `trs.loop` between Ray Data's batches and Ray Train's reports."""

from __future__ import annotations

import math
import traceback
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist

from jobs.cluster.stopping import Watch
from jobs.run_folder.checkpoints import load_newest_whole, prune
from jobs.run_folder.layout import BAD_PICTURES_FILE, EVENTS_FILE, FAILURES_FILE, append_line
from jobs.run_folder.metrics import RunLog, read_metrics
from jobs.run_folder.progress import Progress
from jobs.training.reading import open_batches
from trs import checkpoint as checkpoints
from trs import config as configs
from trs import loop
from trs.config import Config
from trs.data.datasets import Datasets
from trs.errors import InputError, Interrupted, Interruption
from trs.evaluation.results import write_results
from trs.methods.build import build_method


def run(settings: dict[str, Any]) -> None:
    """Train, or go on from the run's newest checkpoint.

    A run that is asked to stop ends without an error, for Ray Train restarts workers that fail.

    settings:
        config: a config as plain values.
        sets: `Datasets` in the object store.
        streams: `Stream`s in the object store, by name.
        folder: of the run.
        stop: the file that asks it to stop.
    """
    try:
        _train(settings)
    except Interrupted as interrupted:
        if not interrupted.stop:
            raise
    except InputError:
        raise
    except Exception:
        append_line(Path(settings["folder"], FAILURES_FILE), traceback.format_exc())
        raise


def _train(settings: dict[str, Any]) -> None:
    config = configs.from_dict(settings["config"])
    # Ray sets this for whole CPUs only; workers that each take the machine's threads wait for one another.
    torch.set_num_threads(max(1, int(config.train.cpus_per_worker)))
    sets: Datasets = ray.get(settings["sets"])
    folder = Path(settings["folder"])
    context = ray.train.get_context()
    main = context.get_world_rank() == 0
    resumed = _resumed(folder, main)
    method = build_method(config, len(sets.skeleton))
    training = loop.start(config, sets, method, ray.train.torch.get_device(), resumed,
                          complain=lambda sentence: append_line(folder / BAD_PICTURES_FILE, sentence))
    if main:
        log = RunLog(folder, training.counters.reported_step)
        progress = Progress(folder, config.train.epochs * training.steps_per_epoch, config.train.batch_size
                            * config.train.workers * (1 + method.uses_unlabeled))
        progress.began(training.counters.step, context.get_world_size(), config.train.workers)

    def save() -> None:
        if main:
            training.save(folder / checkpoints.folder_name(training.counters.step))
            prune(folder, _best_step(folder, config))

    def report(metrics: loop.Metrics) -> None:
        if main:
            log.write(metrics)
            progress.evaluated(metrics, config.eval.metric)
        save()
        ray.train.report(metrics)

    watch = Watch(Path(settings["stop"]))

    def interrupted() -> Interruption | None:
        if main:
            progress.step(training.counters.step + 1)  # counted when all have answered
        return watch()

    height, width = config.data.input_size
    picture_bytes = 3 * height * width
    batches = open_batches(settings["streams"], config.train.data_cpus, picture_bytes,
                           complain=lambda sentence: append_line(folder / EVENTS_FILE, sentence))
    loop.train(training, batches, report, save, interrupted, wrap=ray.train.torch.prepare_model,
               keep=lambda name, results: write_results(folder / "predictions", name, results))


def _resumed(folder: Path, main: bool) -> checkpoints.Checkpoint | None:
    """The newest whole checkpoint of the run as rank 0 sees it, on every worker."""
    found = None
    if main:
        found = load_newest_whole(folder, lambda sentence: append_line(folder / EVENTS_FILE, sentence))
    if not dist.is_initialized():
        return found
    # Workers that began from different steps would wait for one another for ever.
    step = torch.tensor([-1 if found is None else found.counters.step], device=ray.train.torch.get_device())
    dist.broadcast(step, src=0)
    if main or step < 0:
        return found
    return checkpoints.load(folder / checkpoints.folder_name(int(step)))


def _best_step(folder: Path, config: Config) -> list[int]:
    """The step with the best metric so far, if there is one."""
    scored = [metrics for metrics in read_metrics(folder) if math.isfinite(metrics[config.eval.metric])]
    return [int(max(scored, key=lambda metrics: metrics[config.eval.metric])["step"])] if scored else []
