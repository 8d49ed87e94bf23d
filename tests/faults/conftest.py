"""A Ray cluster of several nodes on this machine, and commands that run against it as a user's do."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray._private.authentication import authentication_token_setup as authentication
from ray.cluster_utils import Cluster

from jobs.cluster.connect import address_for_children

ROOT = Path(__file__).resolve().parents[2]
FAST_HEALTH_CHECKS = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500,
                      "health_check_failure_threshold": 4, "num_workers_soft_limit": 32,
                      # By default as many as a node has CPUs; the head, which runs most processes, has none.
                      "worker_maximum_startup_concurrency": 8}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def hear_ctrl_c() -> None:
    """Let a command hear SIGINT as in a terminal; what a shell starts in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Driver:
    """A command that runs on the cluster, and the file of what it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, seconds: float = 900) -> int:
        """Its exit code."""
        return self.process.wait(seconds)

    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text()


class Machines:
    """A head without CPUs, and nodes that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = tempfile.mkdtemp(prefix="ray-")  # short: paths of sockets may not exceed 107 characters
        authentication.enable_token_auth_by_default()  # as `ray.init` does it
        authentication.ensure_token_if_auth_enabled()
        # As `jobs.cluster` starts its own: the cluster's processes know its address, although others run here too.
        with self._noted_apart(), address_for_children():
            self.cluster = Cluster(initialize_head=True, head_node_args={
                "num_cpus": 0, "include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": free_port(),
                "dashboard_agent_listen_port": 0, "temp_dir": self.temporary, "object_store_memory": 10**9,
                "_system_config": FAST_HEALTH_CHECKS})
        self.address = self.cluster.address
        self.started = 0
        self.drivers: list[Driver] = []

    def add(self, cpus: float, labels: dict[str, str] | None = None) -> Any:
        """A new node."""
        os.environ["RAY_ADDRESS"] = self.address
        try:
            return self.cluster.add_node(num_cpus=cpus, object_store_memory=10**9, labels=labels or {})
        finally:
            del os.environ["RAY_ADDRESS"]

    def lose(self, node: Any) -> None:
        """Kill a node with all its processes; the cluster knows it some seconds later."""
        self.cluster.remove_node(node, allow_graceful=False)

    def settle(self) -> None:
        """Wait until the cluster knows which nodes there are."""
        self.cluster.wait_for_nodes()

    def start(self, *arguments: str) -> Driver:
        """Start `python ARGUMENTS` as a driver on the cluster."""
        self.started += 1
        log = self.folder / f"output{self.started}.txt"
        environment = {"RAY_ADDRESS": self.address, "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5"}
        with log.open("w") as output:
            process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                                       env=os.environ | environment, preexec_fn=hear_ctrl_c)
        self.drivers.append(Driver(process, log))
        return self.drivers[-1]

    def raylets(self) -> list[psutil.Process]:
        """The processes that keep the nodes."""
        return [psutil.Process(info.process.pid) for node in self.cluster.list_all_nodes()
                for info in node.all_processes.get("raylet", [])]

    def workers(self) -> list[psutil.Process]:
        """The processes that train, on all nodes."""
        found = []
        for raylet in self.raylets():
            for process in raylet.children(recursive=True):
                try:
                    if "RayTrainWorker" in " ".join(process.cmdline()):
                        found.append(process)
                except psutil.Error:
                    continue
        return found

    def node_of(self, process: psutil.Process) -> Any:
        """The node that a process runs on."""
        above = {parent.pid for parent in process.parents()}
        return next(node for node in self.cluster.list_all_nodes()
                    if any(info.process.pid in above for info in node.all_processes.get("raylet", [])))

    def wait_until(self, condition: Callable[[], Any], seconds: float = 600) -> Any:
        """The condition's value once it is true; fails when that takes too long, with what the last driver said."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.1)
        said = self.drivers[-1].output() if self.drivers else ""
        raise AssertionError(f"waited {seconds:.0f} s in vain; the last driver has said:\n{said}")

    def others(self) -> list[Any]:
        """The nodes beside the head."""
        return [node for node in self.cluster.list_all_nodes() if node is not self.cluster.head_node]

    def close(self) -> None:
        """End every process of the cluster and of its drivers."""
        for driver in self.drivers:
            if driver.process.poll() is None:
                driver.process.kill()
                driver.process.wait()
        with self._noted_apart():
            self.cluster.shutdown()
        shutil.rmtree(self.temporary, ignore_errors=True)

    @contextlib.contextmanager
    def _noted_apart(self) -> Iterator[None]:
        """Ray notes the address of a test's cluster below here, not over that of a cluster which somebody uses."""
        Path(self.temporary, "ray").mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_TMPDIR", self.temporary)
            yield


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A cluster of the module's own, with a head only."""
    made = Machines(tmp_path_factory.mktemp("machines"))
    yield made
    made.close()
