"""What docs/clusters/slurm.sh gives to Slurm's `srun`; tests/faults/test_slurm.py starts two nodes with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("found", "head"), [("echo '10.1.2.3 STREAM node0'", "10.1.2.3"), ("exit 2", "node0"),
                                             ("echo '127.0.1.1 STREAM node0'", "10.9.9.9")])
def test_a_step_gets_the_cpus_of_its_job_and_ends_with_its_code(tmp_path: Path, found: str, head: str) -> None:
    """The head is named by its address, which to the machine itself may be its loopback, or be found by nobody."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text(f"export PATH={tmp_path}:$PATH\n")
    for name, text in (("scontrol", "echo node0; sleep 0.3; echo node1"), ("srun", 'echo "$@"; exit 7'),
                       ("getent", found), ("hostname", "echo 10.9.9.9 172.17.0.1")):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "node[0-1]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "123",
           "SLURM_CPUS_PER_TASK": "64", "SLURM_GPUS_ON_NODE": "8"}
    done = subprocess.run(["bash", str(ROOT / "docs" / "clusters" / "slurm.sh"), "python", "run_tune.py"], cwd=tmp_path,
                          env=os.environ | job, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith(f"--cpus-per-task 64 ray symmetric-run --address {head}:20123 --min-nodes 2 "
                                  "--num-cpus 64 --num-gpus 8 -- bash -c "), done.stdout
    assert done.stdout.endswith(f" {head}:20123 python run_tune.py\n")
