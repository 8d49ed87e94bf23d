"""A few hundred damaged files of each kind, the same ones in every run; many more by `python -m tests.fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.by_hypothesis import Counts, examples
from tests.fuzz.run import make_all, run_all
from tests.fuzz.targets import TARGETS

CRASHED = ("images", "formats")
"""Kinds whose decoders have ended the process: each case of theirs is made in another one."""
CASES = {"annotations": 200, "formats": 300, "results": 200, "images": 500, "checkpoints": 400, "configs": 200}
DRAWN = {"annotations": 40, "results": 40, "checkpoints": 60, "configs": 40}
"""Cases that hypothesis draws, in this process."""


def test_every_kind_is_tried() -> None:
    assert CASES.keys() == TARGETS.keys() == DRAWN.keys() | set(CRASHED)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_as_what_they_are_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    cases = range(CASES[name])
    tally = run_all(TARGETS[name], 0, cases) if name in CRASHED else make_all(TARGETS[name](tmp_path), 0, cases)
    assert not tally.findings, "\n".join(f"{place}: {found.said}, cases {found.cases} of seed 0"
                                         for place, found in tally.findings.items())
    assert tally.done == CASES[name]
    assert 10 < tally.accepted < tally.done - 10, "too few are accepted, or refused, to show anything"


@pytest.mark.parametrize("name", DRAWN)
def test_so_are_those_that_hypothesis_draws(name: str, tmp_path: Path) -> None:
    counts = Counts()
    examples(TARGETS[name](tmp_path), DRAWN[name], counts, 0)()
    assert counts.accepted + counts.refused >= DRAWN[name] and counts.refused > 3
