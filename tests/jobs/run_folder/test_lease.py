"""One command at a time holds a folder: real processes, suspended and killed, and a machine of another name."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jobs.run_folder.lease import LEASE_FILE, Lost, hold, read, require_new, take
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from jobs.run_folder import lease
lease.BEAT_SECONDS, lease.PATIENCE_SECONDS = 0.2, 3.0
with lease.hold(Path(sys.argv[1])) as held:
    print("held", flush=True)
    for line in sys.stdin:
        held.require()
        print("still held", flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.run_folder.lease.BEAT_SECONDS", 0.2)
    monkeypatch.setattr("jobs.run_folder.lease.PATIENCE_SECONDS", 3.0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process that holds a folder, with words before its command."""
    started: list[subprocess.Popen[str]] = []

    def run(folder: Path, *before: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*before, sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def suspend(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGSTOP)
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)


def wake_to_write(process: subprocess.Popen[str]) -> str:
    """Let it go on and write something; what it ends with."""
    process.send_signal(signal.SIGCONT)
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write("write\n")
    process.stdin.flush()
    assert process.wait(30) != 0
    return process.stderr.read()


def test_a_second_command_says_who_holds_the_folder(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path)
    assert says(first) == "held"
    with pytest.raises(InputError, match=rf"is held by process {first.pid} on \S+, since 20.*; wait for its end"):
        take(tmp_path)
    assert first.stdin is not None
    first.stdin.close()
    assert first.wait(30) == 0 and read(tmp_path) is None, "who ends well leaves nothing"
    with hold(tmp_path):
        pass


def test_a_dead_holder_holds_nothing(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path)
    assert says(first) == "held"
    first.kill()
    first.wait()
    assert (tmp_path / LEASE_FILE).exists()
    with hold(tmp_path) as lease:
        lease.require()


def test_a_number_of_a_process_that_another_one_has_by_now_holds_nothing(tmp_path: Path) -> None:
    with hold(tmp_path) as lease:
        earlier = dataclasses.replace(lease.holder, began=lease.holder.began - 1000)
    (tmp_path / LEASE_FILE).write_text(json.dumps(dataclasses.asdict(earlier)))
    assert take(tmp_path).token != earlier.token


def test_a_clock_that_is_set_ends_nobody(tmp_path: Path) -> None:
    """When a process began is told in the kernel's ticks; in seconds since 1970 it moves with the clock."""
    with hold(tmp_path) as lease:
        ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        assert lease.holder.began == int(ticks) and lease.holder.runs


