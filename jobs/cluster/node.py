"""What a node says of itself, and what of it does not fit the machine that asks or the training that is to run."""

from __future__ import annotations

import ctypes
import importlib.metadata
import platform
import shutil
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from jobs.cluster.ray_private import store_folder
from trs.config import Config
from trs.errors import InputError

PACKAGES = ("torch", "torchvision", "ray", "numpy", "timm", "optuna", "safetensors")
DRIVER_OF_CUDA = {11: 450, 12: 525, 13: 580}
"""NVIDIA's driver that a major version of CUDA wants at least (CUDA's release notes, minor version compatibility)."""
HANG_DETECTOR = "ncclras"
_SHARED_MEMORY = Path("/dev/shm")
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of a container, in the second and the first generation of control groups."""


@dataclass(frozen=True)
class Question:
    """What a node is asked.

    probe: a folder on the storage, in which the driver has written a file with the folder's name.
    files: that the training reads.
    config: of the training; None where no worker of it can run, which alone need weights.
    keypoints: their number.
    """

    probe: Path
    files: tuple[str, ...]
    config: Config | None
    keypoints: int


@dataclass(frozen=True)
class NodeReport:
    """What a node says about itself.

    versions: of Python and PACKAGES; None where one is absent.
    storage: why the storage cannot be used as the driver uses it, or None.
    sizes: in bytes of the files that the training reads; None where one is not seen.
    weights: why those that the networks start from cannot be had there, or None.
    cuda: the newest major version of CUDA that the driver of NVIDIA's takes; None without one.
    store: where its object store lies; None where that cannot be seen.
    memory: bytes that all of the node's processes may take.
    detects_hangs: whether NCCL's own program is there, which Ray asks where an all-reduce hangs.
    """

    versions: dict[str, str | None]
    storage: str | None
    sizes: dict[str, int | None]
    weights: str | None
    cuda: int | None
    store: Path | None
    memory: int
    detects_hangs: bool = False


def report(asked: Question) -> NodeReport:
    """Look at this node."""
    versions = {"Python": platform.python_version(), **{package: _version(package) for package in PACKAGES}}
    return NodeReport(versions, _storage(asked.probe), {file: _size(file) for file in asked.files},
                      _weights(asked.config, asked.keypoints), _cuda(),
                      store_folder(), _memory(), shutil.which(HANG_DETECTOR) is not None)


def difference(name: str, here: NodeReport, there: NodeReport) -> str | None:
    """What on a node differs from this process's machine, or is not there, in a sentence, or None.

    Args:
        name: of the node, for people.
        here: the report of this process.
        there: the node's.
    """
    if there.storage is not None:
        return f"node {name} {there.storage}; choose for --out a folder on storage that every node sees"
    for file, size in here.sizes.items():
        if there.sizes[file] != size:
            seen = "no such file" if there.sizes[file] is None else f"{there.sizes[file]} bytes"
            return (f"node {name} sees other images than this one: {file}: {seen} instead of {size} bytes; use "
                    "for --data.root storage that every node sees")
    for package, version in here.versions.items():
        if _significant(package, there.versions[package]) != _significant(package, version):
            return (f"node {name} has {package} {there.versions[package]}, this one {version}; install the same "
                    "versions on every node")
    return absent_weights(f"node {name}", there)


def absent_weights(whose: str, there: NodeReport) -> str | None:
    """Why networks cannot start there, in a sentence, or None.

    Args:
        whose: the report is, for people.
        there: the report.
    """
    if there.weights is not None:
        return (f"{whose} cannot start the networks: {there.weights}; TORCH_HOME names on every node the folder "
                "above hub/, HF_HOME that of timm's weights, best on storage that all see")
    return None


def unfit_driver(name: str, cuda: str | None, there: NodeReport) -> str | None:
    """Why torch cannot use the GPUs of a node that has some, in a sentence, or None.

    Args:
        name: of the node, for people.
        cuda: the version that torch was built for.
        there: the node's report.
    """
    if cuda is None:
        return f"node {name} has GPUs, and torch was installed without CUDA; install torch from PyPI"
    major = int(cuda.partition(".")[0])
    if there.cuda is None or major <= there.cuda:
        return None
    wanted = f"{DRIVER_OF_CUDA[major]} or later" if major in DRIVER_OF_CUDA else "a later one"
    return (f"node {name} has a driver of NVIDIA's for CUDA {there.cuda} and older, and torch of CUDA {cuda} wants "
            f"{wanted}; update the driver, or take a machine image that has it")


def no_driver(name: str, there: NodeReport) -> str | None:
    """That no driver is seen on a node that has GPUs, in a sentence, or None."""
    return None if there.cuda is not None else (
        f"node {name} has GPUs by Ray's count, and no driver of NVIDIA's is seen there; install one, or in a container "
        "NVIDIA's toolkit with NVIDIA_VISIBLE_DEVICES=all")


def no_hang_detector(name: str, there: NodeReport) -> str | None:
    """That workers which wait for one another for ever are found late, in a sentence, or None."""
    return None if there.detects_hangs else (
        f"node {name} lacks the program {HANG_DETECTOR}, which no wheel brings: an all-reduce that hangs ends after "
        "half an hour, and with it after ten minutes; NVIDIA's Debian package libnccl-dev has it, from 2.28 on")


def store_on_disk(name: str, there: NodeReport, store: float) -> str | None:
    """Why a node's object store is slow, in a sentence, or None.

    Args:
        name: of the node, for people.
        there: its report.
        store: its size in bytes.
    """
    if there.store is None or there.store.is_relative_to(_SHARED_MEMORY):
        return None
    return (f"node {name} keeps its object store of {store / 2**30:.1f} GiB in {there.store} and not in /dev/shm, as "
            "Ray does where that has too little room when it starts; give Ray a smaller --object-store-memory, or "
            "the container with a larger /dev/shm (docker's --shm-size; KubeRay mounts a fitting one by itself)")


def _significant(package: str, version: str | None) -> str | None:
    """What of a version has to agree: a patch of Python's changes nothing."""
    return version.rpartition(".")[0] if package == "Python" and version else version


