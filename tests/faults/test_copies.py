"""Searches that are renamed, copied and moved between whole commands: each setting that is listed was trained."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from trs.config import Config

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def config_file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trials of one worker, ten steps in one epoch; one fits on a node of two CPUs."""
    train = dataclasses.replace(config.train, epochs=1, batch_size=4)
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    jobs_config.save(Job(dataclasses.replace(config, train=train), ClusterConfig(cpus_per_worker=1.2, data_cpus=0.4)),
                     file)
    return file


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder of another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


class Witness:
    """Remembers what the worker of each run wrote when it trained, wherever the run's folder goes."""

    def __init__(self) -> None:
        self.written: dict[str, dict[str, Any]] = {}

    def note(self, folder: Path) -> None:
        """Take down what was trained since the last look."""
        for run in (folder / "trials").iterdir():
            mark = run / "mark"
            if not mark.exists() and (run / "suggestion.json").exists():
                mark.write_text(uuid.uuid4().hex)
                self.written[mark.read_text()] = json.loads((run / "suggestion.json").read_text())["values"]

    def check(self, folder: Path) -> None:
        """Hold the leaderboard against that."""
        rows = {row["trial"]: row for row in csv.DictReader((folder / "leaderboard.csv").open())}
        for run in (folder / "trials").iterdir():
            values = self.written[(run / "mark").read_text()]
            assert {name: float(rows[run.name][name]) for name in values} == values, (folder, run.name)


def test_eight_commands_on_searches_that_are_renamed_copied_and_moved(machines: Any, config_file: Path, tmp_path: Path,
                                                                      elsewhere: Path) -> None:
    seed = int(os.environ.get("TRS_SEED", random.randrange(10**6)))
    print(f"TRS_SEED={seed}")
    draw, witness = random.Random(seed), Witness()
    while len(machines.others()) < 2:
        machines.add(2)
    machines.settle()

    def command(*arguments: str) -> None:
        driver = machines.start(*arguments)
        assert driver.wait() == 0, driver.output()
        for each in folders:
            witness.note(each)
            witness.check(each)

    folders = [tmp_path / "first"]
    command("run_tune.py", "--config", str(config_file), "--out", str(tmp_path), "--name", "first", "--trials", "4",
            "--no-reference", "--concurrent", "2")
    folders.append(Path(shutil.copytree(folders[0], tmp_path / "a copy?")))
    command("run_tune.py", "--out", str(tmp_path), "--resume", "a copy?", "--concurrent", "1")
    for number in range(6):
        folder, new = draw.choice(folders), draw.choice([tmp_path, elsewhere]) / f"{number} {{x}}#%20"
        match draw.choice(["rename", "copy", "move"]):
            case "rename":
                folders[folders.index(folder)] = folder = folder.rename(folder.with_name(new.name))
            case "move":
                folders[folders.index(folder)] = folder = Path(shutil.move(folder, new))
            case "copy":
                folders.append(folder := Path(shutil.copytree(folder, new)))
        if draw.random() < 0.5:
            plan = yaml.safe_load((folder / "search.yaml").read_text())
            command("run_tune.py", "--out", str(folder.parent), "--resume", folder.name, "--trials",
                    str(plan["trials"] + 1), "--concurrent", str(draw.choice([1, 2])))
        else:
            command("-m", "tune.compare", str(folder))
