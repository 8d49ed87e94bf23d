"""run_tune.py -> tune -> jobs -> trs: no arrow points up, and trs needs no Ray."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {"trs": {"jobs", "tune", "ray", "optuna", "run_tune"}, "jobs": {"tune", "optuna", "run_tune"},
             "tune": {"run_tune"}}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_points_upwards(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & FORBIDDEN[package], path


def test_never_from_ray_import_tune() -> None:
    for package in FORBIDDEN:
        for path in (ROOT / package).rglob("*.py"):
            assert "from ray import" not in path.read_text(), path


def test_the_loop_trains_with_ray_blocked(drawn_root: Path) -> None:
    script = f"""
import sys
sys.modules.update(dict.fromkeys(("ray", "jobs", "tune", "optuna"), None))
import dataclasses, torch
from trs import loop
from trs.presets import demo
from trs.data.datasets import load_datasets
from trs.data.reader import read_ahead, stream_of
from trs.methods.build import build_method
replace = dataclasses.replace
config = demo()
config = replace(config, data=replace(config.data, root={str(drawn_root)!r}, labeled_count=8),
                 train=replace(config.train, epochs=1, batch_size=20))
sets = load_datasets(config.data)
method = build_method(config, len(sets.skeleton))
training = loop.start(config, sets, method, torch.device("cpu"))
streams = {{name: stream_of(people, sets.skeleton.flip_order, config)
           for name, people in (("labeled", sets.labeled), ("unlabeled", sets.unlabeled))}}
loop.train(training, lambda steps: read_ahead(streams, steps), lambda metrics: print("AP", metrics["ap"]))
assert training.counters.step == 2, training.counters
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "AP" in done.stdout
