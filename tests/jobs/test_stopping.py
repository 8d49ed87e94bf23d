"""SIGTERM to a command: a file for its workers, and an end that is told apart from success."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from jobs.interruption import Watch
from jobs.stopping import STOP_FILE, Stopped, stop_gently
from trs.errors import Interruption


def test_the_first_sigterm_asks_the_workers_and_the_second_ends_all(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped), stop_gently(tmp_path):
        assert not (tmp_path / STOP_FILE).exists()
        os.kill(os.getpid(), signal.SIGTERM)
        assert Watch(tmp_path / STOP_FILE)() is Interruption.STOP
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert not (tmp_path / STOP_FILE).exists()


def test_without_a_sigterm_nothing_is_asked_and_an_old_file_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / STOP_FILE).touch()
    with stop_gently(tmp_path):
        assert not (tmp_path / STOP_FILE).exists()


def test_an_error_is_not_hidden_by_the_stop(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out of memory"), stop_gently(tmp_path):
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("out of memory")
    assert not (tmp_path / STOP_FILE).exists()
