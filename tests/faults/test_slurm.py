"""docs/clusters/slurm.sh on two nodes: networks and processes of their own on this machine, `srun` by a stand-in.

What Slurm does is to start the script on the first node, and what it gives to `srun` on all; the rest is Ray's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
NODES = {"trs0": "10.77.0.1", "trs1": "10.77.0.2"}
APART = "unshare --pid --fork --mount --mount-proc --kill-child"
OWN_FILES = "mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray"
SECOND_NODE = f"{OWN_FILES}; until [ -e order ]; do sleep 0.1; done; bash order; touch ended"
"""Waits for what `srun` orders. It is no child of the first node's, whose `ray stop` would see and end its Ray too."""
PROBE = """
import os, signal, time
import ray
from jobs.cluster.connect import connect
connect()
addresses = sorted(node["NodeManagerAddress"] for node in ray.nodes())
print("nodes", addresses, "CPUs", ray.cluster_resources()["CPU"], flush=True)
where = {ray.get(ray.remote(ray.util.get_node_ip_address).options(num_cpus=1, scheduling_strategy="SPREAD").remote())
         for _ in range(8)}
print("ran on", sorted(where), flush=True)
def save(number, frame):
    print("saved", flush=True)
    os._exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while os.environ["WAITS"]:
    time.sleep(0.1)
"""


def run(command: str) -> None:
    subprocess.run(command, shell=True, check=True, capture_output=True)


@pytest.fixture
def nodes() -> Iterator[None]:
    """Two networks that see each other alone."""
    try:
        run("ip netns add trs0 && ip netns add trs1")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no networks can be made here: {error.stderr.decode().strip()}")
    try:
        run("ip link add trs0 netns trs0 type veth peer name trs1 netns trs1")
        for name, address in NODES.items():
            run(f"ip -n {name} addr add {address}/24 dev {name} && ip -n {name} link set {name} up && "
                f"ip -n {name} link set lo up")
        yield
    finally:
        run("ip netns del trs0; ip netns del trs1")


@pytest.fixture
def submitted(tmp_path: Path) -> Path:
    """A folder as one submits from: with an environment, and Slurm's commands on its path."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    folders = f"{tmp_path / 'slurm'}:{Path(sys.executable).parent}"
    (tmp_path / ".venv" / "bin" / "activate").write_text(f"export PATH={folders}:$PATH PYTHONPATH={ROOT}\n")
    (tmp_path / "slurm").mkdir()
    for name, text in {
            "scontrol": f"printf '%s\\n' {' '.join(NODES.values())}",
            "srun": '''[ "$1 $2" = "--cpus-per-task $SLURM_CPUS_PER_TASK" ] || exit 2  # as the job has, not one
shift 2
{ export -p; printf '%q ' "$@"; } > order.new; mv order.new order
"$@"; code=$?
until [ -e ended ]; do sleep 0.1; done
exit $code'''}.items():
        file = tmp_path / "slurm" / name
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    return tmp_path


@pytest.mark.long
@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("ends_by", ["itself", "a warning of Slurm's"])
def test_ray_starts_on_both_nodes_and_the_command_hears_the_warning(submitted: Path, ends_by: str) -> None:
    environment = os.environ | {
        "SLURM_JOB_NODELIST": "node[0-1]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "123",
        "SLURM_CPUS_PER_TASK": "1", "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "WAITS": "" if ends_by == "itself" else "yes"}
    environment.pop("RAY_ADDRESS", None)
    script = shlex.join(["bash", str(ROOT / "docs/clusters/slurm.sh"), "python", "-c", PROBE])
    with contextlib.ExitStack() as ended, (submitted / "out.txt").open("w") as out:
        job, _ = (ended.enter_context(on(node, command, cwd=submitted, env=environment, stdout=out, stderr=out))
                  for node, command in zip(NODES, (f"{OWN_FILES}; {script}", SECOND_NODE), strict=True))
        said = ""
        end = time.monotonic() + 300
        while "ready\n" not in said and job.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
            said = (submitted / "out.txt").read_text()
        assert "ready\n" in said, said
        assert "nodes ['10.77.0.1', '10.77.0.2'] CPUs 2.0" in said
        assert "ran on ['10.77.0.1', '10.77.0.2']" in said
        if ends_by != "itself":
            (batch,) = (each for each in psutil.Process(job.pid).children(recursive=True)
                        if each.cmdline()[:2] == ["bash", str(ROOT / "docs/clusters/slurm.sh")]
                        and each.parent().cmdline()[:2] != each.cmdline()[:2])
            batch.send_signal(signal.SIGTERM)
        code = job.wait(120)
        said = (submitted / "out.txt").read_text()
        assert (code, "saved\n" in said) == ((0, False) if ends_by == "itself" else (143, True)), said


@contextlib.contextmanager
def on(node: str, command: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs on a node, and is killed at last with all that it started."""
    process = subprocess.Popen(["ip", "netns", "exec", node, *APART.split(), "bash", "-c", command], **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
