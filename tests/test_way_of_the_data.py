"""How many hands a labeled person passes, from the annotation file to the gradient, and how often a trial converts."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch

from jobs import config as jobs_config
from jobs.config import TWO_CORES, Job
from trs import loop
from trs.config import Config, SupervisedConfig
from trs.data.batch import LabeledBatch
from trs.data.datasets import Datasets, load_datasets
from trs.data.person_table import PersonTable
from trs.data.reader import Stream, stream_of
from trs.methods.build import build_method
from trs.training import start_training

ROOT = Path(__file__).resolve().parents[1]
MATRICES = ((2, 3), (3, 3))  # maps of coordinates, not a person's pixels or keypoints


class Way:
    """The functions of this project that were handed a labeled person, or handed one back.

    record: the person's annotation.
    root: folder of the training images.
    pixels: whether arrays hold the person by now.
    """

    def __init__(self, record: dict[str, Any], root: str) -> None:
        self.record, self.root, self.pixels = record, root, False
        self.functions: set[str] = set()
        self.looking = False

    def holds(self, value: Any, depth: int = 0) -> bool:
        """Whether a value is the person, or has it inside."""
        if isinstance(value, torch.Tensor | np.ndarray):
            return self.pixels and value.ndim >= 2 and tuple(value.shape) not in MATRICES
        if isinstance(value, PersonTable):
            row = np.flatnonzero(value.ids == self.record["id"])
            return value.root == self.root and len(row) > 0 and bool(value.keypoint_weights[row].any())
        if isinstance(value, Datasets | Stream | LabeledBatch) or (dataclasses.is_dataclass(value) and depth < 2):
            return any(self.holds(getattr(value, field.name, None), depth + 1) for field in dataclasses.fields(value))
        if isinstance(value, dict):
            is_record = isinstance(value.get("keypoints"), list) and value["keypoints"] == self.record["keypoints"]
            return is_record or (depth < 2 and any(self.holds(item, depth + 1) for item in value.values()))
        return isinstance(value, list | tuple) and depth < 3 and any(self.holds(item, depth + 1) for item in value)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        file, name = frame.f_code.co_filename, frame.f_code.co_qualname
        ours = any(file.startswith(f"{ROOT / package}{os.sep}") for package in ("trs", "jobs", "tune"))
        if self.looking or not ours or "<" in frame.f_code.co_name or frame.f_code.co_name.startswith("__"):
            return
        self.looking = True
        handed = {key: value for key, value in frame.f_locals.items()
                  if key != "self" or isinstance(value, PersonTable | Stream)}
        if (event == "call" and self.holds(handed)) or (event == "return" and self.holds(argument)):
            self.functions.add(f"{Path(file).relative_to(ROOT)} {name}")
        self.looking = False

    @contextmanager
    def walk(self) -> Iterator[None]:
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


def test_a_labeled_person_passes_thirty_functions_at_most(config: Config, datasets: Datasets) -> None:
    """43 before this test was written."""
    config = dataclasses.replace(config, method=SupervisedConfig())
    content = json.loads(Path(config.data.root, config.data.train_annotations).read_text())
    person = int(datasets.labeled.ids[0])
    way = Way(next(record for record in content["annotations"] if record["id"] == person), datasets.labeled.root)
    with way.walk():
        loaded = load_datasets(config.data)
    training = start_training(config, loaded, build_method(config, len(loaded.skeleton)), torch.device("cpu"))
    stream = stream_of(loaded.labeled, loaded.skeleton.flip_order, config)
    way.pixels = True
    with way.walk():
        loop.step(training, training.method.trained, [{"labeled": stream.read(range(8))}], total_steps=5)
    passed = sorted(way.functions)
    assert {"trs/data/annotations/coco.py people_of", "trs/data/reader.py Stream.read",
            "trs/losses.py heatmap_mse"} <= set(passed)  # the walk sees both ends
    assert len(passed) <= 30, "\n".join(passed)


COUNT_CONVERSIONS = """
import os, sys, threading

def count(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_name in ("to_dict", "from_dict") and "trs/config/files.py" in code.co_filename:
        with open(os.environ["CONVERSIONS"], "a") as file:
            file.write(f"{os.getpid()} {code.co_name} {frame.f_back.f_code.co_qualname}\\n")

threading.setprofile(count)
sys.setprofile(count)
"""


@pytest.mark.long
def test_a_trial_converts_its_config_twice_at_most(config: Config, tmp_path: Path) -> None:
    """Once for config.yaml, once for the checkpoints; the command that starts the trials is not counted."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(COUNT_CONVERSIONS)
    jobs_config.save(Job(config, TWO_CORES), tmp_path / "config.yaml")
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {
        "PYTHONPATH": f"{tmp_path / 'hook'}{os.pathsep}{ROOT}", "CONVERSIONS": str(tmp_path / "conversions.txt")}
    command = subprocess.Popen([sys.executable, "run_tune.py", "--config", str(tmp_path / "config.yaml"), "--trials",
                                "1", "--no-reference", "--name", "search", "--out", str(tmp_path)], cwd=ROOT,
                               env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, _ = command.communicate(timeout=600)
    assert command.returncode == 0, said
    lines = [line.split() for line in (tmp_path / "conversions.txt").read_text().splitlines()]
    assert any(int(pid) == command.pid for pid, *_ in lines)  # the hook counts
    of_trial = Counter(" ".join(rest) for pid, *rest in lines if int(pid) != command.pid)
    assert 0 < of_trial.total() <= 2, of_trial
