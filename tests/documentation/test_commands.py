"""Every Python command of the documentation, run as it stands there on drawn people, with small sizes behind it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.documentation.commands import ROOT, python_commands
from tests.documentation.conftest import SMALL, detections

pytestmark = pytest.mark.long

STAGES = ("jobs.doctor", "jobs.check", "jobs.explore", "run_tune.py", "tune.compare", "tune.dashboard", "jobs.train",
          "jobs.evaluate", "jobs.score", "jobs.predict", "jobs.export", "jobs.table")
"""The programs in an order in which each finds what it works on."""
BEHIND = {**dict.fromkeys(("jobs.doctor", "jobs.check", "jobs.explore", "jobs.train"), SMALL),
          "run_tune.py": [*SMALL, "--trials", "2"]}
ROWS = {"table2": "TRS", "figure6": "TRS", "lspet": "Supervised + MFL", "baseline": "1,500", "gain": "Dual",
        "pieces": "SSPCM", "pretrained": "published"}
"""The rows of each table that are trained."""
STARTED_BY_CI = {"pip", "pytest"}
"""`.ci/run` is a test of these."""


def here(word: str, coco: Path, people: Path) -> str:
    """A word of a command, with this machine's folders for the pages' ones."""
    places = {"/data/coco": coco, "/new/coco": coco, "/data/lspet": people, "DIR": people, "runs/NAME": "runs/winner",
              "NAME": "first", "96": 3}
    for name, place in places.items():
        if re.fullmatch(rf"{name}(/\w+2017)?", word):
            return word.replace(name, str(place))
    return word.replace("NAME", "first")


def steps(coco: Path, people: Path) -> Iterator[tuple[str, list[str]]]:
    """What the pages tell to run, searches before what needs them, and what goes on after what begins."""
    told = [(program, [here(word, coco, people) for word in words]) for program, words in python_commands()
            if program in STAGES and "/shared/runs" not in words]  # test_submission.py submits those
    done = []
    for program, words in sorted(told, key=lambda step: (STAGES.index(step[0]), "--resume" in step[1])):
        if (program, words) not in done:  # pages tell some twice, of other folders
            done.append((program, words))
            behind = [] if {"--resume", "--help"} & set(words) else BEHIND.get(program, [])
            if program == "jobs.table":
                behind = [*SMALL, "--seeds", "1", "--only", ROWS[words[0]]]
            yield program, [*words, *behind]


@contextlib.contextmanager
def started(program: str, words: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The program, as from the clone, in another folder; as a terminal starts it, it hears Ctrl-C.

    It ends with the context, and so does what it has started.
    """
    beginning = [str(ROOT / program)] if program.endswith(".py") else ["-m", program]
    process = subprocess.Popen([sys.executable, *beginning, *words], cwd=folder, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": str(ROOT)},
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        yield process
    finally:
        if process.poll() is None:
            for left in [*psutil.Process(process.pid).children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()
            process.wait()


def test_every_command_of_the_pages_does_what_they_say(coco: Path, drawn_root: Path, tmp_path: Path) -> None:
    shutil.copy(next((coco / "val2017").iterdir()), tmp_path / "photo.jpg")
    detections(coco, "val", tmp_path / "detections.json")
    (tmp_path / "space.yaml").write_text("method.mix_count: 0..9\n")
    ran = set()
    for program, words in steps(coco, drawn_root):
        began = time.monotonic()
        if program == "jobs.score":
            shutil.copy(coco / "annotations" / "person_keypoints_val2017.json", tmp_path / "labels.json")
            shutil.copy(tmp_path / "runs/winner/evaluation/predictions/ensemble.json", tmp_path / "poses.json")
        with started(program, words, tmp_path) as process:
            if program == "tune.dashboard":
                look_at_both(process)
            said, _ = process.communicate(timeout=1800)
        print(f"{time.monotonic() - began:4.0f} s  {program} {' '.join(words)}")
        assert process.returncode == (130 if program == "tune.dashboard" else 0), (program, words, said)
        assert "Traceback" not in said and "Warning" not in said and "WARNING" not in said, (program, words, said)
        ran.add(program)
    assert ran == set(STAGES)
    for made in ("runs/look/views.jpg", "runs/first/report.html", "runs/lspet/best.yaml",
                 "runs/winner/evaluation/metrics.json", "poses/predictions.json", "pose.onnx", "runs/tables/table2.md",
                 "runs/tables/figure6.png", "runs/tables/lspet.csv", "runs/comparison.html"):
        assert (tmp_path / made).exists(), made
    assert list((tmp_path / "predictions").rglob("*heatmaps*"))


def look_at_both(process: subprocess.Popen[str]) -> None:
    """Open the two addresses that a dashboard prints, and end it as a user does."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[-1] == "Ctrl-C ends both\n", lines
    for line in lines[:2]:
        with urllib.request.urlopen(line.split()[-1], timeout=120) as answer:
            assert answer.status == 200
    process.send_signal(signal.SIGINT)


def test_the_benchmarks_measure(tmp_path: Path) -> None:
    with started("tests.benchmarks", ["--rounds", "1", "--json", str(tmp_path / "speed.json")], ROOT) as process:
        said, _ = process.communicate(timeout=1800)
    assert process.returncode == 0 and said.startswith("reference / ours"), said
    written = json.loads((tmp_path / "speed.json").read_text())
    assert len(written["ratios"]) == len(said.splitlines()) - 1 == 11 and written["machine"]["cpus"] > 0


def test_ci_runs_the_commands_that_install_and_test() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    commands = [(program, *words) for program, words in python_commands() if program in STARTED_BY_CI]
    assert {program for program, *_ in commands} == STARTED_BY_CI
    assert [words for words in commands if not all(word in script for word in words)] == []
