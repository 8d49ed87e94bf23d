"""How a command joins the Ray cluster, or starts one on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

import ray

from jobs.cluster.ray_files import require_ray_files
from jobs.cluster.ray_private import pin_autoscaling_coordinator, quieten_token_notice
from trs.errors import InputError


def connect() -> None:
    """Join the cluster that RAY_ADDRESS names (`ray job submit` sets it), or start one on this machine.

    A local cluster's dashboard listens on loopback only, and Ray asks for its token everywhere. The dashboard runs,
    because without it Ray leaks the reservations of trials that a scheduler stopped.

    Raises:
        InputError: RAY_ADDRESS is an address for submitting jobs.
    """
    if ray.is_initialized():
        return
    quieten()
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        _start_here()
    elif address.startswith("http"):
        raise InputError(f"RAY_ADDRESS={address} is the address for submitting jobs: start this with `ray job submit`, "
                         "or unset RAY_ADDRESS to run on this machine")
    else:
        ray.init(logging_level=logging.WARNING, log_to_driver=False)
    pin_autoscaling_coordinator()


def _start_here() -> None:
    require_ray_files()
    # This machine is not taken back by anybody; each training saves a process that would watch for it.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    with address_for_children():
        ray.init(
            address="local",  # not whatever cluster happens to run on this machine
            logging_level=logging.WARNING, log_to_driver=False, include_dashboard=True, dashboard_host="127.0.0.1",
            # A training keeps a dozen processes, most of them idle. Ray would end idle ones above one per CPU after a
            # second, and start them anew for the next batch: on 2 cores that took more time than the training itself.
            _system_config={"num_workers_soft_limit": 32, "worker_maximum_startup_concurrency": 8})


@contextlib.contextmanager
def address_for_children() -> Iterator[None]:
    """Processes of the cluster that starts inside inherit its address.

    Without it Ray's own helpers look for one on the machine, and give up where several clusters run: the
    reservations of stopped trials would then never be freed, and the next trial would wait for ever.
    """
    with socket.socket() as free:
        free.bind(("", 0))
        port = str(free.getsockname()[1])
    addresses = {"RAY_GCS_SERVER_PORT": port, "RAY_ADDRESS": f"{ray.util.get_node_ip_address()}:{port}"}
    os.environ.update(addresses)
    try:
        yield
    finally:  # this process is connected, and what it may start beside the cluster is not the cluster's
        for name in addresses:
            del os.environ[name]


def quieten() -> None:
    """Set up a process that drives a training: few lines from the libraries, quick reports, patient starts."""
    # Metrics are polled at this interval; the default of 2 s would be felt after each short epoch.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    # On a busy machine a worker needs more than Ray's 60 s to start; what can never fit has been refused before.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    # Tune's table repeats in every mode what our own lines say better.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Tune would write each trial's scores once more, as CSV, JSON and TensorBoard events.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    # A resumed search may find that a trial was killed at its very end and has nothing new to report.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    # Ray Data warns of what we want: no progress bars, and CPUs that are all at work.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # After Ctrl-C Tune tells to restore its own state; ours is the study. Why a trial failed stands in our own lines.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    quieten_token_notice()
