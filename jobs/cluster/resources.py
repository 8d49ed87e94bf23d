"""What the cluster holds, and what fits on it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import loky
import ray

from jobs.cluster.growth import Node, capacity, growth, nodes
from jobs.cluster.labels import is_chosen, label_selector
from jobs.cluster.ray_private import ScalingConfig
from jobs.config import ClusterConfig, Job
from trs.errors import InputError

_WORKERS = "train.workers (--min-workers on a resume)"
"""A run keeps its number of workers, and may go on with fewer."""
DRIVER = {"node:__internal_head__": 1e-3}
"""Resources of whoever drives a training beside others. It only waits, so it takes no CPU from the workers; it waits on
the head, which outlives the nodes that come and go, and with it the training survives their loss."""


Nodes = list[Node]


def needed(job: Job, workers: int) -> dict[str, float]:
    """What a training with so many workers takes, by Ray's names: for them and for the tasks that read for them."""
    of_one = {"CPU": job.cluster.cpus_per_worker + job.cluster.data_cpus, "GPU": _gpus_of_worker(job)}
    return {name: workers * amount for name, amount in of_one.items()}


def require_resources(job: Job) -> None:
    """Refuse a training that the cluster can never run, instead of waiting for ever.

    Raises:
        InputError: with what is asked for and what there is, or may be.
    """
    faults = [lack(job, there) for there in capacity() or ()]
    if faults and None not in faults:
        raise InputError(str(faults[0]))


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
    labels, chosen = ", ".join(cluster.node_labels), _chosen(job, there)
    if not chosen and there:
        return f"no node has {labels}; `ray list nodes --detail` names the labels of each, mend --node-labels"
    for name, nodes_of_it in (("CPU", there), ("GPU", chosen)):
        wanted, has = needed(job, workers)[name], _sum(nodes_of_it, name)
        if wanted > has + 1e-6:
            remedy = f"lower {_WORKERS}, --cpus-per-worker or --data-cpus" if name == "CPU" else (
                f"lower {_WORKERS}" if has else "mend --node-labels" if labels else "--no-use-gpu trains on CPUs")
            whose = f"the nodes with {labels} have" if labels and name == "GPU" else "the cluster has"
            return f"one training asks for {wanted:g} {name}s ({workers} workers), {whose} {has:g}; {remedy}"
    places = worker_places(job, there)
    if places < workers:
        whose = f"the nodes with {labels}" if labels else "the cluster's nodes"
        gpu = f" and {'a GPU' if cluster.gpus_per_worker == 1 else f'{cluster.gpus_per_worker:g} of a GPU'}"
        return (f"{workers} workers of {cluster.cpus_per_worker:g} CPUs{gpu if cluster.use_gpu else ''} each are asked "
                f"for, and {whose} have room for "
                f"{places}; lower {_WORKERS} or --cpus-per-worker")
    return None


def worker_places(job: Job, there: Nodes) -> int:
    """Count the workers that fit on nodes, each whole on one that it may run on."""
    return sum(min(_fit(node, name, amount) for name, amount in _of_worker(job).items())
               for node in _chosen(job, there))


