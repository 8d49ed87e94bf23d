"""What the checks before a start say about clusters that are not as they should be."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from trs.config import Config

pytestmark = pytest.mark.long


def save(config: Config, folder: Path) -> None:
    """Write config.yaml: workers that fit beside their readers on a node of two CPUs."""
    jobs_config.save(Job(config, ClusterConfig(cpus_per_worker=0.7, data_cpus=0.25)), folder / "config.yaml")


def examine(machines: Any, config: Config, tmp_path: Path, *options: str) -> tuple[int, str]:
    save(config, tmp_path)
    driver = machines.start("-m", "jobs.doctor", "--config", str(tmp_path / "config.yaml"), "--out",
                            str(tmp_path / "runs"), *options)
    return driver.wait(), driver.output()


def test_a_sound_cluster_passes_every_check(machines: Any, config: Config, tmp_path: Path) -> None:
    machines.add(2)
    machines.add(2)
    code, said = examine(machines, config, tmp_path)
    lines = [line for line in said.splitlines() if not re.match("ok|warning +token: ", line)]  # Ray leaves it so
    assert code == 0 and not lines, said
    assert len(re.findall(r"^ok +node \S+ \(\w{8}\): storage, images, versions, weights$", said, re.M)) == 2, said
    assert re.search(r"^ok +node \S+ \(\w{8}\): storage, images, versions$", said, re.M), "the head, which trains not"
    assert re.search(r"^ok +storage: speed: \d+ MB a second$", said, re.M), said
    assert not (tmp_path / "runs").exists() and not list(tmp_path.glob(".trs-probe*"))


def test_two_workers_on_two_nodes_exchange_gradients_and_json_says_the_same(machines: Any, config: Config,
                                                                             tmp_path: Path) -> None:
    machines.add(1)
    machines.add(1)
    two = dataclasses.replace(config, train=dataclasses.replace(config.train, workers=2))
    code, said = examine(machines, two, tmp_path, "--json")
    found = {finding["about"]: finding for finding in json.loads(said[said.index("["):said.rindex("]") + 1])}
    assert code == 0 and {finding["level"] for finding in found.values()} <= {"ok", "warning"}, said
    assert re.fullmatch(r"67 MB in \d+ ms.*", found["all-reduce of 2 workers"]["said"]), said
    assert found["head: memory"] == {"about": "head: memory", "said": None, "level": "ok"}


def test_a_node_that_is_lost_while_it_is_asked_is_reported_and_stops_nothing(machines: Any, config: Config,
                                                                             tmp_path: Path) -> None:
    kept, lost = machines.add(2), machines.add(2)
    save(config, tmp_path)
    driver = machines.start("-m", "jobs.train", "--config", str(tmp_path / "config.yaml"), "--out",
                            str(tmp_path / "runs"), "--name", "run")
    machines.wait_until(lambda: list(tmp_path.rglob(".trs-probe*")))  # a node's first task starts a process: seconds
    machines.lose(lost)
    assert driver.wait() == 0, driver.output()
    assert re.search(rf"WARNING: node \S+ \({lost.node_id[:8]}\) was lost, or the process that looked,",
                     driver.output()), driver.output()
    machines.lose(kept)
    machines.settle()


def test_too_little_of_anything_is_named(machines: Any, config: Config, tmp_path: Path) -> None:
    wide = dataclasses.replace(config, train=dataclasses.replace(config.train, workers=20))
    code, said = examine(machines, wide, tmp_path)
    assert code == 2
    assert "error    resources: one training asks for" in said and "(20 workers)" in said
    assert "error    object store: 20 workers read ahead up to 5120 MiB" in said
    assert said.splitlines()[-1] == "error: 2 of the checks found an error; nothing was started"


def test_a_storage_that_cannot_be_written_is_named(machines: Any, config: Config, tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", _folder(tmp_path / "runs")],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this test mounts a file system: {mounted.stderr.strip()}")
    try:
        code, said = examine(machines, config, tmp_path)
        assert code == 2 and "cannot be written: Read-only file system; choose another --out" in said
    finally:
        subprocess.run(["umount", tmp_path / "runs"], check=True)


OPEN_CLUSTER = """
import ray, sys
started = ray.init(address="local", num_cpus=4, include_dashboard=True, dashboard_host="127.0.0.1",
                   log_to_driver=False, _temp_dir=sys.argv[1])
print(started.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


def test_a_dashboard_without_a_token_is_reported(config: Config, tmp_path: Path) -> None:
    save(config, tmp_path)
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temporary:
        cluster = subprocess.Popen([sys.executable, "-c", OPEN_CLUSTER, temporary], env=environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert cluster.stdin is not None and cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        done = subprocess.run([sys.executable, "-m", "jobs.doctor", "--config", tmp_path / "config.yaml", "--out",
                               tmp_path / "runs"], cwd=Path(__file__).parents[2], capture_output=True, text=True,
                              env=environment | {"RAY_ADDRESS": address})
        cluster.stdin.close()
        cluster.wait(60)
    assert done.returncode == 2, done.stderr
    assert "starts jobs for anybody who reaches it; start Ray with RAY_AUTH_MODE=token" in done.stdout


def _folder(path: Path) -> Path:
    os.makedirs(path)
    return path
