"""However a search is ended: there is a leaderboard, what was trained is saved, and it is said how to go on.

Commands run as a user starts them, with a Ray of their own, in a group of processes of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna.trial import TrialState

from jobs.run_folder.lease import LEASE_FILE
from jobs.run_folder.metrics import read_metrics
from tests.documentation.causes import causes
from tests.faults.conftest import hear_ctrl_c
from trs import checkpoint as checkpoints
from tune.plan import SEARCH_FILE
from tune.storage import read_study

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--preset", "demo", "--data.drawn-people", "80", "--data.labeled-count", "24", "--train.burn-in", "0",
         "--no-reference")
CAUSES = causes()
LONGEST_SILENCE = 35.0
"""Seconds between two lines."""


@dataclass
class Command:
    """A search that runs.

    process: the leader of its group.
    folder: of the search.
    heard: the output so far, and when each piece came.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    heard: list[tuple[float, bytes]] = field(default_factory=list)

    def listen(self, condition: Callable[[], Any], seconds: float = 300) -> None:
        """Read what it prints until a condition holds."""
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.said
            if piece := self.process.stdout.read():
                self.heard.append((time.monotonic(), piece))
            time.sleep(0.1)

    def end(self, seconds: float = 300) -> int:
        """Its exit code, after all that it prints."""
        self.listen(lambda: self.process.poll() is not None, seconds)
        self.listen(lambda: True)
        return self.process.returncode

    @property
    def said(self) -> str:
        """What it has printed."""
        return b"".join(piece for _, piece in self.heard).decode()

    @property
    def trains(self) -> bool:
        """Whether a trial has come past its burn-in."""
        return any(self.folder.glob("trials/*/progress.json"))

    def workers(self) -> list[psutil.Process]:
        """The processes that train."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "RayTrainWorker" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def head(self) -> psutil.Process:
        """What Ray cannot do without."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(process for process in children if process.name() == "gcs_server")

    def assert_saved(self, said: str | None = None) -> None:
        """The trials that were trained have a checkpoint, and what `assert_told` says."""
        for run in self.folder.glob("trials/*/progress.json"):
            assert checkpoints.of_run(run.parent), run
        self.assert_told(said)

    def assert_told(self, said: str | None = None) -> None:
        """The table is there, and the way on is printed last."""
        assert (self.folder / "leaderboard.csv").exists()
        assert re.search(r"stopped with \d+ trainings left; go on with: python run_tune.py --resume 's s' --out \S+$",
                         (said or self.said).strip()), said or self.said


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts a search of two trials; every process of it is gone at the end."""
    temporary = tempfile.mkdtemp(prefix="ray-")
    commands: list[Command] = []

    def begin(*options: str, stdout: Any = subprocess.PIPE, new: bool = True,
              preexec_fn: Callable[[], Any] = hear_ctrl_c, **how: Any) -> Command:
        begins = [*SMALL, "--data.root", str(tmp_path / "people"), "--out", str(tmp_path), "--name", "s s",
                  "--trials", "2"]
        arguments = ["run_tune.py", *(begins if new else []), *options]
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=stdout, stderr=subprocess.STDOUT,
                                   start_new_session=True, env=os.environ | {"RAY_TMPDIR": temporary},
                                   preexec_fn=preexec_fn, **how)
        commands.append(Command(process, tmp_path / "s s"))
        return commands[-1]

    yield begin
    for command in commands:
        with contextlib.suppress(psutil.Error):
            for process in [*psutil.Process(command.process.pid).children(recursive=True), command.process]:
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    process.kill()
        command.process.wait()
    shutil.rmtree(temporary, ignore_errors=True)


MOMENTS: dict[str, Callable[[Command], bool]] = {
    "the folder is held": lambda command: (command.folder / LEASE_FILE).exists(),
    "Ray starts": lambda command: any("gcs_server" in child.name() for child in
                                      psutil.Process(command.process.pid).children(recursive=True)),
    "the plan is written": lambda command: (command.folder / SEARCH_FILE).exists()}
"""Before the first trial."""


@pytest.mark.parametrize(("moment", "number"), [
    *((moment, signal.SIGTERM) for moment in MOMENTS), ("Ray starts", signal.SIGHUP), ("Ray starts", signal.SIGINT),
    ("the plan is written", signal.SIGUSR1)])
def test_a_signal_before_the_first_trial_is_told(start: Any, moment: str, number: signal.Signals) -> None:
    command = start("--epochs", "5")
    command.listen(lambda: MOMENTS[moment](command))
    command.process.send_signal(number)
    assert command.end() == 128 + number, command.said
    assert "stopped before anything was trained" in command.said and "Traceback" not in command.said, command.said
    assert "PC: @" not in command.said, "a trace of C++"
    begun = (command.folder / SEARCH_FILE).exists()
    assert ("go on with: python run_tune.py --resume 's s'" in command.said) is begun is command.folder.exists()
    assert not (command.folder / LEASE_FILE).exists()
    if begun:
        assert start("--resume", "s s", "--out", str(command.folder.parent), new=False).end() == 0


@pytest.mark.parametrize(("cause", "number"), [
    pytest.param("SIGTERM, also to all its processes", signal.SIGTERM, marks=pytest.mark.gate),
    ("Ctrl-C", signal.SIGINT), (None, signal.SIGUSR1)])
def test_a_signal_to_all_that_the_command_has_started_is_a_gentle_stop(start: Any, cause: str | None,
                                                                       number: signal.Signals) -> None:
    """As `timeout`, systemd, SLURM and other batch systems send it, and twice."""
    command = start("--epochs", "500")
    command.listen(lambda: command.trains)
    everyone = [command.process.pid, *(child.pid for child in
                                       psutil.Process(command.process.pid).children(recursive=True))]
    for process in [*everyone, command.process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
    assert command.end() == (128 + number if cause is None else CAUSES[cause].exit_code), command.said
    assert "interrupted" in command.said
    command.assert_saved()


def test_a_second_signal_ends_at_once_and_tells_too(start: Any) -> None:
    command = start("--epochs", "500")
    command.listen(lambda: command.trains)
    for worker in command.workers():
        worker.suspend()  # else it may have saved by then
    command.process.send_signal(signal.SIGINT)
    command.listen(lambda: "saving, then stopping" in command.said)
    time.sleep(2)
    command.process.send_signal(signal.SIGINT)
    assert command.end(60) == CAUSES["a second signal"].exit_code, command.said
    assert "go on with: python run_tune.py --resume 's s'" in command.said
    assert (command.folder / "leaderboard.csv").exists()


def test_a_worker_that_hangs_is_told_and_does_not_hold_the_stop(start: Any) -> None:
    command = start("--epochs", "500")
    command.listen(lambda: command.trains)
    command.listen(lambda: "epoch 1/" in command.said)
    hung = command.workers()
    for worker in hung:
        worker.suspend()
    command.listen(lambda: " s ago" in command.said, 60)
    command.process.send_signal(signal.SIGTERM)
    assert command.end(120) == CAUSES["a worker hangs"].exit_code, command.said
    command.assert_saved()
    moments = [moment for moment, _ in command.heard]
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) < LONGEST_SILENCE
    assert not any(worker.is_running() for worker in hung)


def test_a_reader_that_leaves_ends_nothing(start: Any) -> None:
    """As `| head` does."""
    command = start("--epochs", "2")
    command.listen(lambda: "] starts" in command.said or "burns in" in command.said)
    command.process.stdout.close()
    assert command.process.wait(300) == CAUSES["nobody reads its output"].exit_code
    assert "train the best again" in (command.folder / "output.txt").read_text()
    assert (command.folder / "leaderboard.csv").exists()


def test_a_terminal_that_vanishes_stops_it_gently(start: Any) -> None:
    ours, theirs = pty.openpty()
    command = start("--epochs", "500", stdout=theirs, stdin=theirs,
                    preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0))
    os.close(theirs)
    end = time.monotonic() + 300
    while not command.trains:
        assert time.monotonic() < end
        os.set_blocking(ours, False)
        with contextlib.suppress(BlockingIOError):
            os.read(ours, 1 << 16)
        time.sleep(0.1)
    os.close(ours)
    assert command.process.wait(300) == CAUSES["its terminal closes"].exit_code
    command.assert_saved((command.folder / "output.txt").read_text())


def test_a_head_that_dies_ends_it_and_tells_how_to_go_on(start: Any) -> None:
    command = start("--epochs", "500")
    command.listen(lambda: command.trains)
    command.head().kill()
    assert command.end(600) == CAUSES["Ray's head dies"].exit_code, command.said
    assert "go on with: python run_tune.py --resume 's s'" in command.said
    assert (command.folder / "leaderboard.csv").exists()


def test_a_head_that_hangs_is_told_and_does_not_hold_the_stop(start: Any) -> None:
    command = start("--epochs", "500")
    command.listen(lambda: command.trains)
    head = command.head()
    head.suspend()
    command.listen(lambda: "the cluster's head does not answer" in command.said, 120)
    command.process.send_signal(signal.SIGTERM)
    assert command.end(200) == CAUSES["a head that hangs"].exit_code, command.said
    command.assert_told()
    assert not head.is_running() or head.status() == psutil.STATUS_ZOMBIE


def test_a_search_whose_processes_are_suspended_for_a_minute_goes_on(start: Any) -> None:
    """As Ctrl-Z and `fg`, a laptop's lid, or a machine that is moved do it."""
    command = start("--epochs", "40")
    command.listen(lambda: command.trains)
    everyone = [psutil.Process(command.process.pid), *psutil.Process(command.process.pid).children(recursive=True)]
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(60)
    for process in reversed(everyone):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    if command.end(900) != 0:  # Ray may hold its own node for lost by then
        command.assert_saved()
        command = start("--resume", "s s", "--out", str(command.folder.parent), new=False)
        assert command.end(900) == 0, command.said
    assert all(trial.state.is_finished() and trial.state is not TrialState.FAIL
               for trial in read_study(command.folder).get_trials())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that a search fills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"only who may mount can fill a disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("burn_in", [0, 2], ids=["in a trial", "in the burn-in"])