def _size(file: str) -> int | None:
    try:
        return Path(file).stat().st_size
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _weights(config: Config | None, keypoints: int) -> str | None:
    """Build the networks as a worker does, without memory for their weights."""
    if config is None or (not config.model.pretrained and not config.train.init_from):
        return None
    from trs.warm_start import check_fit  # seconds, for torch and timm; only where there is something to look for

    try:
        check_fit(config, keypoints)
    except InputError as error:
        return str(error)
    return None


def _cuda() -> int | None:
    """By the driver's own word, which counts NVIDIA's packages for older drivers in, and needs no GPU of ours."""
    try:
        version = ctypes.c_int()
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return None if failed else version.value // 1000


def _memory() -> int:
    """The machine's, or what its container allows."""
    total: int = psutil.virtual_memory().total
    for file in _MEMORY_LIMITS:
        try:
            total = min(total, int(file.read_text("utf-8")))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return total


def _storage(probe: Path) -> str | None:
    """Why the storage cannot be used as runs use it: files that others see, grow, and change their names."""
    try:
        if (probe / "driver").read_text("utf-8") != probe.name:
            return f"sees other files in {probe.parent} than this one"
    except OSError:
        return f"does not see what this one writes to {probe.parent}"
    own = probe / f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    try:
        own.mkdir()
        (own / "lines").write_text("a\n", "utf-8")
    except OSError as error:
        return f"cannot write to {probe.parent} ({error.strerror})"
    try:
        with open(own / "lines", "a", encoding="utf-8") as lines:
            lines.write("b\n")
        renamed = own.rename(own.with_name(f"{own.name}-renamed"))
        kept = (renamed / "lines").read_text("utf-8") == "a\nb\n"
    except OSError as error:
        return (f"cannot append to files and rename folders in {probe.parent} ({error.strerror}), as a mounted bucket "
                "cannot")
    return None if kept else f"loses what is appended to files in {probe.parent}, as a mounted bucket does"
