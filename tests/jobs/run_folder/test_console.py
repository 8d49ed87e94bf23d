"""The lines that a person follows."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from jobs.run_folder.console import Pace, epoch_line, print_progress, step_line
from jobs.run_folder.layout import EVENTS_FILE, append_line
from jobs.run_folder.metrics import known
from jobs.run_folder.progress import Position, Progress
from trs.config import Config
from trs.files import write_text

METRICS = {"epoch": 2, "loss": 0.01, "steps_per_second": 3.0, "seconds_left": 100.0, "bad_images": 0,
           "peak_confidence": 0.4, "ap": 0.5, "ap_a": 0.4, "pckh": 0.7, "pckh_a": 0.6, "head_pckh": 0.9}


def test_an_epochs_line_shows_the_metric_that_is_searched() -> None:
    assert "AP 0.500  (a 0.400)" in epoch_line(METRICS, 3)
    assert "PCKh 0.700  (a 0.600)" in epoch_line(METRICS, 3, "pckh")


def test_sizes_are_no_networks_and_what_nobody_measured_is_a_dash() -> None:
    sizes = {**METRICS, "ap_medium": 0.2, "ap_large": 0.3}
    assert epoch_line(sizes, 3) == epoch_line(METRICS, 3)
    skipped = known({**METRICS, "loss": None, "peak_confidence": None, "ap_medium": None})
    assert "loss -  3.0 steps/s" in epoch_line(skipped, 3)
    assert epoch_line(skipped, 3).endswith("WARNING: no step was taken, its gradients were not finite")


def test_a_steps_line_tells_speed_and_time_left_or_the_silence() -> None:
    now = time.time()
    moved = step_line(Position(1000, 13000, now - 60), Position(1300, 13000, now))
    assert moved == "step 1,300 of 13,000  5.0 steps/s  39 min left"
    assert step_line(None, Position(1300, 13000, now)) == "step 1,300 of 13,000"
    still = Position(1300, 13000, now - 600)
    assert step_line(still, still) == "step 1,300 of 13,000, the last one 10 min ago"


def test_what_happens_to_a_run_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ""
    with print_progress(tmp_path, Config(), "second stage: "):
        append_line(tmp_path / EVENTS_FILE, "something has happened")
        end = time.monotonic() + 60
        while not printed and time.monotonic() < end:
            time.sleep(0.1)
            printed += capsys.readouterr().out
    assert printed == "second stage: something has happened\n"


def test_a_run_goes_on_as_long_as_it_takes_steps(tmp_path: Path) -> None:
    progress = Progress(tmp_path, total_steps=100, samples_per_step=16)
    progress.step(3, now=True)  # in an earlier start
    pace = Pace(tmp_path)
    assert pace.look() == ("no step yet, 0 s after the start", False)
    progress.step(4, now=True)
    assert pace.look() == ("step 4 of 100", True)
    progress.step(7, now=True)
    line, goes_on = pace.look()
    assert line.startswith("step 7 of 100  ") and line.endswith(" left") and goes_on


def test_a_run_whose_last_step_is_long_ago_waits_or_hangs(tmp_path: Path) -> None:
    write_text(tmp_path / "progress.json", json.dumps({"step": 7, "total_steps": 100, "time": time.time() - 40}))
    assert Pace(tmp_path, began=time.time() - 60).look() == ("step 7 of 100, the last one 40 s ago", False)
