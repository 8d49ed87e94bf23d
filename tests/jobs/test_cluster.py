"""The files that start a cluster and send a job to it, and the cluster as a command finds it."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray._private.runtime_env.packaging import _get_excludes
from ray.autoscaler._private.util import prepare_config, validate_config

from jobs import cluster
from trs.config import TrainConfig
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def test_rays_validator_accepts_the_cluster() -> None:
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    validate_config(prepare_config(config))


def test_the_clusters_packages_are_those_that_were_tested() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    tested = dict(requirement(line) for line in setup["options"]["install_requires"].splitlines()
                  if line and not line.startswith("#"))
    commands = yaml.safe_load((ROOT / "cluster.yaml").read_text())["setup_commands"]
    installed = dict(requirement(quoted) for command in commands for quoted in re.findall(r'"([^"]+)"', command))
    assert installed.pop("ray[data,default,train,tune]") == ["==2.60"]  # one version on all nodes
    tested.pop("ray[data,default,train,tune]")
    assert installed == tested


def requirement(line: str) -> tuple[str, list[str]]:
    name, bounds = re.fullmatch(r"([a-z\d\[\],-]+?)([=<>].*)", line).groups()
    return name, [re.sub(r"(\.0)+$", "", bound) for bound in bounds.split(",")]


def test_a_submitted_job_takes_the_code_along_and_leaves_data_and_runs() -> None:
    excluded = _get_excludes(ROOT, yaml.safe_load((ROOT / "jobs" / "runtime_env.yaml").read_text())["excludes"])
    sources = [path for package in ("trs", "jobs", "tune") for path in (ROOT / package).rglob("*")
               if path.suffix in (".py", ".j2", ".yaml")]
    assert len(sources) > 50
    assert not [path for path in sources if excluded(path)]
    for left in ("runs/first/study.db", "data/coco/a.jpg", ".venv/bin/python", "trs/__pycache__/ema.pyc", ".git/HEAD"):
        assert excluded(ROOT / left), left


def test_the_place_that_takes_jobs_is_no_cluster_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with pytest.raises(InputError, match="start this with `ray job submit`"):
        cluster.connect()


def test_what_the_autoscaler_may_add_counts_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"memory": 1.0})  # a head without CPUs
    monkeypatch.setattr(cluster.state, "get_max_resources_from_cluster_config", lambda: {"CPU": 64, "GPU": 8})
    cluster.require_resources(TrainConfig(workers=8, use_gpu=True))
    with pytest.raises(InputError, match=r"asks for 9 GPUs \(9 workers\), the cluster has 8"):
        cluster.require_resources(TrainConfig(workers=9, use_gpu=True))
    monkeypatch.setattr(cluster.state, "get_max_resources_from_cluster_config", lambda: None)
    with pytest.raises(InputError, match="the cluster has 0"):
        cluster.require_resources(TrainConfig())


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_can_never_fit_is_refused_with_the_difference() -> None:
    with pytest.raises(InputError, match=r"asks for 225\.01 CPUs \(100 workers\), the cluster has 8"):
        cluster.concurrency(TrainConfig(workers=100, cpus_per_worker=2, data_cpus=0.25), None)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_concurrency_is_what_the_cluster_holds() -> None:
    train = TrainConfig(workers=2, cpus_per_worker=1, data_cpus=0.5)
    assert cluster.concurrency(train, None) == 2
    assert cluster.concurrency(train, 1) == 1
    with pytest.raises(InputError, match="must be at least 1"):
        cluster.concurrency(train, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_beside_another_cluster_the_processes_know_their_own() -> None:
    """Ray's cleaner of reservations asks for the cluster's address by this name, and would find two."""
    script = """
import os, ray
from jobs import cluster
cluster.connect()
from ray._private.services import canonicalize_bootstrap_address_or_die as address
found = ray.get(ray.remote(num_cpus=0)(lambda: address(None)).remote())
assert found == ray.get_runtime_context().gcs_address, found
assert "RAY_ADDRESS" not in os.environ
print("alone")
"""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=180)
    assert done.stdout.strip().endswith("alone"), done.stderr
