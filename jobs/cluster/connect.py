"""How a command joins the Ray cluster, or starts one on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator

import loky
import ray

from jobs.cluster.address import joined_address, require_answer
from jobs.cluster.failures import OfMachine, first_line
from jobs.cluster.ray_files import require_ray_files
from jobs.cluster.ray_private import pin_autoscaling_coordinator, quieten_token_notice
from jobs.cluster.stopping import ENDINGS, Terminated
from trs.errors import InputError


def connect() -> None:
    """Join the cluster that RAY_ADDRESS names (`ray job submit` sets it), or start one on this machine.

    A local cluster's dashboard listens on loopback only, and Ray asks for its token everywhere. The dashboard runs,
    because without it Ray leaks the reservations of trials that a scheduler stopped.

    Raises:
        InputError: no cluster answers at RAY_ADDRESS, it wants another token, or Ray cannot start here.
    """
    if ray.is_initialized():
        return
    quieten()
    address = joined_address()
    if address is None:
        require_ray_files()
        try:
            _start_here()
        except Exception as error:  # what Ray raises where it cannot start has no type of its own
            raise OfMachine(f"Ray cannot start on this machine ({first_line(error)}); on a busy one try again"
                            ) from error
    else:
        require_answer(address)
        try:
            with own_handlers():
                ray.init(logging_level=logging.WARNING, log_to_driver=False)
        except (ConnectionError, RuntimeError) as error:
            raise InputError(f"the cluster at RAY_ADDRESS={address} cannot be joined ({first_line(error)}); start one "
                             "with `ray start --head`, or unset RAY_ADDRESS to run on this machine") from error
    pin_autoscaling_coordinator()


def _start_here() -> None:
    # This machine is not taken back by anybody; each training saves a process that would watch for it.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    with address_for_children(), children_without_signals(), own_handlers():
        ray.init(
            address="local",  # not whatever cluster happens to run on this machine
            # Ray counts the machine's (#28586); `taskset`, SLURM and containers leave a process fewer.
            num_cpus=loky.cpu_count(),
            logging_level=logging.WARNING, log_to_driver=False, include_dashboard=True, dashboard_host="127.0.0.1",
            # A training keeps a dozen processes, most of them idle. Ray would end idle ones above one per CPU after a
            # second, and start them anew for the next batch: on 2 cores that took more time than the training itself.
            _system_config={"num_workers_soft_limit": 32, "worker_maximum_startup_concurrency": 8})


@contextlib.contextmanager
def children_without_signals() -> Iterator[None]:
    """Processes of the cluster that starts inside do not hear what is meant for the command.

    `timeout` and a terminal that closes send their signal to the group of processes that the command is in, systemd
    and SLURM to all that it has started: without a cluster nothing could be saved. Ray does the same for Ctrl-C. A
    process inherits which signals are blocked, and the cluster's are ended by SIGKILL, at the latest with this one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set(ENDINGS) - {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def own_handlers() -> Iterator[None]:
    """Signals are heard as before: Ray's handlers would end the command without a word, or with a trace of C++."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    try:
        yield
    except SystemExit as ended:
        if ended.code == signal.SIGTERM:  # Ray's handler, which was there already
            raise Terminated(signal.SIGTERM) from ended
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if callable(handler):  # without one Ray's own at least ends what it has started
                    signal.signal(number, handler)


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
    # Ray would end this process a minute after the head has; a search still has its table to write.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "600")
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
