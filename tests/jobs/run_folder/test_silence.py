"""No long silence, and no line where there is none."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest

from jobs.run_folder import silence
from jobs.run_folder.silence import break_silence


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_line_is_told_when_nothing_was_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SILENCE_SECONDS", 1.0)
    told: list[float] = []
    with break_silence(lambda: "still", lambda line: told.append(time.monotonic()), lambda: 0.0):
        until(lambda: len(told) == 3)
    assert min(later - earlier for earlier, later in itertools.pairwise(told)) > 1.0


def test_where_something_else_was_told_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SILENCE_SECONDS", 1.0)
    told: list[str] = []
    looks: list[float] = []

    def said() -> float:
        looks.append(time.monotonic())
        return looks[-1]

    with break_silence(lambda: "still", told.append, said):
        until(lambda: len(looks) > 4)
    assert told == []


def test_what_this_process_prints_is_no_silence(capsys: pytest.CaptureFixture[str],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SILENCE_SECONDS", 1.0)
    printed = ""

    def has_told() -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return "still" in printed

    with break_silence(lambda: "still"):
        until(has_told)
    assert printed.splitlines()[0] == "still"
