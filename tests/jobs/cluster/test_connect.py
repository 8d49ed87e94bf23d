"""The cluster as a command finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cluster import connect as cluster
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def test_the_place_that_takes_jobs_is_no_cluster_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with pytest.raises(InputError, match="start this with `ray job submit`"):
        cluster.connect()


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
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=180)
    assert done.stdout.strip().endswith("alone"), done.stderr
