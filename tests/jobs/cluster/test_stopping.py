"""Signals to a command: a file for its workers, and an end that is told apart from success."""

from __future__ import annotations

import dataclasses
import json
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cluster.stopping import STOP_FILE, Stop, Stopped, StopSignal, finish_first, run_aside, stop_gently
from jobs.run_folder.lease import LEASE_FILE, Lease, Lost, hold
from trs.errors import Interruption

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Signals that end a process, whatever the tests were started to ignore, as `nohup` and a shell's `&` do."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[Lease]:
    with hold(tmp_path) as held:
        yield held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1,
                                    signal.SIGUSR2, signal.SIGXCPU])
def test_the_first_signal_asks_the_workers_and_the_second_ends_all(tmp_path: Path, lease: Lease, number: signal.Signals
                                                                    ) -> None:
    before = [signal.getsignal(heard) for heard in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped) as stopped, stop_gently(tmp_path, lease) as stop:
        assert not (tmp_path / STOP_FILE).exists()
        os.kill(os.getpid(), number)
        assert StopSignal(tmp_path / STOP_FILE)() is Interruption.STOP
        os.kill(os.getpid(), number)  # as `timeout` does: once to the command, and at once to its group
        stop.asked -= 2
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.code == 143
    assert stopped.value.code == 128 + number
    assert [signal.getsignal(heard) for heard in (signal.SIGINT, signal.SIGTERM)] == before
    assert not (tmp_path / STOP_FILE).exists()


def test_without_a_signal_nothing_is_asked_and_an_old_file_is_forgotten(tmp_path: Path, lease: Lease) -> None:
    (tmp_path / STOP_FILE).touch()
    with stop_gently(tmp_path, lease):
        assert not (tmp_path / STOP_FILE).exists()


def test_who_has_lost_the_folder_does_not_stop_the_next_holder(tmp_path: Path, lease: Lease) -> None:
    with pytest.raises(Stopped), stop_gently(tmp_path, lease):
        (tmp_path / LEASE_FILE).write_text(json.dumps({**dataclasses.asdict(lease.holder), "token": "another"}))
        os.kill(os.getpid(), signal.SIGTERM)
        assert not (tmp_path / STOP_FILE).exists()


def test_what_must_be_done_first_is_done_whatever_signals_come() -> None:
    done = []
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as stopped, finish_first():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the table")
    assert done and stopped.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(RuntimeError, match="what ended it"), finish_first():
        os.kill(os.getpid(), signal.SIGHUP)
        raise RuntimeError("what ended it")


def test_an_error_is_not_hidden_by_the_stop(tmp_path: Path, lease: Lease) -> None:
    with pytest.raises(RuntimeError, match="out of memory"), stop_gently(tmp_path, lease):
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("out of memory")
    assert not (tmp_path / STOP_FILE).exists()


def test_work_aside_ends_as_it_would_here_and_lets_signals_be_heard_meanwhile(tmp_path: Path,
                                                                                      lease: Lease) -> None:
    def until_asked() -> None:
        assert threading.current_thread() is not threading.main_thread()
        os.kill(os.getpid(), signal.SIGINT)
        end = time.monotonic() + 10
        while not (tmp_path / STOP_FILE).exists():
            assert time.monotonic() < end, "the main thread has not heard the signal"
            time.sleep(0.01)

    with pytest.raises(Stopped), stop_gently(tmp_path, lease) as stop:
        run_aside(until_asked, stop)
    with pytest.raises(ZeroDivisionError):
        run_aside(lambda: operator.truediv(1, 0), Stop(tmp_path / STOP_FILE, lease))


def test_work_whose_folder_is_another_commands_is_left_and_so_is_that_commands_file(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    done = threading.Event()
    with (pytest.raises(Lost, match="is gone: it was moved or deleted"), hold(tmp_path / "run") as lease,
          stop_gently(tmp_path / "run", lease) as stop):
        (tmp_path / "run").rename(tmp_path / "moved")
        (tmp_path / "moved" / STOP_FILE).touch()
        run_aside(lambda: done.wait(60) and None, stop)
    done.set()
    assert (tmp_path / "moved" / STOP_FILE).exists() and not (tmp_path / "run").exists()


def test_a_signal_that_the_command_was_started_to_ignore_stays_ignored(tmp_path: Path, lease: Lease) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        with stop_gently(tmp_path, lease):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not (tmp_path / STOP_FILE).exists()
    finally:
        signal.signal(signal.SIGHUP, before)


HANGS = """
import signal, sys, threading
from pathlib import Path
from jobs.cluster.stopping import SAVE_SECONDS, Stopped, run_aside, stop_gently
from jobs.run_folder.lease import hold
folder = Path(sys.argv[1])
try:
    with hold(folder) as lease, stop_gently(folder, lease) as stop:
        stop.hear(signal.SIGTERM, None)
        stop.asked -= SAVE_SECONDS
        run_aside(threading.Event().wait, stop)
except Stopped as stopped:
    print("ends with", stopped.code)
"""


def test_work_that_does_not_end_after_a_stop_is_left(tmp_path: Path) -> None:
    """In a process of its own, for it leaves the cluster."""
    done = subprocess.run([sys.executable, "-c", HANGS, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)
    assert done.stdout == "ends with 143\n", done.stderr
    assert "what has not saved within 60 s is given up" in done.stderr
