"""Whatever a case does to the process, it becomes a finding, and the cases behind it are made."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.fuzz import run as runs
from tests.fuzz.run import place_of, random_of, run_all
from tests.fuzz.target import refused, require_scores, require_sentence
from trs.errors import InputError

CASES = 12


class Misbehaved:
    """Crashes, takes memory, raises and warns, each in a case of its own."""

    most_bytes = 64 << 20

    def __init__(self, folder: Path) -> None:
        self.folder, self.written, self._case = folder, dict[str, bytes](), 0

    def check(self, random: Random) -> bool:
        case = next(case for case in range(CASES) if random_of(0, case).getstate() == random.getstate())
        self.written = {"a.bin": bytes([case])}
        if case == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif case == 3:
            np.ones(16 << 20).sum()
        elif case == 4:
            raise KeyError("x")
        elif case == 5:
            return refused(InputError("two\nlines"))
        elif case == 6:
            np.array(1e308) * 10
        elif case == 7:
            os._exit(3)
        return case % 2 == 0


def test_each_is_found_and_counted_once() -> None:
    tally = run_all(Misbehaved, 0, range(CASES))
    said = {found.said: (found.count, found.cases) for found in tally.findings.values()}
    assert tally.done == CASES and tally.accepted == 3  # 0, 8, 10
    assert {case for _, cases in said.values() for case in cases} == {2, 3, 4, 5, 6, 7} and len(said) == 6
    assert "the process ended by SIGSEGV, code -11" in said and "the process ended, code 3" in said
    words = " | ".join(said)
    assert "MiB of memory" in words and "KeyError: 'x'" in words and "no printable line: 'two\\nlines'" in words
    assert "RuntimeWarning: overflow" in words
    assert next(found.files for found in tally.findings.values() if 4 in found.cases) == {"a.bin": b"\x04"}


class Sleeps:
    """Never ends in its second case."""

    most_bytes = 64 << 20

    def __init__(self, folder: Path) -> None:
        self.written, self._cases = dict[str, bytes](), 0

    def check(self, random: Random) -> bool:
        if random.getstate() == random_of(0, 1).getstate():
            time.sleep(600)
        return True


def test_a_case_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "HANGS_AFTER", 3.0)
    monkeypatch.setattr(runs, "HEARS_AFTER", 0.5)
    tally = run_all(Sleeps, 0, range(3))
    assert [(found.count, found.cases) for found in tally.findings.values()] == [(1, [1])]
    assert "hang" in tally.findings and tally.done == 3


def test_a_place_is_where_it_was_raised() -> None:
    places = []
    for value in ("a", "b"):
        try:
            require_sentence(InputError("\n"), value)
        except AssertionError as error:
            places.append(place_of(error))
    assert places[0] == places[1] and "require_sentence" in places[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1.5, True, 0, "1"])
def test_scores_are_finite_numbers_from_0_to_1_or_none(value: float) -> None:
    names = [str(number) for number in range(10)]
    require_scores({**dict.fromkeys(names, 0.5), "3": None, "4": 1.0, "5": 0.0})
    with pytest.raises(AssertionError):
        require_scores({**dict.fromkeys(names, 0.5), "3": value})