def test_a_folder_in_which_nothing_was_begun_is_new(tmp_path: Path) -> None:
    """A command that is killed while it starts leaves its lease, and nothing that could be resumed."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / LEASE_FILE).write_text("{")
    require_new(folder, "--resume first")
    (folder / "config.yaml").touch()
    with pytest.raises(InputError, match="exists already: resume it with --resume first"):
        require_new(folder, "--resume first")


def test_a_suspended_holder_loses_the_folder_and_writes_nothing_more(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path)
    assert says(first) == "held"
    suspend(first)
    with hold(tmp_path) as lease:
        assert "taken over while this command was suspended: it is held by process" in wake_to_write(first)
        lease.require()


def test_a_suspended_holder_has_lost_the_folder_when_the_next_one_has_ended_too(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path)
    assert says(first) == "held"
    suspend(first)
    for _ in range(2):
        with hold(tmp_path):
            pass
    assert "taken over while this command was suspended: nobody holds it now" in wake_to_write(first)
    found = read(tmp_path)
    assert found is not None and found.ended
    with hold(tmp_path) as lease:
        lease.require()


@pytest.mark.parametrize(("held", "wanted"), [("search", "search/trials/0003"), ("search/trials/0003", "search")])
def test_a_search_and_a_run_of_it_are_not_held_by_two(tmp_path: Path, start: Start, held: str, wanted: str) -> None:
    (tmp_path / "search" / "trials" / "0003").mkdir(parents=True)
    assert says(start(tmp_path / held)) == "held"
    with pytest.raises(InputError, match=f"{held} is held by process"), hold(tmp_path / wanted):
        pass
    with hold(tmp_path / "beside"):
        pass


@pytest.mark.parametrize("wanted", ["link", "search/trials/0003/first_stage"])
def test_a_run_of_a_held_search_is_held_by_whatever_way_one_comes_to_it(tmp_path: Path, start: Start, wanted: str
                                                                        ) -> None:
    (tmp_path / "search" / "trials" / "0003" / "first_stage").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "search" / "trials" / "0003")
    assert says(start(tmp_path / "search")) == "held"
    with pytest.raises(InputError, match="search is held by process"), hold(tmp_path / wanted):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may hide processes")
def test_a_holder_that_one_may_not_see_lives_while_its_heart_beats(tmp_path: Path, start: Start) -> None:
    """Where /proc shows each user's own processes alone, as on login nodes; the other one here is root."""
    tmp_path.chmod(0o777)
    assert says(start(tmp_path)) == "held"
    hides = "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid 65534 --clear-groups --inh-caps " \
            '+dac_override --ambient-caps +dac_override "$@"'
    other = start(tmp_path, "unshare", "--mount", "sh", "-c", hides, "sh")
    assert other.wait(60) != 0
    assert "is held by process" in other.communicate()[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a machine another name")
def test_a_holder_on_another_machine_lives_while_its_heart_beats(tmp_path: Path, start: Start) -> None:
    there = start(tmp_path, "unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh")
    if says(there) != "held":
        pytest.skip("this machine does not let root give it another name")
    with pytest.raises(InputError, match="on elsewhere, since"):
        take(tmp_path)
    there.kill()
    there.wait()
    assert take(tmp_path).host != "elsewhere"


def test_a_copy_of_a_held_folder_is_held_by_nobody(tmp_path: Path, start: Start) -> None:
    (tmp_path / "first").mkdir()
    assert says(start(tmp_path / "first")) == "held"
    copy = Path(shutil.copytree(tmp_path / "first", tmp_path / "copy"))
    with hold(copy) as lease:
        lease.require()


def test_a_folder_that_was_moved_away_is_lost(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with hold(tmp_path / "first") as lease:
        (tmp_path / "first").rename(tmp_path / "second")
        with pytest.raises(Lost, match="is gone: it was moved or deleted"):
            lease.require()
        # Ray writes into folders that it makes where they are missing.
        (tmp_path / "first").mkdir()
        with pytest.raises(Lost, match="is gone: it was moved or deleted"):
            lease.require()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert list((tmp_path / "first").iterdir()) == []
            time.sleep(0.05)


def test_a_copy_in_the_place_of_a_folder_that_was_moved_away_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with hold(tmp_path / "first") as lease:
        (tmp_path / "first").rename(tmp_path / "moved")
        shutil.copytree(tmp_path / "moved", tmp_path / "first")
        left = read(tmp_path / "first")
        with pytest.raises(Lost, match="is gone: it was moved or deleted; resume it from where it lies now"):
            lease.require()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert read(tmp_path / "first") == left  # no beat more
            time.sleep(0.05)


def test_one_of_many_that_come_at_once_gets_it(tmp_path: Path, start: Start) -> None:
    many = [start(tmp_path) for _ in range(6)]
    first = [says(process) for process in many]
    assert first.count("held") == 1, first


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b'{"host": "a"}', b"\xff",
    b'{"host": "a", "machine": "b", "process": "x", "began": 1, "since": "", "path": "", "inode": 1, "token": "t"}'])
def test_a_lease_cut_short_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LEASE_FILE).write_bytes(content)
    assert take(tmp_path) == read(tmp_path)


def test_a_lease_that_somebody_deleted_is_written_anew(tmp_path: Path) -> None:
    with hold(tmp_path) as lease:
        (tmp_path / LEASE_FILE).unlink()
        lease.require()
        end = time.monotonic() + 30
        while read(tmp_path) is None and time.monotonic() < end:
            time.sleep(0.05)
        found = read(tmp_path)
        assert found is not None and found.token == lease.holder.token


@pytest.mark.parametrize("place", ["file", "file/run", "link", "link/run"])
def test_what_cannot_be_made_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(InputError, match=r"cannot be made: a file, or a link.*name another place with --out"), \
            hold(tmp_path / place):
        pass


def test_where_nothing_was_begun_nothing_is_left(tmp_path: Path) -> None:
    with hold(tmp_path / "runs" / "first"):
        pass
    assert not (tmp_path / "runs").exists()
    with hold(tmp_path / "runs" / "first"):
        (tmp_path / "runs" / "first" / "config.yaml").touch()
    assert (tmp_path / "runs" / "first" / "config.yaml").exists()
