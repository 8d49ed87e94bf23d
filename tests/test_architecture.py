"""The house's plan: run_tune.py -> tune -> jobs -> trs, and inside of each the rooms, with no arrow that points up."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import (
    Tree,
    foreign_attributes,
    from_elsewhere,
    module_cycle,
    private_names,
    read_tree,
    room_cycle,
    rooms,
    upward,
)

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["trs", "jobs", "tune", "run_tune"]
"""The lowest first."""
COMMANDS = {"trs": [],
            "jobs": ["train", "evaluate", "predict", "export", "explore", "check", "score", "table", "doctor"],
            "tune": ["search", "compare", "dashboard"]}
PLAN = {
    "trs": ["__init__", "errors", "files", "constants", "keyed_random", "keypoint_names", "keypoint_sets", "skeleton",
            "ema", "distributed", "config", "schedule", "data", "losses", "models", "augment", "methods", "optimizer",
            "checkpoint_folders", "checkpoint", "warm_start", "bad_images", "evaluation", "running_statistics",
            "training", "host", "loop", "check", "visualize", "presets", "views", "photos", "export"],
    "jobs": ["__init__", "config", "run_folder", "cluster", "training", "paper", "deploy", "cli", *COMMANDS["jobs"]],
    "tune": ["__init__", "optuna_private", "space", "plan", "halving", "patience", "place", "storage", "identity",
             "burn_in", "study", "going_on", "reports", "trial", "confirmed", "entry", "columns", "leaderboard", "live",
             "report", "publish", "confirm", "runner", "cli", *COMMANDS["tune"]]}
"""The rooms of each package, the lowest first: a file on a package's ground, or a folder with all that is in it."""
PRIVATE = {"ray": "jobs.cluster.ray_private", "optuna": "tune.optuna_private"}
"""The one module that may lean on a library's private names."""


@pytest.fixture(scope="module")
def house() -> Tree:
    return read_tree(ROOT, ["trs", "jobs", "tune", "run_tune.py"])


def test_the_plan_names_every_room(house: Tree) -> None:
    for package, planned in PLAN.items():
        found = {name.split(".")[1] for name in house.modules if name.split(".")[0] == package}
        assert found == set(planned), package


def test_the_ground_of_jobs_holds_commands_and_their_options() -> None:
    ground = {file.stem for file in (ROOT / "jobs").glob("*.py")}
    assert ground == {"__init__", "cli", "config", *COMMANDS["jobs"]}


def test_no_modules_and_no_rooms_import_each_other_in_a_circle(house: Tree) -> None:
    assert module_cycle(house) == []
    assert room_cycle(house) == []


def test_no_import_points_upwards(house: Tree) -> None:
    assert [str(found) for found in upward(house, PACKAGES, PLAN)] == []


@pytest.mark.parametrize(("package", "forbidden"), [
    ("trs", {"ray", "optuna", "jobs", "tune", "run_tune", "tests"}), ("jobs", {"optuna", "tune", "run_tune", "tests"}),
    ("tune", {"run_tune", "tests"})])
def test_a_package_knows_nothing_of_what_is_built_on_it(house: Tree, package: str, forbidden: set[str]) -> None:
    assert [str(found) for found in from_elsewhere(house, package, forbidden)] == []


def test_nobody_imports_a_command(house: Tree) -> None:
    commands = {f"{package}.{name}" for package, names in COMMANDS.items() for name in names}
    imported = {(found.source, found.target) for found in house.internal if found.target in commands}
    assert imported == {("run_tune", "tune.search")}, "run_tune.py starts tune.search, and nobody else imports any"


def test_deployment_stands_alone(house: Tree) -> None:
    assert [str(found) for found in house.internal if "jobs.deploy" in rooms(found)] == []


def test_no_library_takes_the_name_of_a_package(house: Tree) -> None:
    """`import ray.tune`, never `from ray import tune`."""
    for name, module in house.modules.items():
        for node in ast.walk(module):
            if isinstance(node, ast.Import):
                taken = {alias.asname for alias in node.names} & {*PACKAGES}
            elif isinstance(node, ast.ImportFrom):
                taken = {alias.asname or alias.name for alias in node.names} & {*PACKAGES}
            else:
                continue
            assert not taken, f"{name}:{node.lineno} calls something else {taken}"


@pytest.mark.parametrize("library", PRIVATE)
def test_private_names_of_a_library_are_in_one_module(house: Tree, library: str) -> None:
    assert [str(found) for found in private_names(house, library) if found.source != PRIVATE[library]] == []


@pytest.mark.parametrize("package", ["jobs", "tune"])
def test_private_attributes_of_others_are_in_these_modules_too(house: Tree, package: str) -> None:
    """Whatever the object came from, such as `trial._trial_id`, `study._storage`, `distribution._contains`."""
    assert [str(found) for found in foreign_attributes(house, package) if found.source not in PRIVATE.values()] == []


def test_a_module_keeps_its_private_names(house: Tree) -> None:
    taken = [f"{name}:{node.lineno} imports {node.module}.{alias.name}" for name, module in house.modules.items()
             for node in ast.walk(module) if isinstance(node, ast.ImportFrom)
             for alias in node.names if alias.name.startswith("_") and (node.module or "").split(".")[0] in PACKAGES]
    assert taken == []


def test_the_loop_trains_with_ray_blocked(drawn_root: Path) -> None:
    script = f"""
import sys
sys.modules.update(dict.fromkeys(("ray", "jobs", "tune", "optuna"), None))
import dataclasses, torch
from trs import loop
from trs.host import PlainHost
from trs.training import start_training
from trs.presets import demo
from trs.data.datasets import load_datasets
from trs.data.reader import stream_of
from trs.methods.build import build_method
replace = dataclasses.replace
config = demo()
config = replace(config, data=replace(config.data, root={str(drawn_root)!r}, labeled_count=8, dev_count=None),
                 train=replace(config.train, epochs=1, batch_size=20, burn_in=0))
datasets = load_datasets(config.data)
method = build_method(config, len(datasets.skeleton))
training = start_training(config, datasets, method, torch.device("cpu"))
streams = {{name: stream_of(people, datasets.skeleton.flip_order, config)
           for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}}
host = PlainHost(streams)
loop.train(training, host)
print("AP", host.reports[-1]["ap"])
assert training.counters.step == 2, training.counters
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "AP" in done.stdout
