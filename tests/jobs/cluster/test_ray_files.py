"""What Ray keeps on this machine for itself, and what is said where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from jobs.cluster import ray_files
from jobs.cluster.ray_private import longest_socket, temporary_folder
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
LAMED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Runs a command of root's as one whom permissions hold for."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of nobody, without a token."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_the_longest_socket_is_as_long_as_rays() -> None:
    context = ray.get_runtime_context()
    node = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    socket, session = Path(node["ObjectStoreSocketName"]), Path(node["ObjectStoreSocketName"]).parents[1]
    assert len(str(socket.relative_to(session.parent))) == len(str(longest_socket().relative_to(temporary_folder())))


def test_a_temporary_folder_of_too_long_a_name_is_told_before_ray_starts(tmp_path: Path, drawn_root: Path) -> None:
    for variable, folder in (("TMPDIR", tmp_path / ("t" * 80)), ("RAY_TMPDIR", tmp_path / ("ü" * 40))):
        environment = {name: value for name, value in os.environ.items() if name not in ("RAY_TMPDIR", "RAY_ADDRESS")}
        done = subprocess.run(
            [sys.executable, "-m", "jobs.train", "--out", tmp_path / "runs", "--data.root", drawn_root,
             "--data.dev-count", "None", "--train.burn-in", "0"],
            capture_output=True, text=True, cwd=ROOT, timeout=300, env=environment | {variable: str(folder)})
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith(f"error: {variable} names too long a path for Ray: its sockets below {folder}")
        assert "bytes, and 107 is the most; set RAY_TMPDIR=/tmp" in done.stderr and list(tmp_path.iterdir()) == []


def test_a_folder_of_just_the_longest_name_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    room = ray_files.LONGEST_SOCKET - len(str(longest_socket()))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * (room - 1))
    ray_files.require_ray_files()
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * room)
    with pytest.raises(InputError, match=r"have 108 bytes, and 107 is the most; set RAY_TMPDIR=/tmp"):
        ray_files.require_ray_files()


def test_a_home_without_a_place_for_the_token_is_told_with_the_remedy(tmp_path: Path, drawn_root: Path) -> None:
    if os.geteuid() or subprocess.run([*LAMED, "true"], capture_output=True).returncode:
        pytest.skip("this test takes rights away from root")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [*LAMED, sys.executable, "-m", "jobs.train", "--out", tmp_path / "runs", "--data.root", drawn_root,
             "--data.dev-count", "None", "--train.burn-in", "0"],
        capture_output=True, text=True, cwd=ROOT, timeout=300, env=environment | {"HOME": str(home)})
    assert done.returncode == 2 and done.stderr == (
        f"error: Ray needs {home}/.ray for the token that its dashboard asks for, and {home} cannot be written: "
        "Permission denied; set HOME to a folder that can be\n")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_whether_others_can_read_the_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ray_files.has_token() and not ray_files.token_is_exposed()
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    for folder in token.parents:
        if folder.stat().st_mode & 0o055 != 0o055 and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)  # pytest's own folders are closed
    for mode, exposed in ((0o644, True), (0o640, True), (0o604, True), (0o600, False), (0o622, False)):
        token.chmod(mode)
        assert ray_files.has_token() and ray_files.token_is_exposed() == exposed, oct(mode)
    token.chmod(0o644)
    home.chmod(0o700)
    assert not ray_files.token_is_exposed(), "nobody gets to it"
    home.chmod(0o755)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "other")
    assert not ray_files.token_is_exposed()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "mine"))
    assert ray_files.token_file() == home / "mine" and not ray_files.token_is_exposed()
