"""Studies that another program holds: a real one, that locks the file."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cluster.failures import Blame, OfMachine, blame
from trs.errors import Unwritable
from tune import patience
from tune.patience import patiently
from tune.place import STUDY_FILE
from tune.storage import open_study, read_study

HOLD = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], isolation_level=None) as database:
    database.execute(sys.argv[2])
    database.execute("select count(*) from studies").fetchall()
    print("held", flush=True)
    sys.stdin.readline()
    database.execute("rollback")
"""


@contextlib.contextmanager
def held(file: Path, begin: str = "begin exclusive") -> Iterator[subprocess.Popen[bytes]]:
    """Another program holds a database until it is told to let go."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(file), begin], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    try:
        yield process
    finally:
        process.communicate(b"\n")


def release(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.mark.parametrize("begin", ["begin exclusive", "begin immediate", "begin"])
@pytest.mark.parametrize("what", ["write", "read"])
def test_a_locked_study_is_waited_for_and_that_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str,
                                                       begin: str) -> None:
    """By one that writes, by one that is about to, and by one that reads, which keeps a commit from its end."""
    study = open_study(tmp_path, 1, 2)
    blocks = begin == "begin exclusive" or (what == "write" and begin != "begin deferred")
    with held(tmp_path / STUDY_FILE, begin) as other:
        ended = threading.Event()

        def work() -> None:
            if what == "write":
                study.tell(study.ask(), 0.5)
            else:
                read_study(tmp_path).get_trials()
            ended.set()

        thread = threading.Thread(target=work)
        thread.start()
        if blocks:
            end = time.monotonic() + 60
            while "is locked by another program" not in capsys.readouterr().out:
                assert time.monotonic() < end and not ended.is_set()
                time.sleep(0.1)
            release(other)
        thread.join(60)
        assert ended.is_set()
    trials = read_study(tmp_path).get_trials()
    assert [trial.value for trial in trials] == ([0.5] if what == "write" else [])


def test_two_that_write_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    open_study(tmp_path, 1, 2)
    script = """
import sys
from pathlib import Path
from tune.storage import read_study
study = read_study(Path(sys.argv[1]))
for _ in range(20):
    study.tell(study.ask(), 0.5)
"""
    both = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[2])
            for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    trials = read_study(tmp_path).get_trials()
    assert [trial.number for trial in trials] == list(range(40)) and {trial.value for trial in trials} == {0.5}


def test_what_lasts_too_long_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.5)
    tries = []

    def never() -> None:
        tries.append(time.monotonic())
        raise sqlite3.OperationalError("gone")

    with pytest.raises(OfMachine, match=r"the study is away, for 1 s; mend that, and go on with --resume"):
        patiently("the study", "is away", never, lambda error: True)
    assert len(tries) > 2
    with pytest.raises(sqlite3.OperationalError, match="gone"):
        patiently("the study", "is away", never, lambda error: False)


def fill(other: Path, with_files: bool) -> None:
    """Write until the disk takes nothing more."""
    if with_files:
        other.mkdir()
        for number in itertools.count():
            (other / str(number)).touch()
    with other.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))


def test_in_haste_a_locked_study_is_not_waited_for(tmp_path: Path) -> None:
    """As after a signal; a statement that SQLite has begun to wait with has its own seconds."""
    open_study(tmp_path, 1, 2)
    with held(tmp_path / STUDY_FILE), patience.in_haste():
        began = time.monotonic()
        with pytest.raises(OfMachine, match=r"is locked by another program .*; mend that, and go on with --resume"):
            read_study(tmp_path).get_trials()
        assert time.monotonic() - began < 60


@pytest.mark.parametrize("small", ["size=2m", "nr_inodes=20"])
def test_a_study_that_a_full_disk_does_not_take_is_told(tmp_path: Path, small: str) -> None:
    """To the last byte, or file: SQLite's own write is refused."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", small, "tmpfs", str(tmp_path)], capture_output=True,
                      check=False).returncode:
        pytest.skip("nobody may mount a small disk here")
    try:
        study = open_study(tmp_path, 1, 2)
        other = tmp_path / "other"
        with contextlib.suppress(OSError):
            fill(other, "inodes" in small)
        with pytest.raises(Unwritable, match=r"cannot be written .* make room.* go on with --resume") as error:
            for number in range(1000):  # what lies in pages that are there already still has room
                study.set_user_attr(f"more {number}", "x" * 1000)
        assert blame(error.value) is Blame.STORAGE
        shutil.rmtree(other) if other.is_dir() else other.unlink()
        study.set_user_attr("again", 1)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
