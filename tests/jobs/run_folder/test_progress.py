"""What a run says about itself while it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.run_folder import progress as progresses
from jobs.run_folder.layout import read_events
from jobs.run_folder.progress import Progress


def test_a_restart_says_from_where_with_how_many_and_what_it_costs(tmp_path: Path) -> None:
    first = Progress(tmp_path, total_steps=100, samples_per_step=16)
    first.began(0, workers=2, wanted=2)
    assert read_events(tmp_path) == []
    first.step(37, now=True)
    assert json.loads((tmp_path / "progress.json").read_text()).items() >= {"step": 37, "total_steps": 100}.items()
    Progress(tmp_path, 100, 16).began(30, workers=1, wanted=2)
    assert read_events(tmp_path) == ["resumed after step 30 with 1 of 2 workers; about 7 steps are repeated"]


def test_it_is_written_now_and_then_not_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progresses, "_WRITE_SECONDS", 3600.0)
    progress = Progress(tmp_path, total_steps=100, samples_per_step=16)
    progress.step(1, now=True)
    progress.step(2)
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 1