def test_a_full_disk_ends_it_and_with_room_it_goes_on(start: Any, small_disk: Path, burn_in: int) -> None:
    command = start("--epochs", "4", "--out", str(small_disk), "--train.burn-in", str(burn_in))
    assert command.end(600) == CAUSES["the disk is full"].exit_code, command.said
    folder = small_disk / "s s"
    assert "make room" in command.said and f"--resume 's s' --out {small_disk}" in command.said
    broken_off = re.findall(r"\[(\d+)\] .*broken off", command.said)
    assert broken_off and len(set(broken_off)) == len(broken_off), "none is tried again"
    assert not any(trial.state.is_finished() for trial in read_study(folder).get_trials())
    subprocess.run(["mount", "-o", "remount,size=300m", small_disk], check=True)
    again = start("--resume", "s s", "--out", str(small_disk), new=False)
    assert again.end(600) == 0, again.said
    trials = read_study(folder).get_trials()
    assert len(trials) == 2 and all(trial.state.is_finished() for trial in trials)
    assert read_metrics(folder / "trials" / "0000")[-1]["epoch"] == 4


def test_a_locked_study_is_told_and_waited_for(start: Any) -> None:
    """A backup, or a browser of databases, holds it, while a trial comes to its end."""
    command = start("--epochs", "2")
    command.listen(lambda: command.trains)
    with contextlib.closing(sqlite3.connect(command.folder / "study.db", isolation_level=None, timeout=60)) as other:
        other.execute("begin exclusive")
        runs = command.folder / "trials"
        command.listen(lambda: command.said.count("is locked") >= 2
                       and any(len(read_metrics(run)) == 2 for run in runs.iterdir()), 240)
        time.sleep(5)  # its driver would end now, if it did not wait for the last report to be heard
        other.execute("rollback")
    assert command.end(600) == CAUSES["the study is locked"].exit_code, command.said
    moments = [moment for moment, _ in command.heard]
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) < LONGEST_SILENCE
    assert all(trial.state.is_finished() for trial in read_study(command.folder).get_trials())


def test_memory_that_runs_out_costs_a_try_and_no_trial(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program takes it for a while, and Ray's memory monitor ends what it finds."""
    whole, room = psutil.virtual_memory().total, 5 << 30
    threshold = (whole - psutil.virtual_memory().available + room) / whole
    if threshold > 0.9:
        pytest.skip("there are not 5 GiB to spare")
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{threshold:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "250")
    command = start("--epochs", "10")
    command.listen(lambda: "epoch 1/" in command.said)
    taken = []
    while "ran low on memory" not in command.said and len(taken) < room >> 26:
        taken.append(b"x" * (1 << 26))
        command.listen(lambda: True)
    command.listen(lambda: "ran low on memory" in command.said, 120)
    taken.clear()
    code = command.end(900)
    assert "need less" in command.said
    if code != CAUSES["memory runs out"].exit_code:  # Ray has ended a trial's driver too, and Tune the search for that
        assert code == 2 and "Traceback" not in command.said, command.said
        command.assert_saved(command.said.rpartition("error: ")[0])
        command = start("--resume", "s s", "--out", str(command.folder.parent), new=False)
        assert command.end(900) == 0, command.said
    trials = read_study(command.folder).get_trials()
    assert len(trials) == 2 and all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
