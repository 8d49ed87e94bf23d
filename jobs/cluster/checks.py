"""Checks of a cluster before anything starts: `python -m jobs.doctor`, and the beginning of every training and search.

What is wrong would otherwise show as a silent wait, or hours later: too few resources, storage that is not shared,
images that a node does not see, other versions on another node, a dashboard without a token.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import socket
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from jobs.cluster.ray_private import dashboard_address
from jobs.cluster.resources import require_resources, waits_for_nodes
from jobs.config import WINDOW_BYTES, Job
from trs.data.datasets import Datasets
from trs.errors import InputError

PACKAGES = ("torch", "torchvision", "ray", "numpy", "timm", "optuna", "safetensors")
_ANSWER_SECONDS = 180.0
_BYTES_PER_STREAM = 2 * WINDOW_BYTES
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not know the cluster's machines
_LOST = (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError, ray.exceptions.WorkerCrashedError)
"""How a task ends that was meant for one node, when the node is lost: while the task runs, before, or just now."""


@dataclass(frozen=True)
class Finding:
    """A check's result.

    about: what was looked at.
    fault: what is wrong with it in a sentence, or None.
    stops: whether a training must not start with it.
    note: what is told of it where nothing is wrong.
    """

    about: str
    fault: str | None
    stops: bool = True
    note: str | None = None


@dataclass(frozen=True)
class NodeReport:
    """What a node says about itself.

    versions: of PACKAGES; None where one is absent.
    storage: why the storage cannot be used as the driver uses it, or None.
    sizes: in bytes of the files that the training reads; None where one is not seen.
    """

    versions: dict[str, str | None]
    storage: str | None
    sizes: dict[str, int | None]


def examine(job: Job, datasets: Datasets, folder: Path) -> Iterator[Finding]:
    """Check the connected cluster for a training, one finding after the other.

    Args:
        job: the training and its machines.
        datasets: that it reads.
        folder: of the run or search; the one above it must exist or be possible to make.
    """
    fault = _fault_of(lambda: require_resources(job))
    waits = None if fault is not None else waits_for_nodes(job)
    yield Finding("resources", fault, note=waits)
    if waits is None:  # else nodes that are still to come hold most of it
        yield Finding("object store", _object_store(job))
    yield from _dashboard()
    files = sorted({str(Path(people.root, str(people.files[0]))) for people in
                    (datasets.labeled, datasets.unlabeled, datasets.val) if len(people)})
    yield from _nodes(folder, files)


def require(job: Job, datasets: Datasets, folder: Path) -> None:
    """Raises InputError with the first fault that must stop a training; others are printed, and notes."""
    for finding in examine(job, datasets, folder):
        if finding.fault is not None and finding.stops:
            raise InputError(finding.fault)
        if finding.fault is not None:
            print(f"WARNING: {finding.fault}", file=sys.stderr, flush=True)
        if finding.note is not None:
            print(finding.note, flush=True)


def _fault_of(check: Callable[[], object]) -> str | None:
    try:
        check()
    except InputError as error:
        return str(error)
    return None


def _object_store(job: Job) -> str | None:
    there = ray.cluster_resources().get("object_store_memory", 0.0)
    wanted = 2 * job.config.train.workers * _BYTES_PER_STREAM
    if wanted <= there:
        return None
    return (f"{job.config.train.workers} workers read ahead up to {wanted / 2**20:.0f} MiB, the object store holds "
            f"{there / 2**20:.0f} MiB; start Ray with a larger --object-store-memory, or lower train.workers")


def _dashboard() -> Iterator[Finding]:
    address = dashboard_address()
    if not address:
        yield Finding("dashboard", "the cluster has no dashboard, without which Ray keeps the resources of trials that "
                                   "were stopped early; start Ray with --include-dashboard true")
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
    yield Finding(f"dashboard at {address}", fault, stops=False)


def _nodes(folder: Path, files: list[str]) -> Iterator[Finding]:
    """Ask every node what it sees, and compare with what this process sees."""
    probe = _nearest(folder) / f".trs-probe-{uuid.uuid4().hex[:8]}"
    try:
        probe.mkdir()
        (probe / "driver").write_text(probe.name, "utf-8")
    except OSError as error:
        yield Finding("storage", f"{folder.parent} cannot be written: {error.strerror}; choose another --out")
        return
    try:
        nodes = {node["NodeID"]: f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})" for node in ray.nodes()
                 if node["Alive"]}
        asked = {_report.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
            probe, files): node for node in nodes}
        here = report(probe, files)
        answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)
        for answer in [*answered, *silent]:
            name = nodes[asked[answer]]
            about = f"node {name}: storage, images, versions"
            try:
                yield Finding(about, _silence(name) if answer in silent else _answer(name, here, answer))
            except _LOST:  # a training survives that at any other time too
                yield Finding(about, f"node {name} was lost, or the process that looked, while it was asked", False)
    finally:
        shutil.rmtree(probe, ignore_errors=True)  # a node that has been silent may still write there


def _nearest(folder: Path) -> Path:
    """The closest folder above that exists."""
    return next(parent for parent in folder.parents if parent.is_dir())


def _silence(name: str) -> str:
    return f"node {name} has not answered for {_ANSWER_SECONDS:.0f} s; look at it with `ray status`, or take it away"


def _answer(name: str, here: NodeReport, answer: ray.ObjectRef) -> str | None:
    """Raises one of _LOST where the node is gone."""
    try:
        return compare(name, here, ray.get(answer))
    except _LOST:
        raise
    except ray.exceptions.RayError as error:
        if "No module named" in str(error):
            return f"node {name} does not have this project's code; submit with `ray job submit --working-dir .`"
        return f"node {name} cannot run a task: {str(error).strip().splitlines()[-1]}"


def compare(name: str, here: NodeReport, there: NodeReport) -> str | None:
    """What on a node differs from this process's machine, in a sentence, or None."""
    if there.storage is not None:
        return f"node {name} {there.storage}; choose for --out a folder on storage that every node sees"
    for file, size in here.sizes.items():
        if there.sizes[file] != size:
            seen = "no such file" if there.sizes[file] is None else f"{there.sizes[file]} bytes"
            return (f"node {name} sees other images than this one: {file}: {seen} instead of {size} bytes; use "
                    "for --data.root storage that every node sees")
    for package, version in here.versions.items():
        if there.versions[package] != version:
            return (f"node {name} has {package} {there.versions[package]}, this one {version}; install the same "
                    "versions on every node")
    return None


def report(probe: Path, files: list[str]) -> NodeReport:
    """Look at this node.

    Args:
        probe: a folder on the storage, in which the driver has written a file with the folder's name.
        files: that the training reads.
    """
    def size(file: str) -> int | None:
        try:
            return Path(file).stat().st_size
        except OSError:
            return None

    return NodeReport({package: _version(package) for package in PACKAGES}, _storage(probe),
                      {file: size(file) for file in files})


_report = ray.remote(num_cpus=0, max_retries=0)(report)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _storage(probe: Path) -> str | None:
    try:
        if (probe / "driver").read_text("utf-8") != probe.name:
            return f"sees other files in {probe.parent} than this one"
    except OSError:
        return f"does not see what this one writes to {probe.parent}"
    try:
        (probe / f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}").touch()
    except OSError as error:
        return f"cannot write to {probe.parent} ({error.strerror})"
    return None
