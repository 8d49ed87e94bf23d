"""The walker that `test_architecture.py` trusts, on trees with known faults."""

from __future__ import annotations

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
    upward,
)

PACKAGES = ["low", "high", "start"]
PLAN = {"low": ["__init__", "base", "data", "loop"], "high": ["__init__", "cli", "train"]}


def tree(root: Path, files: dict[str, str]) -> Tree:
    """A project of these files, with what is sound in it already."""
    sound = {"low/__init__.py": "", "low/base.py": "import os\nimport ray.data\n", "low/data/__init__.py": "",
             "low/data/crops.py": "from low.base import something\n",
             "low/data/reader.py": "from low.data import crops\n", "low/loop.py": "import low.data.reader\n",
             "high/__init__.py": "", "high/cli.py": "from low import base, loop\n",
             "high/train.py": "from high import cli\n", "start.py": "from high import cli\n"}
    for name, text in (sound | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_tree(root, ["low", "high", "start.py"])


def arrows(found: Tree) -> set[tuple[str, str]]:
    return {(one.source, one.target) for one in found.internal}


def test_a_sound_tree_is_sound(tmp_path: Path) -> None:
    found = tree(tmp_path, {})
    assert arrows(found) == {
        ("low.data.crops", "low.base"), ("low.data.reader", "low.data.crops"), ("low.loop", "low.data.reader"),
        ("high.cli", "low.base"), ("high.cli", "low.loop"), ("high.train", "high.cli"), ("start", "high.cli")}
    assert module_cycle(found) == room_cycle(found) == upward(found, PACKAGES, PLAN) == []
    assert private_names(found, "ray") == from_elsewhere(found, "low", {"high", "start"}) == []


@pytest.mark.parametrize("line", [
    "import high.cli", "import high.cli as x", "from high import cli", "from high.cli import something",
    "from high.cli import *", "def f():\n    from high import cli", "async def f():\n    import high.cli",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from high.cli import Something",
    "try:\n    import high.cli\nexcept ImportError:\n    pass",
    "import importlib\nimportlib.import_module('high.cli')",
    "from importlib import import_module\nlater = lambda: import_module('high.cli')", "__import__('high.cli')",
    "import runpy\nrunpy.run_module('high.cli')",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'high.cli', '--help'])"])
@pytest.mark.parametrize("place", ["low/base.py", "low/data/__init__.py", "low/__init__.py"])
def test_an_arrow_up_is_found_however_it_is_written(tmp_path: Path, place: str, line: str) -> None:
    found = tree(tmp_path, {place: line})
    module = place.removesuffix(".py").replace("/", ".")
    assert [(one.source, one.target) for one in upward(found, PACKAGES, PLAN)] == [(module, "high.cli")]
    assert [(one.source, one.target) for one in from_elsewhere(found, "low", {"high"})] == [(module, "high.cli")]


def test_an_arrow_up_inside_a_package_is_found(tmp_path: Path) -> None:
    found = tree(tmp_path, {"low/data/crops.py": "def f():\n    from ..loop import something\n"})
    assert [str(one) for one in upward(found, PACKAGES, PLAN)] == ["low.data.crops:2 -> low.loop"]


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    found = tree(tmp_path, {"low/data/__init__.py": "from . import crops\nfrom .. import base\n",
                            "low/loop.py": "from .data.reader import something\nfrom . import base\n"})
    assert {("low.data.__init__", "low.data.crops"), ("low.data.__init__", "low.base"),
            ("low.loop", "low.data.reader"), ("low.loop", "low.base")} <= arrows(found)


def test_a_package_that_is_imported_is_its_own_file(tmp_path: Path) -> None:
    found = tree(tmp_path, {"low/data/__init__.py": "from low.data.crops import Crop\n",
                            "low/loop.py": "from low.data import Crop\n"})
    assert ("low.loop", "low.data.__init__") in arrows(found)


def test_a_cycle_of_modules_is_found(tmp_path: Path) -> None:
    found = tree(tmp_path, {"low/data/crops.py": "def f():\n    import low.data.reader\n"})
    assert set(module_cycle(found)) == {"low.data.crops", "low.data.reader"}
    through_init = tree(tmp_path, {"low/data/__init__.py": "from low.data.crops import Crop\n",
                                   "low/data/crops.py": "from low.data import Crop\n"})
    assert set(module_cycle(through_init)) == {"low.data.__init__", "low.data.crops"}


def test_a_cycle_of_rooms_without_a_cycle_of_modules_is_found(tmp_path: Path) -> None:
    found = tree(tmp_path, {"low/base.py": "from low.data import other\n", "low/data/other.py": ""})
    assert module_cycle(found) == [] and set(room_cycle(found)) == {"low.base", "low.data"}
    packages = tree(tmp_path, {"low/base.py": "import high.other\n", "high/other.py": ""})
    assert module_cycle(packages) == [] and set(room_cycle(packages)) == {"low", "high"}
    inside = tree(tmp_path, {"low/base.py": "", "low/data/formats/coco.py": "from low.data import crops\n",
                             "low/data/formats/table.py": "", "low/data/crops.py": "import low.data.formats.table\n"})
    assert module_cycle(inside) == [] and set(room_cycle(inside)) == {"low.data.crops", "low.data.formats"}


def test_a_command_that_is_imported_is_found(tmp_path: Path) -> None:
    found = tree(tmp_path, {"high/cli.py": "def f():\n    from high.train import main\n"})
    assert [str(one) for one in found.internal if one.target == "high.train"] == ["high.cli:2 -> high.train"]


@pytest.mark.parametrize("text", [
    "import ray._private.state", "from ray import _private", "from ray._private import state",
    "from ray.train.torch.config import _TorchBackend", "import ray.data._internal.execution as execution",
    "import importlib\nimportlib.import_module('ray.train.v2._internal')", "import ray\nprint(ray._private)",
    "import ray.data\nprint(ray.data._internal.x)", "from ray.train import session\nsession()._queue = 1",
    "import ray as r\nr.train.get()[0]._x", "import logging\nlogging.getLogger('ray._private.state')"])
def test_private_names_of_a_library_are_found(tmp_path: Path, text: str) -> None:
    found = private_names(tree(tmp_path, {"high/cli.py": text}), "ray")
    assert found and {(one.source, one.line) for one in found} == {("high.cli", text.count("\n") + 1)}
    assert private_names(tree(tmp_path, {"high/cli.py": text}), "optuna") == []


@pytest.mark.parametrize("text", [
    "import ray\nprint(ray.__version__)", "import ray.data", "from ray import data as _data", "self._ray = 1",
    "text = 'as ray._private.state does'", "import other\nother._private"])
def test_what_is_public_is_left_alone(tmp_path: Path, text: str) -> None:
    assert private_names(tree(tmp_path, {"high/cli.py": text}), "ray") == []


def test_attributes_of_others_are_found(tmp_path: Path) -> None:
    found = tree(tmp_path, {"high/cli.py": (
        "def f(self, trial):\n"
        "    self._own = trial._id\n"
        "    self.study._storage.get()\n"
        "    return self._own.__class__, cls._own\n")})
    assert [str(one) for one in foreign_attributes(found, "high")] == [
        "high.cli:2 -> trial._id", "high.cli:3 -> self.study._storage"]
    assert foreign_attributes(found, "low") == []
