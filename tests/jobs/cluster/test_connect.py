"""The cluster as a command finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run_apart(script: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=180)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_beside_another_cluster_the_processes_know_their_own() -> None:
    """Ray's cleaner of reservations asks for the cluster's address by this name, and would find two."""
    script = """
import os, ray
from jobs.cluster import connect as cluster
cluster.connect()
from ray._private.services import canonicalize_bootstrap_address_or_die as address
found = ray.get(ray.remote(num_cpus=0)(lambda: address(None)).remote())
assert found == ray.get_runtime_context().gcs_address, found
assert "RAY_ADDRESS" not in os.environ
print("alone")
"""
    done = run_apart(script)
    assert done.stdout.strip().endswith("alone"), done.stderr


@pytest.mark.slow
def test_a_cluster_of_ones_own_counts_the_cores_that_one_may_use_and_hears_no_signal_for_the_command() -> None:
    script = """
import os, signal
os.environ["RAY_ADDRESS"] = ""  # which is none, as for Ray
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # as `taskset -c 0` does
import ray
from jobs.cluster import connect as cluster
cluster.connect()
blocked = ray.get(ray.remote(num_cpus=0)(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [])).remote())
assert {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU} <= blocked, blocked
assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
print("CPUs", ray.cluster_resources()["CPU"])
"""
    done = run_apart(script)
    assert done.stdout.strip().endswith("CPUs 1.0"), done.stderr
