"""metrics.jsonl, which owns what was reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.run_folder.metrics import MetricsLog, best_step, metrics_fault, read_metrics
from tests.pipes import make_pipe


def write(folder: Path, *steps: int) -> None:
    log = MetricsLog(folder, max(steps, default=0))
    for step in steps:
        log.write({"step": step, "epoch": step / 5, "ap": step / 100})
    log.events.close()


def test_a_restart_keeps_what_was_reported_up_to_its_step(tmp_path: Path) -> None:
    write(tmp_path, 5, 10, 15)
    log = MetricsLog(tmp_path, 12)
    log.events.close()
    assert log.reported_step == 10 and [metrics["step"] for metrics in read_metrics(tmp_path)] == [5, 10]
    assert MetricsLog(tmp_path, 3).reported_step == 0 and read_metrics(tmp_path) == []


def test_a_line_that_a_crash_cut_short_was_not_reported(tmp_path: Path) -> None:
    write(tmp_path, 5, 10)
    file = tmp_path / "metrics.jsonl"
    file.write_text(file.read_text()[:-9])
    assert MetricsLog(tmp_path, 10).reported_step == 5


def test_files_of_0_1_are_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 5, "epoch": 1, "peak_heat": 0.5}) + "\n")
    assert read_metrics(tmp_path) == [{"step": 5, "epoch": 1, "peak_confidence": 0.5}]


def test_the_best_step_is_one_with_a_finite_score(tmp_path: Path) -> None:
    assert best_step(tmp_path, "ap") is None
    scores = {5: 0.2, 10: 0.4, 15: float("nan"), 20: 0.3}
    (tmp_path / "metrics.jsonl").write_text("".join(
        json.dumps({"step": step, "epoch": 1, "ap": score}) + "\n" for step, score in scores.items()))
    assert best_step(tmp_path, "ap") == 10


GOOD = b'{"step": 5, "epoch": 1, "ap": 0.4, "ap_medium": null, "loss": NaN}'


@pytest.mark.parametrize("line", [
    b"3", b"null", b"[]", b'"step"', b"{}", b'{"epoch": 1, "ap": 0.5}', b'{"step": 5, "ap": 0.5}',
    b'{"step": "5", "epoch": 1}', b'{"step": NaN, "epoch": 1}', b'{"step": 5, "epoch": null}',
    b'{"step": 5, "epoch": Infinity}', b'{"step": -1, "epoch": 1}', b'{"step": 5.5, "epoch": 1}',
    b'{"step": true, "epoch": 1}', b'{"step": 1e300, "epoch": 1}', b'{"step": 5, "epoch": 1, "ap": "0.9"}',
    b'{"step": 5, "epoch": 1, "ap": [0.9]}', b'{"step": 5, "epoch": 1, "ap": true}',
    b'{"step": 5, "epoch": 1, "ap": 1' + b"0" * 400 + b"}", b'{"step": 5, "epoch": 1, "ap": 1' + b"0" * 5000 + b"}",
    b'{"step": 5, "epoch": 1, "\\u001b[2J": 1}', b'{"step": 5, "epoch": 1, "\\ud800": 1}', b"[" * 100_000,
    GOOD.decode().encode("utf-16"), b'{"step": 5, "epoch": 1, "caf\xe9": 1}', b"\0" * 512, GOOD + b"\0\0", GOOD[:-1],
    b"\xff"])
def test_a_line_that_is_no_record_is_left_out(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(line + b"\n" + GOOD + b"\n" + line)
    assert read_metrics(tmp_path) == [{"step": 5, "epoch": 1, "ap": 0.4}]
    assert best_step(tmp_path, "ap") == 5
    log = MetricsLog(tmp_path, 5)
    log.write({"step": 10, "epoch": 2, "ap": 0.5, "ap_medium": None})
    log.events.close()
    assert [metrics["step"] for metrics in read_metrics(tmp_path)] == [5, 10]


@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero"])
def test_what_is_no_file_holds_no_metrics(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "metrics.jsonl"
    if kind == "pipe":
        make_pipe(path, GOOD + b"\n")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kind)
    assert read_metrics(tmp_path) == []


def test_what_is_wrong_with_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert metrics_fault(tmp_path) is None
    foreign, cut = "1 of its lines, of {}, hold no record of metrics", "its last line is cut short"
    for content, fault in ((b"", None), (GOOD + b"\n", None), (GOOD, None), (GOOD[:-1], cut),
                           (GOOD + b"\n3\n", foreign.format(2)), (b"3\n{", f"{foreign.format(1)} and {cut}")):
        path.write_bytes(content)
        assert metrics_fault(tmp_path) == fault
    path.unlink()
    path.mkdir()
    assert metrics_fault(tmp_path) == "it is not a regular file"


@pytest.mark.parametrize("name", ["ap", "ap50", "ap_a", "ar75_b", "ap_medium", "pck", "pckh", "head_pckh", "pckh_a"])
def test_a_score_is_a_share(tmp_path: Path, name: str) -> None:
    for value, found in ((-1, {}), (5.0, {}), (1.0001, {}), (0, {name: 0}), (1, {name: 1})):
        line = {"step": 5, "epoch": 1, name: value, "loss": -1, "maps_per_second": 9}
        (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        assert read_metrics(tmp_path) == [{"step": 5, "epoch": 1, "loss": -1, "maps_per_second": 9} | found]
