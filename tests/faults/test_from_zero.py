"""Trainings and searches on a cluster whose nodes do not exist yet: a real autoscaler adds them, on this machine."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import ray

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import read_events
from tests.faults.conftest import free_port
from trs.config import Config

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
HEAD = "f" * 51 + "00000"
"""Ray's provider of nodes on one machine knows its head by this."""
NOT_NEEDED = ("setup_commands", "head_setup_commands", "worker_setup_commands", "initialization_commands",
              "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude",
              "rsync_filter")
CPUS = 3
"""Of a node that the autoscaler adds."""


@dataclass
class Growing:
    """A cluster of a head without CPUs, to which Ray's autoscaler adds nodes of CPUS, at most three."""

    folder: Path
    address: str
    environment: dict[str, str]

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start `python ARGUMENTS` on this cluster."""
        return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                env=os.environ | self.environment | environment, stderr=subprocess.STDOUT)

    def run(self, *arguments: str, seconds: float = 600, **environment: str) -> tuple[int, str]:
        """The exit code and the words of `python ARGUMENTS` on this cluster."""
        process = self.start(*arguments, **environment)
        try:
            said, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
        return process.returncode, said

    def processes(self) -> list[psutil.Process]:
        """All that belong to it."""
        found = []
        for process in psutil.process_iter():
            try:
                if any(str(self.folder) in word for word in process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def raylets(self) -> list[psutil.Process]:
        """The processes that keep its nodes, the head's among them."""
        return [process for process in self.processes() if process.name() == "raylet"]

    def close(self) -> None:
        """End them."""
        for end in (psutil.Process.terminate, psutil.Process.kill):
            left = self.processes()
            for process in left:
                try:
                    end(process)
                except psutil.Error:
                    continue
            psutil.wait_procs(left, timeout=10)


@pytest.fixture
def growing() -> Iterator[Growing]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: paths of sockets may not exceed 107 characters
    host, port = ray.util.get_node_ip_address(), free_port()
    address = f"{host}:{port}"
    (folder / "cluster.json").write_text(json.dumps({
        "cluster_name": "growing", "max_workers": 3, "head_node_type": "ray.head.default", "upscaling_speed": 1.0,
        "provider": {"type": "external", "launch_multiple": True, "head_node_id": HEAD, "disable_node_updaters": True,
                     "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
                     "disable_launch_config_check": True, "foreground_node_launch": True, "gcs_address": address},
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": CPUS, "object_store_memory": 2 * 10**8}, "node_config": {},
                       "min_workers": 0, "max_workers": 3}},
        "idle_timeout_minutes": 5, "auth": {"ssh_user": "nobody"},
        **{name: [] for name in NOT_NEEDED},
        "file_mounts": {}, "file_mounts_sync_continuously": False}))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
    head = subprocess.Popen(
        [str(Path(sys.executable).with_name("ray")), "start", "--head", "--num-cpus=0", f"--port={port}",
         f"--dashboard-port={free_port()}", "--object-store-memory=300000000",
         f"--autoscaling-config={folder / 'cluster.json'}", f"--temp-dir={folder}", "--block"],
        env=os.environ | token | {
            "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD},
        stdout=(folder / "head.log").open("w"), stderr=subprocess.STDOUT)
    made = Growing(folder, address, token | {"RAY_ADDRESS": address})
    try:
        end = time.monotonic() + 180
        while "Ray runtime started" not in (folder / "head.log").read_text():
            assert head.poll() is None and time.monotonic() < end, (folder / "head.log").read_text()
            time.sleep(0.5)
        yield made
    finally:
        made.close()
        head.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def config_file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings of one worker, 20 steps in 2 epochs; one fits on a node."""
    train = dataclasses.replace(config.train, epochs=2, batch_size=4)
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    jobs_config.save(Job(dataclasses.replace(config, train=train),
                         ClusterConfig(cpus_per_worker=1.2, data_cpus=0.8, checkpoint_every=3)), file)
    return file


def test_what_asks_for_nodes_gets_them(growing: Growing, config_file: Path, tmp_path: Path) -> None:
    common = ("--config", str(config_file), "--out", str(tmp_path))
    code, said = growing.run("-m", "jobs.doctor", *common)
    assert code == 0 and "has 0 CPUs now, and one training waits until its autoscaler has added nodes" in said, said
    assert "ok       weights, as this process sees them\n" in said and "once it is there" in said, said
    code, said = growing.run("-m", "jobs.train", *common, "--name", "run")
    assert code == 0 and "0 CPUs now" in said, said
    code, said = growing.run("run_tune.py", *common, "--name", "search", "--trials", "3", "--space",
                             "method.unsup_weight=0.1..1")
    assert code == 0 and "more as the cluster grows" in said, said
    rows = list(csv.DictReader((tmp_path / "search" / "leaderboard.csv").open()))
    assert len(rows) == 4 and all(row["status"] in ("complete", "pruned", "reference") for row in rows), rows
    assert len(growing.raylets()) > 2, "trials that waited have added no second node"


def test_a_node_that_is_lost_on_the_way_is_replaced(growing: Growing, config_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = growing.start("-m", "jobs.train", "--config", str(config_file), "--out", str(tmp_path), "--name", "run")
    end = time.monotonic() + 300
    while not any(run.glob("checkpoint_*")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    (node,) = [raylet for raylet in growing.raylets() if "--head" not in raylet.cmdline() and raylet.children()
               and any("RayTrainWorker" in " ".join(child.cmdline()) for child in raylet.children(recursive=True))]
    for lost in [*node.children(recursive=True), node]:
        lost.kill()
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert any("the workers failed" in line for line in read_events(run))


def test_what_the_launchers_configuration_has_no_room_for_is_refused(growing: Growing, config_file: Path, tmp_path: Path
                                                                      ) -> None:
    shutil.copy(growing.folder / "cluster.json", tmp_path / "ray_bootstrap_config.yaml")
    common = ("-m", "jobs.train", "--config", str(config_file), "--out", str(tmp_path / "runs"))
    workers = "lower train.workers (--min-workers on a resume)"
    for options, said in ((["--use-gpu"], "the cluster has 0; --no-use-gpu trains on CPUs"),
                          (["--cpus-per-worker", "4"], f"have room for 0; {workers} or --cpus-per-worker")):
        code, words = growing.run(*common, *options, HOME=str(tmp_path))
        assert code == 2 and said.replace("train.workers", "--train.workers") in words, words
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


MOST = """
import sys
from jobs import config
from jobs.cluster.connect import connect
from jobs.cluster.resources import room_for
connect()
room = room_for(config.load(sys.argv[1]), None)
print(room(), room.most(), room_for(config.load(sys.argv[1]), 7).most())
"""


def test_the_head_is_measured_against_all_that_may_come(growing: Growing, config_file: Path, tmp_path: Path) -> None:
    config = json.loads((growing.folder / "cluster.json").read_text())
    config["max_workers"] = 100
    for name, kind in config["available_node_types"].items():
        kind["max_workers"] = 0 if name == config["head_node_type"] else 100
    (tmp_path / "ray_bootstrap_config.yaml").write_text(json.dumps(config))
    code, words = growing.run("-c", MOST, str(config_file), HOME=str(tmp_path))
    assert code == 0, words
    now, most, wanted = words.splitlines()[-1].split()
    assert int(now) < 10 and int(most) == 100 * CPUS // 2 and int(wanted) == 7, words  # a training takes two