def _fit(node: Node, name: str, amount: float) -> int:
    return _on_gpus(node.amount(name), amount) if name == "GPU" else int((node.amount(name) + 1e-6) // amount)


def _on_gpus(gpus: float, share: float) -> int:
    """Count the workers that take such a share of a GPU each; none lies across two."""
    return int(gpus + 1e-6) * int((1 + 1e-6) // share)


def _in_share(gpus: float, share: float) -> int:
    """Count the workers that a limit of GPUs holds, which may end within one that others use as well."""
    whole = int(gpus + 1e-6)
    return _on_gpus(whole, share) + int((gpus - whole + 1e-6) / share)


def _chosen(job: Job, there: Nodes) -> Nodes:
    return [node for node in there if is_chosen(job.cluster.node_labels, node.labels)]


def fitting(job: Job, there: Nodes) -> int:
    """Count the trainings of one kind that nodes can run at a time; one that runs with fewer workers counts as none."""
    workers = job.config.train.workers
    by_cpus = int((_sum(there, "CPU") + 1e-6) // needed(job, workers)["CPU"])
    return min(by_cpus, worker_places(job, there) // workers)


def most_fitting(job: Job, grown: list[Nodes]) -> int:
    """Count the trainings of one kind that run at a time where the cluster grows in the way that holds the most."""
    return max(fitting(job, there) for there in grown)


def _sum(there: Nodes, name: str) -> float:
    return sum(node.amount(name) for node in there)


@dataclass(frozen=True)
class Share:
    """What the trainings of one command may hold together of a cluster that others use too.

    cpus, gpus: at most so many, but for the seconds in which one takes another's place; None sets no limit.
    """

    cpus: float | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        for name, limit in (("--max-cpus", self.cpus), ("--max-gpus", self.gpus)):
            if limit is not None and not 0 < limit < math.inf:
                raise InputError(f"{name} must be positive, got {limit:g}")

    def __str__(self) -> str:
        """The options that ask for it."""
        return "".join(f" {name} {limit:g}" for name, limit in (("--max-cpus", self.cpus), ("--max-gpus", self.gpus))
                       if limit is not None)

    def trainings(self, job: Job) -> int | None:
        """How many of one kind it holds; None without a limit.

        Raises:
            InputError: not even one, or it bounds what none takes.
        """
        workers = job.config.train.workers
        wanted, counts = needed(job, workers), dict[str, int]()
        if self.cpus is not None:
            counts["CPU"] = int((self.cpus + 1e-6) // wanted["CPU"])
        if self.gpus is not None:
            if not job.cluster.use_gpu:
                raise InputError("--max-gpus has no effect without --use-gpu; leave that out")
            counts["GPU"] = _in_share(self.gpus, job.cluster.gpus_per_worker) // workers
        for name, count in counts.items():
            if count < 1:
                raise InputError(f"one training takes {wanted[name]:g} {name}s, which --max-{name.lower()}s does not "
                                 "allow; raise that, or lower what a training takes")
        return min(counts.values(), default=None)


NO_BOUND = Share()


@dataclass(frozen=True)
class Room:
    """How many trainings of one kind run at a time: it follows the nodes that come and go.

    job: of one of them.
    wanted: at most; None leaves it to the cluster.
    grows: whether an autoscaler adds nodes for trainings that wait.
    share: of the cluster, that they may hold together.
    """

    job: Job
    wanted: int | None
    grows: bool
    share: Share = NO_BOUND

    def __call__(self) -> int:
        """As many as the nodes of now hold, and at least one; where it grows also some that wait, and make it grow."""
        fit = max(1, fitting(self.job, nodes()))
        if self.grows:
            # A cluster doubles with what waits; who names a number gets all of it at once.
            grown, fit = capacity(), self.wanted or 2 * fit
            fit = fit if grown is None else max(1, min(fit, most_fitting(self.job, grown)))
        return min(limit for limit in (fit, self.wanted, self.share.trainings(self.job)) if limit is not None)

    def most(self) -> int:
        """As many as there may be at a time once the cluster has grown as far as is known; the head holds them all."""
        grown = capacity() if self.grows else None
        fit = self() if grown is None else most_fitting(self.job, grown)
        return min(limit for limit in (max(1, fit), self.wanted, self.share.trainings(self.job)) if limit is not None)

    def __str__(self) -> str:
        """What a search says of itself."""
        now = f"{self()} at a time"
        return f"{now}, more as the cluster grows" if self.grows and self.wanted is None else now


def room_for(job: Job, wanted: int | None, share: Share = NO_BOUND) -> Room:
    """The room for trainings of one kind.

    Raises:
        InputError: not even one fits, or less than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise InputError(f"--concurrent must be at least 1, got {wanted}")
    require_resources(job)
    return Room(job, wanted, growth() is not None, share)


def scaling(job: Job) -> ScalingConfig:
    """Say in Ray Train's words which workers a training has."""
    cluster, workers = job.cluster, job.config.train.workers
    return ScalingConfig(
        num_workers=(cluster.min_workers, workers) if cluster.min_workers else workers, use_gpu=cluster.use_gpu,
        elastic_resize_monitor_interval_s=cluster.resize_seconds, resources_per_worker=_of_worker(job),
        label_selector=label_selector(cluster.node_labels) or None)


def all_or_none(job: Job) -> Job:
    """The same training with a fixed number of workers, for work that is short enough to be repeated."""
    return dataclasses.replace(job, cluster=dataclasses.replace(job.cluster, min_workers=None))


def share_cores(job: Job, concurrent: int = 1, share: Share = NO_BOUND) -> Job:
    """The same training with the threads that each of its workers may take, so that no core idles and none is torn.

    Workers on a GPU, and a training that says it, keep what they have reserved or said.

    Args:
        job: whose config goes into the run's folder, and with it the number of threads.
        concurrent: trainings of its kind at a time.
        share: that they may hold together.
    """
    cluster, workers = job.cluster, job.config.train.workers * concurrent
    if cluster.threads is not None:
        return job
    reserved = max(1, int(cluster.cpus_per_worker))
    cores = [_cores(node) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0.0) >= 1]
    shared = int(min(cores) // -(-workers // len(cores))) if cores else 0  # what an autoscaler adds is not known yet
    if share.cpus is not None:
        shared = min(shared, int(share.cpus // workers))
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
    gpus = _gpus_of_worker(job)
    return {"CPU": job.cluster.cpus_per_worker} | ({"GPU": gpus} if gpus else {})


def _gpus_of_worker(job: Job) -> float:
    return job.cluster.gpus_per_worker if job.cluster.use_gpu else 0.0
