"""A training and a search, submitted with the commands of docs/cluster.md to a cluster that `ray start` made."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.documentation.commands import ROOT, ray_commands
from tests.documentation.conftest import SMALL
from tests.faults.conftest import free_port

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Started:
    """A cluster with a token, and where its dashboard is."""

    clone: Path
    dashboard: str
    environment: dict[str, str]

    def ray(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Ray's in the clone."""
        return subprocess.run([sys.executable, "-m", "ray.scripts.scripts", *words], cwd=self.clone, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment | more)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """As on a machine of one's own: a token, `ray start`, and a clone; the home is a new one."""
    home, clone = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work") / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".git", "runs", "__pycache__", "*.egg-info"))
    port = free_port()
    temporary = tempfile.mkdtemp(prefix="ray-")  # short: paths of sockets may not exceed 107 characters
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    made = Started(clone, f"http://127.0.0.1:{port}", cleared | {"HOME": str(home)})
    (token, *_), (start,) = ray_commands("get-auth-token"), ray_commands("start")
    assert made.ray(*token[1:]).returncode == 0
    try:
        said = made.ray(*start[1:], "--port", str(free_port()), "--dashboard-port", str(port), "--num-cpus", "4",
                        "--ray-client-server-port", str(free_port()), "--object-store-memory", str(10**9),
                        "--dashboard-agent-listen-port", str(free_port()),
                        "--temp-dir", temporary, RAY_AUTH_MODE="token")
        assert said.returncode == 0, said.stdout
        yield made
    finally:
        end_all_of(temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def end_all_of(session: str) -> None:
    """End the processes of one cluster, by id: `ray stop` would end those of others too."""
    for process in psutil.process_iter():
        try:
            if any(session in word for word in process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


def submit(started: Started, program: str, coco: Path, runs: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The command of docs/cluster.md that submits this program, with small sizes behind it."""
    (words,) = [words for words in ray_commands("job", "submit", "--working-dir") if program in words]
    places = {"/shared/coco": str(coco), "/shared/runs": str(runs)}
    return started.ray(*(places.get(word, word) for word in words[1:]), *SMALL, *more, RAY_AUTH_MODE="token",
                       RAY_ADDRESS=started.dashboard)


@contextlib.contextmanager
def growing(log: Path) -> Iterator[None]:
    """A file that grows meanwhile, as it does after `ray job submit --working-dir . ... > job.log`."""
    ended = threading.Event()

    def grow() -> None:
        while not ended.wait(0.01):
            with log.open("a") as file:
                file.write("a line\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def test_nobody_without_the_token_starts_a_job(started: Started) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{started.dashboard}/api/jobs/", timeout=20)


@pytest.mark.gate
def test_a_submitted_training_ends_with_its_checkpoint(started: Started, coco: Path, tmp_path: Path) -> None:
    with growing(started.clone / "job.log"):
        done = submit(started, "jobs.train", coco, tmp_path, "--name", "winner")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "winner" / "metrics.jsonl").exists() and list((tmp_path / "winner").glob("checkpoint_*"))
    lines = [line for line in done.stdout.splitlines() if re.search(r"epoch 1/1 .*AP", line)]
    assert lines and "\r" not in done.stdout, done.stdout


def test_a_submitted_search_ends_with_its_report(started: Started, coco: Path, tmp_path: Path) -> None:
    done = submit(started, "run_tune.py", coco, tmp_path, "--name", "search", "--trials", "2")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "search" / "report.html").exists() and "best AP" in done.stdout
    assert "[0000]" in done.stdout and "\r" not in done.stdout, done.stdout
    token = Path(started.environment["HOME"], ".ray", "auth_token").read_text().strip()
    asked = urllib.request.Request(f"{started.dashboard}/api/train/v2/runs/v1",
                                   headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert '"search/trials/0000"' in answer.read().decode()


def test_the_exit_code_is_the_trainings(started: Started, coco: Path, tmp_path: Path) -> None:
    done = submit(started, "jobs.train", coco, tmp_path, "--data.root", str(tmp_path / "nowhere"))
    assert done.returncode != 0 and "error: " in done.stdout and "nowhere" in done.stdout, done.stdout


def test_a_job_does_not_write_into_rays_copy_of_its_code(started: Started, coco: Path, tmp_path: Path) -> None:
    done = submit(started, "jobs.train", coco, tmp_path, "--out", "runs")
    assert done.returncode != 0 and "_ray_pkg_" in done.stdout, done.stdout
    assert "lies in Ray's own copy of the submitted code" in done.stdout and "name with --out a folder" in done.stdout
