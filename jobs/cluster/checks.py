"""Checks of a cluster before anything starts: `python -m jobs.doctor`, and the beginning of every training and search.

What is wrong would otherwise show as a silent wait, or hours later: too few resources, storage that is not shared,
images or weights that a node does not see, other versions on another node, a driver too old, a dashboard without a
token, a head that is too small.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from jobs.cluster.finding import Finding, error_if, warning_if
from jobs.cluster.growth import growth, launched_with, node_of
from jobs.cluster.head import is_known, small_head, spot_head
from jobs.cluster.node import (
    NodeReport,
    Question,
    absent_weights,
    difference,
    no_driver,
    no_hang_detector,
    report,
    store_on_disk,
    unfit_driver,
)
from jobs.cluster.ray_private import dashboard_address
from jobs.cluster.resources import DRIVER, require_resources, waits_for_nodes, worker_places
from jobs.cluster.versions import supported, untested
from jobs.config import WINDOW_BYTES, Job
from trs.data.datasets import Datasets
from trs.errors import InputError

_ANSWER_SECONDS, _LOAD_SECONDS = 180.0, 420.0
"""That a node has to answer, and more where it may load weights from elsewhere first."""
_BYTES_OF_WORKER = 2 * 2 * WINDOW_BYTES
"""That a worker reads ahead at most: two windows of each of two streams."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not know the cluster's machines
_LOST = (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError, ray.exceptions.WorkerCrashedError)
"""How a task ends that was meant for one node, when the node is lost: while the task runs, before, or just now."""


def examine(job: Job, datasets: Datasets, folder: Path, concurrent: int = 1) -> Iterator[Finding]:
    """Check the connected cluster for a training, one finding after the other.

    Args:
        job: the training and its machines.
        datasets: that it reads.
        folder: of the run or search; the one above it must exist or be possible to make.
        concurrent: trainings of its kind that are to run at a time, once the cluster has grown.
    """
    fault = _fault_of(lambda: require_resources(job))
    waits = None if fault is not None else waits_for_nodes(job)
    yield Finding("resources", waits) if fault is None else error_if("resources", fault)
    if waits is None:  # else nodes that are still to come hold most of it
        yield error_if("object store", _object_store(job))
    yield from _dashboard()
    files = sorted({str(Path(people.root, str(people.files[0]))) for people in
                    (datasets.labeled, datasets.unlabeled, datasets.val) if len(people)})
    yield from _nodes(job, Question(nearest(folder) / f".trs-probe-{uuid.uuid4().hex[:8]}", tuple(files), job.config,
                                    len(datasets.skeleton)), folder, concurrent)


def require(job: Job, datasets: Datasets, folder: Path, concurrent: int = 1) -> None:
    """Raises InputError with the first error that must stop a training; others are printed, warnings, and notes."""
    for finding in examine(job, datasets, folder, concurrent):
        if finding.level == "error" and finding.stops:
            raise InputError(str(finding.said))
        if finding.level != "ok":
            print(f"WARNING: {finding.said}", file=sys.stderr, flush=True)
        elif finding.said is not None:
            print(finding.said, flush=True)


def _fault_of(check: Callable[[], object]) -> str | None:
    try:
        check()
    except InputError as error:
        return str(error)
    return None


def _object_store(job: Job) -> str | None:
    there = ray.cluster_resources().get("object_store_memory", 0.0)
    wanted = job.config.train.workers * _BYTES_OF_WORKER
    if wanted <= there:
        return None
    return (f"{job.config.train.workers} workers read ahead up to {wanted / 2**20:.0f} MiB, the object store holds "
            f"{there / 2**20:.0f} MiB; start Ray with a larger --object-store-memory, or lower train.workers")


def small_store(name: str, workers: int, store: float) -> str | None:
    """Why a node's object store is too small for what its workers read ahead, in a sentence, or None.

    Args:
        name: of the node, for people.
        workers: that run there at a time.
        store: its size in bytes.
    """
    wanted = workers * _BYTES_OF_WORKER
    if wanted <= store:
        return None
    return (f"{workers} workers at a time on node {name} read ahead up to {wanted / 2**20:.0f} MiB, its object store "
            f"holds {store / 2**20:.0f} MiB, and the rest goes to its disk; start Ray there with a larger "
            "--object-store-memory, or lower --concurrent")


def _dashboard() -> Iterator[Finding]:
    address = dashboard_address()
    if not address:
        yield error_if("dashboard", "the cluster has no dashboard, without which Ray keeps the resources of trials "
                                    "that were stopped early; start Ray with --include-dashboard true")
        return
    fault: str | None
    try:
        with _DIRECT.open(f"http://{address}/api/jobs/", timeout=60):
            fault = (f"the dashboard at {address} starts jobs for anybody who reaches it; start Ray with "
                     "RAY_AUTH_MODE=token on every node")
    except urllib.error.HTTPError as error:
        fault = None if error.code in (401, 403) else f"the dashboard at {address} answers {error.code}; see its log"
    except OSError as error:
        # On the head's loopback, as it should be, it cannot be asked from another node.
        head = ray.get_runtime_context().gcs_address.partition(":")[0] == ray.util.get_node_ip_address()
        fault = f"the dashboard at {address} does not answer ({error}); see its log" if head else None
    yield error_if(f"dashboard at {address}", fault, stops=False)


