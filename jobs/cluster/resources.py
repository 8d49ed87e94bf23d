"""What the cluster holds, and what fits on it."""

from __future__ import annotations

import ray
import ray.train
from ray._private.state import state

from trs.config import TrainConfig
from trs.errors import InputError


def resources() -> dict[str, float]:
    """CPUs and GPUs that the cluster holds, or may grow to where its autoscaler can add nodes."""
    held, limit = ray.cluster_resources(), state.get_max_resources_from_cluster_config() or {}
    return {name: max(held.get(name, 0.0), float(limit.get(name, 0.0))) for name in ("CPU", "GPU")}


def cpus_needed(train: TrainConfig, workers: int) -> float:
    """CPUs of a training with so many workers: for them and for the tasks that read for them."""
    return workers * (train.cpus_per_worker + train.data_cpus)


def require_resources(train: TrainConfig) -> None:
    """Refuse a training that the cluster can never run, instead of waiting for ever.

    Raises:
        InputError: with what is asked for and what there is.
    """
    there, workers = resources(), train.min_workers or train.workers
    for name, wanted in (("CPU", cpus_needed(train, workers)), ("GPU", float(workers * train.use_gpu))):
        if wanted > there[name] + 1e-6:
            raise InputError(
                f"one training asks for {wanted:g} {name}s ({workers} workers), the cluster has "
                f"{there[name]:g}; lower --train.workers, --train.cpus-per-worker or --train.data-cpus")
    places = worker_places(train)
    if places is not None and places < workers:
        gpu = " and a GPU" if train.use_gpu else ""
        raise InputError(f"{workers} workers of {train.cpus_per_worker:g} CPUs{gpu} each are asked for, and the "
                         f"cluster's nodes have room for {places}; lower --train.workers or --train.cpus-per-worker")


def worker_places(train: TrainConfig) -> int | None:
    """Workers that fit on the nodes, each whole on one; None where an autoscaler may add others."""
    if state.get_max_resources_from_cluster_config():
        return None
    wanted = {"CPU": train.cpus_per_worker} | ({"GPU": 1.0} if train.use_gpu else {})
    return sum(min(int((node["Resources"].get(name, 0.0) + 1e-6) // amount) for name, amount in wanted.items())
               for node in ray.nodes() if node["Alive"])


def concurrency(train: TrainConfig, wanted: int | None) -> int:
    """Trainings of one kind that the cluster can really run at a time.

    Raises:
        InputError: not even one fits, or less than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise InputError(f"--concurrent must be at least 1, got {wanted}")
    require_resources(train)
    there, places = resources(), worker_places(train)
    fit = int((there["CPU"] + 1e-6) // cpus_needed(train, train.workers))
    if train.use_gpu:
        fit = min(fit, int(there["GPU"] // train.workers))
    if places is not None:
        fit = min(fit, places // train.workers)
    fit = max(1, fit)  # one of fewer workers, with min_workers
    return min(fit, wanted) if wanted else fit


def scaling(train: TrainConfig) -> ray.train.ScalingConfig:
    """Ray Train's word for the workers of a training."""
    return ray.train.ScalingConfig(
        num_workers=(train.min_workers, train.workers) if train.min_workers else train.workers, use_gpu=train.use_gpu,
        elastic_resize_monitor_interval_s=train.resize_seconds,
        resources_per_worker={"CPU": train.cpus_per_worker} | ({"GPU": 1} if train.use_gpu else {}))
