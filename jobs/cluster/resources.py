"""What the cluster holds, and what fits on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import loky
import ray

from jobs.cluster.ray_private import ScalingConfig, autoscaler_limits
from jobs.config import ClusterConfig, Job
from trs.errors import InputError

DRIVER = {"node:__internal_head__": 1e-3}
"""Resources of whoever drives a training beside others. It only waits, so it takes no CPU from the workers; it waits on
the head, which outlives the nodes that come and go, and with it the training survives their loss."""


def resources() -> dict[str, float]:
    """Add up the CPUs and GPUs that the cluster holds, or may grow to where its autoscaler can add nodes."""
    held, limit = ray.cluster_resources(), autoscaler_limits()
    return {name: max(held.get(name, 0.0), limit.get(name, 0.0)) for name in ("CPU", "GPU")}


def cpus_needed(job: Job, workers: int) -> float:
    """CPUs of a training with so many workers: for them and for the tasks that read for them."""
    return workers * (job.cluster.cpus_per_worker + job.cluster.data_cpus)


def require_resources(job: Job) -> None:
    """Refuse a training that the cluster can never run, instead of waiting for ever.

    Raises:
        InputError: with what is asked for and what there is.
    """
    cluster = job.cluster
    there, workers = resources(), cluster.min_workers or job.config.train.workers
    for name, wanted in (("CPU", cpus_needed(job, workers)), ("GPU", float(workers * cluster.use_gpu))):
        if wanted > there[name] + 1e-6:
            raise InputError(
                f"one training asks for {wanted:g} {name}s ({workers} workers), the cluster has "
                f"{there[name]:g}; lower train.workers, --cpus-per-worker or --data-cpus")
    places = worker_places(job)
    if places is not None and places < workers:
        gpu = " and a GPU" if cluster.use_gpu else ""
        raise InputError(f"{workers} workers of {cluster.cpus_per_worker:g} CPUs{gpu} each are asked for, and the "
                         f"cluster's nodes have room for {places}; lower train.workers or --cpus-per-worker")


def worker_places(job: Job) -> int | None:
    """Count the workers that fit on the nodes, each whole on one; None where an autoscaler may add others."""
    if autoscaler_limits():
        return None
    wanted = _of_worker(job)
    return sum(min(int((node["Resources"].get(name, 0.0) + 1e-6) // amount) for name, amount in wanted.items())
               for node in ray.nodes() if node["Alive"])


def concurrency(job: Job, wanted: int | None) -> int:
    """Count the trainings of one kind that the cluster can really run at a time.

    Raises:
        InputError: not even one fits, or less than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise InputError(f"--concurrent must be at least 1, got {wanted}")
    require_resources(job)
    workers, there, places = job.config.train.workers, resources(), worker_places(job)
    fit = int((there["CPU"] + 1e-6) // cpus_needed(job, workers))
    if job.cluster.use_gpu:
        fit = min(fit, int(there["GPU"] // workers))
    if places is not None:
        fit = min(fit, places // workers)
    fit = max(1, fit)  # one of fewer workers, with min_workers
    return min(fit, wanted) if wanted else fit


def scaling(job: Job) -> ScalingConfig:
    """Say in Ray Train's words which workers a training has."""
    cluster, workers = job.cluster, job.config.train.workers
    return ScalingConfig(
        num_workers=(cluster.min_workers, workers) if cluster.min_workers else workers, use_gpu=cluster.use_gpu,
        elastic_resize_monitor_interval_s=cluster.resize_seconds, resources_per_worker=_of_worker(job))


def all_or_none(job: Job) -> Job:
    """The same training with a fixed number of workers, for work that is short enough to be repeated."""
    return dataclasses.replace(job, cluster=dataclasses.replace(job.cluster, min_workers=None))


def share_cores(job: Job, concurrent: int = 1) -> Job:
    """The same training with the threads that each of its workers may take, so that no core idles and none is torn.

    Workers on a GPU, and a training that says it, keep what they have reserved or said.

    Args:
        job: whose config goes into the run's folder, and with it the number of threads.
        concurrent: trainings of its kind at a time.
    """
    cluster, workers = job.cluster, job.config.train.workers * concurrent
    if cluster.threads is not None:
        return job
    reserved = max(1, int(cluster.cpus_per_worker))
    nodes = [_cores(node) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0.0) >= 1]
    shared = int(min(nodes) // -(-workers // len(nodes))) if nodes else 0  # what an autoscaler adds is not known yet
    threads = reserved if cluster.use_gpu else max(reserved, shared)
    return dataclasses.replace(job, cluster=dataclasses.replace(cluster, threads=threads))


def _cores(node: dict[str, Any]) -> float:
    """The cores of a node that Ray may use: as many as it counts, or was told, and on this machine no more than are."""
    counted: float = node["Resources"]["CPU"]
    here = node["NodeID"] == ray.get_runtime_context().get_node_id()
    return min(counted, loky.cpu_count()) if here else counted  # by affinity and by the container's limit


def threads_of(cluster: ClusterConfig) -> int:
    """The threads of a worker whose share nobody has counted."""
    return cluster.threads or max(1, int(cluster.cpus_per_worker))


def _of_worker(job: Job) -> dict[str, float]:
    return {"CPU": job.cluster.cpus_per_worker} | ({"GPU": 1.0} if job.cluster.use_gpu else {})
