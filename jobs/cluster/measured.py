"""What the doctor measures, in seconds: how fast the storage takes a checkpoint, and workers exchange gradients."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from jobs.cluster.finding import Finding, error_if, warning_if
from jobs.cluster.growth import Node, nodes
from jobs.cluster.ray_private import (
    FailureConfig,
    ProcessGroupConfig,
    RunConfig,
    WorkerGroupStartupTimeoutError,
    run_together,
)
from jobs.cluster.resources import all_or_none, lack, scaling
from jobs.config import Job

BYTES = 64 * 2**20
"""About the weights of a ResNet18, or its gradients and some."""
SLOWEST_STORAGE, SLOWEST_NETWORK = 20e6, 50e6
"""Bytes a second, below which a checkpoint of ResNets takes half a minute, and the network most of a step."""
_PATIENCE_SECONDS = 120


def measure(job: Job, folder: Path) -> Iterator[Finding]:
    """Measure for a training that could start now.

    Args:
        job: the training and its machines.
        folder: that exists, on the storage of the run.
    """
    probe = folder / f".trs-probe-{uuid.uuid4().hex[:8]}"
    try:
        probe.mkdir()
        yield _storage(probe)
        if job.config.train.workers > 1:
            yield _all_reduce(job, probe)
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def _storage(probe: Path) -> Finding:
    """Write as checkpoints are written: to the disk, not to the machine's memory."""
    content, began = os.urandom(BYTES), time.monotonic()
    try:
        with open(probe / "weights", "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
    except OSError as error:
        return error_if("storage: speed", f"{probe.parent} cannot take {BYTES >> 20} MiB ({error.strerror}); make "
                        "room, or choose another --out")
    speed = BYTES / (time.monotonic() - began)
    if speed < SLOWEST_STORAGE:
        return warning_if("storage: speed", f"{probe.parent} takes {speed / 1e6:.0f} MB a second, and a training waits "
                          "for its checkpoints; choose faster storage for --out, or a larger --checkpoint-every")
    return Finding("storage: speed", f"{speed / 1e6:.0f} MB a second")


def _all_reduce(job: Job, probe: Path) -> Finding:
    """Let as many workers as the training has, on the same kind of places, sum tensors as its steps do."""
    about = f"all-reduce of {job.config.train.workers} workers"
    job = all_or_none(job)
    anywhere = dataclasses.replace(job, cluster=dataclasses.replace(job.cluster, node_labels=()))
    missing = lack(job, nodes()) or lack(anywhere, [Node(ray.available_resources())])
    if missing is not None:
        return Finding(about, f"not measured, for there is no room for them now: {missing.partition(';')[0]}")
    ended: Future[None] = Future()

    def work() -> None:
        try:
            run_together(_sum_per_worker, {"bytes": BYTES, "file": str(probe / "seconds")}, scaling(job),
                         RunConfig(name="all_reduce", storage_path=str(probe),
                                   failure_config=FailureConfig(max_failures=0, controller_failure_limit=0)),
                         ProcessGroupConfig(timeout_s=_PATIENCE_SECONDS))
            ended.set_result(None)
        except BaseException as error:
            ended.set_exception(error)

    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(_PATIENCE_SECONDS)
    # In the main thread Ray Train would take Ctrl-C for itself, and end with 0.
    threading.Thread(target=work, daemon=True).start()
    try:
        ended.result()
        seconds = float((probe / "seconds").read_text("utf-8"))
    except (ray.train.TrainingFailedError, ray.exceptions.RayError, OSError, ValueError) as error:
        reason = getattr(error, "controller_failure", error)
        if isinstance(reason, WorkerGroupStartupTimeoutError):
            return Finding(about, f"not measured, for the workers have not started within {_PATIENCE_SECONDS} s")
        last = str(error).strip().splitlines()[-1]
        return error_if(about, f"the workers cannot exchange gradients ({last}); see that nodes reach each other on "
                        "every port, and name their network in NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME")
    speed = BYTES / seconds
    said = f"{BYTES / 1e6:.0f} MB in {seconds * 1e3:.0f} ms"
    if speed < SLOWEST_NETWORK:
        return warning_if(about, f"{said}: steps will wait for the network; take nodes of one zone, or fewer workers")
    return Finding(about, said)


def _sum_per_worker(settings: dict[str, Any]) -> None:
    """Sum a tensor over the workers three times; rank 0 writes the seconds of the fastest."""
    device = ray.train.torch.get_device()
    summed, seconds = torch.ones(settings["bytes"] // 4, device=device), list[float]()
    for _ in range(3):
        torch.distributed.barrier()
        began = time.monotonic()
        torch.distributed.all_reduce(summed)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - began)
    if ray.train.get_context().get_world_rank() == 0:
        Path(settings["file"]).write_text(str(min(seconds)), "utf-8")
