"""What a run says about itself while it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.run_folder import progress as progresses
from jobs.run_folder.layout import read_events
from jobs.run_folder.lease import Lost
from jobs.run_folder.progress import Position, Progress, read_position
from tests.pipes import make_pipe


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


def test_who_has_lost_the_folder_writes_nothing_more(tmp_path: Path) -> None:
    mine = True

    def require() -> None:
        if not mine:
            raise Lost("it is another's")

    progress = Progress(tmp_path, 100, 16, require)
    progress.step(1, now=True)
    mine = False
    for write in (lambda: progress.step(2, now=True), lambda: progress.began(0, workers=1, wanted=1)):
        with pytest.raises(Lost):
            write()
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 1 and read_events(tmp_path) == []


@pytest.mark.parametrize("content", [
    b"", b"3", b"[1, 2, 3]", b"{}", b'{"step": 1}', b'{"step": "1", "total_steps": 9, "time": 1.0}',
    b'{"step": 1, "total_steps": NaN, "time": 1.0}', b'{"step": 1, "total_steps": 9, "time": null}',
    b'{"step": 1, "total_steps": 9, "time": Infinity}', b'{"step": -1, "total_steps": 9, "time": 1.0}',
    b'{"step": 1, "total_steps": 9, "time": 1.0, "more": 1}', b"[" * 100_000, b"9" * 5000, b"\xff\xfe{\0}\0"])
def test_a_position_that_is_none_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "progress.json").write_bytes(content)
    assert read_position(tmp_path) is None
    (tmp_path / "progress.json").write_text('{"step": 1, "total_steps": 9, "time": 1.5}')
    assert read_position(tmp_path) == Position(1, 9, 1.5)
    (tmp_path / "progress.json").unlink()
    make_pipe(tmp_path / "progress.json", b'{"step": 1, "total_steps": 9, "time": 1.5}')
    assert read_position(tmp_path) is None


def test_events_of_any_bytes_are_read(tmp_path: Path) -> None:
    (tmp_path / "events.txt").write_bytes(b"one\n\xff\0two\n")
    assert read_events(tmp_path) == ["one", "\ufffd\0two"]
    (tmp_path / "events.txt").unlink()
    make_pipe(tmp_path / "events.txt", b"one\n")
    assert read_events(tmp_path) == []
