"""What the cluster holds, and what fits on it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import loky
import ray

from jobs.cluster.growth import capacity, growth, nodes
from jobs.cluster.ray_private import ScalingConfig
from jobs.config import ClusterConfig, Job
from trs.errors import InputError

DRIVER = {"node:__internal_head__": 1e-3}
"""Resources of whoever drives a training beside others. It only waits, so it takes no CPU from the workers; it waits on
the head, which outlives the nodes that come and go, and with it the training survives their loss."""


Nodes = list[dict[str, float]]
"""The resources of each node, by Ray's names."""


def cpus_needed(job: Job, workers: int) -> float:
    """CPUs of a training with so many workers: for them and for the tasks that read for them."""
    return workers * (job.cluster.cpus_per_worker + job.cluster.data_cpus)


def require_resources(job: Job) -> None:
    """Refuse a training that the cluster can never run, instead of waiting for ever.

    Raises:
        InputError: with what is asked for and what there is, or may be.
    """
    there = capacity()
    fault = None if there is None else lack(job, there)
    if fault is not None:
        raise InputError(fault)


def waits_for_nodes(job: Job) -> str | None:
    """Say what a training waits for where the autoscaler must add nodes before it can start."""
    if growth() is None or lack(job, nodes()) is None:
        return None
    held = f"{_sum(nodes(), 'CPU'):g} CPUs" + (f" and {_sum(nodes(), 'GPU'):g} GPUs" if job.cluster.use_gpu else "")
    doubt = "" if capacity() is not None else "; whether it has nodes that are large enough cannot be seen from here"
    return f"the cluster has {held} now, and one training waits until its autoscaler has added nodes{doubt}"


def lack(job: Job, there: Nodes) -> str | None:
    """What nodes lack for one training, in a sentence with the remedy; None where it fits."""
    cluster, workers = job.cluster, job.cluster.min_workers or job.config.train.workers
    for name, wanted in (("CPU", cpus_needed(job, workers)), ("GPU", float(workers * cluster.use_gpu))):
        if wanted > _sum(there, name) + 1e-6:
            remedy = "lower train.workers, --cpus-per-worker or --data-cpus" if name == "CPU" else (
                "lower train.workers" if _sum(there, name) else "leave out --use-gpu")
            return (f"one training asks for {wanted:g} {name}s ({workers} workers), the cluster has "
                    f"{_sum(there, name):g}; {remedy}")
    places = worker_places(job, there)
    if places < workers:
        gpu = " and a GPU" if cluster.use_gpu else ""
        return (f"{workers} workers of {cluster.cpus_per_worker:g} CPUs{gpu} each are asked for, and the "
                f"cluster's nodes have room for {places}; lower train.workers or --cpus-per-worker")
    return None


def worker_places(job: Job, there: Nodes) -> int:
    """Count the workers that fit on nodes, each whole on one."""
    wanted = _of_worker(job)
    return sum(min(int((node.get(name, 0.0) + 1e-6) // amount) for name, amount in wanted.items()) for node in there)


def fitting(job: Job, there: Nodes) -> int:
    """Count the trainings of one kind that nodes can run at a time; one that runs with fewer workers counts as none."""
    workers = job.config.train.workers
    by_cpus = int((_sum(there, "CPU") + 1e-6) // cpus_needed(job, workers))
    return min(by_cpus, worker_places(job, there) // workers)


def _sum(there: Nodes, name: str) -> float:
    return sum(node.get(name, 0.0) for node in there)


@dataclass(frozen=True)
class Room:
    """How many trainings of one kind run at a time: it follows the nodes that come and go.

    job: of one of them.
    wanted: at most; None leaves it to the cluster.
    grows: whether an autoscaler adds nodes for trainings that wait.
    """

    job: Job
    wanted: int | None
    grows: bool

    def __call__(self) -> int:
        """As many as the nodes of now hold, and at least one; where it grows also some that wait, and make it grow."""
        fit = max(1, fitting(self.job, nodes()))
        if self.grows:
            # A cluster doubles with what waits; who names a number gets all of it at once.
            there, fit = capacity(), self.wanted or 2 * fit
            fit = fit if there is None else max(1, min(fit, fitting(self.job, there)))
        return min(fit, self.wanted) if self.wanted else fit

    def __str__(self) -> str:
        """What a search says of itself."""
        now = f"{self()} at a time"
        return f"{now}, more as the cluster grows" if self.grows and self.wanted is None else now


def room_for(job: Job, wanted: int | None) -> Room:
    """The room for trainings of one kind.

    Raises:
        InputError: not even one fits, or less than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise InputError(f"--concurrent must be at least 1, got {wanted}")
    require_resources(job)
    return Room(job, wanted, growth() is not None)


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
    cores = [_cores(node) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0.0) >= 1]
    shared = int(min(cores) // -(-workers // len(cores))) if cores else 0  # what an autoscaler adds is not known yet
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
