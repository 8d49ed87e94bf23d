"""Clusters that are gone, hang, want a token, or are none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from jobs.cluster.address import require_answer
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def test_a_cluster_that_is_gone_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    address = f"127.0.0.1:{port}"
    with pytest.raises(InputError, match=rf"no Ray cluster answers at RAY_ADDRESS={address} \(Connection refused\)"
                                         "; start the cluster with `ray start --head`, mend RAY_ADDRESS, or unset"):
        require_answer(address)
    assert time.monotonic() - began < 5


def test_who_takes_the_call_and_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match="does not answer; look at its machine"):
            require_answer(address)


def test_the_place_that_takes_jobs_is_no_cluster_to_join() -> None:
    with pytest.raises(InputError, match="start this with `ray job submit`"):
        require_answer("http://127.0.0.1:8265")
    with pytest.raises(InputError, match="through which this does not train: submit it with `ray job submit`"):
        require_answer("ray://127.0.0.1:10001")


@pytest.mark.parametrize("address", ["head", "10.0.0.1:", "10.0.0.1:http", ":"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(InputError, match=r"is no address of a cluster; it is like 10\.0\.0\.1:6379"):
        require_answer(address)


@pytest.mark.parametrize("address", ["a..b:80", "127.0.0.1:99999", "[::1]:9"])
def test_an_address_where_nobody_can_be_is_told(address: str) -> None:
    with pytest.raises(InputError, match=r"no Ray cluster answers at RAY_ADDRESS=.*; start the cluster with"):
        require_answer(address)


@pytest.mark.parametrize(("noted", "said"), [
    (None, "no Ray cluster runs on this machine, as RAY_ADDRESS=auto wants it; start the cluster with"),
    ("127.0.0.1:9", "no Ray cluster answers at 127.0.0.1:9, which RAY_ADDRESS=auto finds (Connection refused)")])
def test_a_cluster_that_ray_remembers_is_asked_too(tmp_path: Path, noted: str | None, said: str) -> None:
    """As after a head that was killed, whose address lies there still; no process of another cluster is seen."""
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("only root, where it may, sees no other processes")
    if noted is not None:
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(noted)
    script = "from jobs.cluster.connect import connect; connect()"
    done = subprocess.run([*apart, sys.executable, "-c", script], cwd=ROOT, text=True, capture_output=True, timeout=60,
                          env=os.environ | {"RAY_ADDRESS": "auto", "RAY_TMPDIR": str(tmp_path)})
    assert said in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("environment", "said"), [
    ({"RAY_AUTH_MODE": "disabled"}, "wants a token: set RAY_AUTH_MODE=token"),
    ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64}, "is another one; copy the head's"),
    ({"RAY_AUTH_MODE": "token"}, "")], ids=["none", "another", "its own"])
def test_a_cluster_that_wants_a_token_says_which_variable_is_missing(environment: dict[str, str], said: str) -> None:
    script = """
import sys
from jobs.cluster.address import require_answer
from trs.errors import InputError
try:
    require_answer(sys.argv[1])
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, ray.get_runtime_context().gcs_address], cwd=ROOT, text=True,
                          env=os.environ | environment, capture_output=True, timeout=120)
    assert said in done.stdout and bool(said) == bool(done.stdout.strip()), done.stdout + done.stderr