def _nodes(job: Job, asked: Question, folder: Path, concurrent: int) -> Iterator[Finding]:
    """Ask every node what it sees, and compare with what this process sees."""
    try:
        asked.probe.mkdir()
        (asked.probe / "driver").write_text(asked.probe.name, "utf-8")
    except OSError as error:
        yield error_if("storage", f"{folder.parent} cannot be written: {error.strerror}; choose another --out")
        return
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        without_weights = dataclasses.replace(asked, config=None)
        answers = {_report.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
                   .remote(asked if _trains(job, node) else without_weights): node
                   for node in nodes}
        # Where no node is there that could be asked for the weights, this process is: it sees the same storage.
        alone = not any(_trains(job, node) for node in nodes)
        here = report(asked if alone else without_weights)
        yield warning_if("versions", untested(here.versions, supported()))
        if alone:
            # No error: the nodes to come may bring them.
            yield warning_if("weights, as this process sees them", absent_weights("this process", here))
        patience = _ANSWER_SECONDS + (_LOAD_SECONDS if job.config.model.pretrained else 0)
        answered, silent = ray.wait(list(answers), num_returns=len(answers), timeout=patience)
        for answer in answered:
            yield from _of_node(job, here, answers[answer], answer, concurrent)
        for answer in silent:
            name = _name(answers[answer])
            yield error_if(_about(name), f"node {name} has not answered for {patience:.0f} s; look at it with "
                                         "`ray status`, or take it away")
    finally:
        shutil.rmtree(asked.probe, ignore_errors=True)  # a node that has been silent may still write there
    if growth() is not None:
        yield Finding("nodes to come", "what the autoscaler adds is not looked at; run `python -m jobs.doctor` again "
                                       "once it is there")


def _of_node(job: Job, here: NodeReport, node: dict[str, Any], answer: ray.ObjectRef, concurrent: int
             ) -> Iterator[Finding]:
    """What a node's answer tells, or that there is none."""
    name = _name(node)
    try:
        there: NodeReport = ray.get(answer)
    except _LOST:  # a training survives that at any other time too
        yield warning_if(_about(name), f"node {name} was lost, or the process that looked, while it was asked")
        return
    except ray.exceptions.RayError as error:
        yield error_if(_about(name), f"node {name} does not have this project's code; submit with `ray job submit "
                       "--working-dir .`" if "No module named" in str(error) else
                       f"node {name} cannot run a task: {str(error).strip().splitlines()[-1]}")
        return
    yield from told_by(there, job, here, node, concurrent, launched_with())


def told_by(there: NodeReport, job: Job, here: NodeReport, node: dict[str, Any], concurrent: int, launched: Any
            ) -> Iterator[Finding]:
    """What a node's report tells.

    Args:
        there: the report.
        job: the training and its machines.
        here: the report of this process.
        node: as `ray.nodes` says it.
        concurrent: trainings at a time.
        launched: see `jobs.cluster.growth.launched_with`.
    """
    name, resources, labels = _name(node), node["Resources"], node.get("Labels", {})
    yield error_if(_about(name, _trains(job, node)), difference(name, here, there))
    if job.cluster.use_gpu and resources.get("GPU") and torch.version.hip is None:
        fault = unfit_driver(name, torch.version.cuda, there)
        yield error_if(f"node {name}: driver", fault) if fault else warning_if(f"node {name}: driver",
                                                                               no_driver(name, there))
        if job.config.train.workers > 1:
            yield warning_if(f"node {name}: hang detection", no_hang_detector(name, there))
    store = resources.get("object_store_memory", 0.0)
    yield warning_if(f"node {name}: object store", store_on_disk(name, there, store))
    workers = min(worker_places(job, [node_of(node)]), concurrent * job.config.train.workers)
    yield warning_if(f"node {name}: object store's size", small_store(name, workers, store))
    if resources.keys() >= DRIVER.keys():
        yield warning_if("head: memory", small_head(there.memory, concurrent))
        if is_known(labels, launched):
            yield warning_if("head: machine", spot_head(labels, launched))


def _trains(job: Job, node: dict[str, Any]) -> bool:
    """Whether a worker can run on a node, as `ray.nodes` says it."""
    return worker_places(job, [node_of(node)]) > 0


def _name(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"


def _about(name: str, weights: bool = True) -> str:
    return f"node {name}: storage, images, versions{', weights' if weights else ''}"


def nearest(folder: Path) -> Path:
    """The closest folder above that exists."""
    return next(parent for parent in folder.parents if parent.is_dir())


_report = ray.remote(num_cpus=0, max_retries=0)(report)
