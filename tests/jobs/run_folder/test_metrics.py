"""metrics.jsonl, which owns what was reported."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.run_folder.metrics import MetricsLog, best_step, read_metrics


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
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 5, "peak_heat": 0.5}) + "\n")
    assert read_metrics(tmp_path) == [{"step": 5, "peak_confidence": 0.5}]


def test_the_best_step_is_one_with_a_finite_score(tmp_path: Path) -> None:
    assert best_step(tmp_path, "ap") is None
    scores = {5: 0.2, 10: 0.4, 15: float("nan"), 20: 0.3}
    (tmp_path / "metrics.jsonl").write_text("".join(
        json.dumps({"step": step, "ap": score}) + "\n" for step, score in scores.items()))
    assert best_step(tmp_path, "ap") == 10
