"""Searches on several nodes that are killed, stopped and worn down; what is left must be whole."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna.trial import TrialState

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.metrics import read_metrics
from tests.documentation.causes import causes
from trs.config import Config
from tune.storage import read_study

pytestmark = pytest.mark.long
SOAK_SECONDS = int(os.environ.get("TRS_SOAK_SECONDS", "60"))


@pytest.fixture(scope="module")
def config_file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trials of one worker, 20 steps in 2 epochs; one fits on a node of two CPUs."""
    train = dataclasses.replace(config.train, epochs=2, batch_size=4)
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    jobs_config.save(Job(dataclasses.replace(config, train=train),
                         ClusterConfig(cpus_per_worker=1.2, data_cpus=0.4, checkpoint_every=3)), file)
    return file


def search(machines: Any, config_file: Path, folder: Path, *options: str) -> Any:
    return machines.start("run_tune.py", "--config", str(config_file), "--out", str(folder.parent), "--name",
                          folder.name, *options)


def resume(machines: Any, folder: Path, *options: str) -> Any:
    return machines.start("run_tune.py", "--out", str(folder.parent), "--resume", folder.name, *options)


def assert_each_once(folder: Path, trials: int) -> None:
    """Every trial ended exactly once, and its reported scores are those that its run has written."""
    found = read_study(folder).get_trials()
    assert [trial.number for trial in found] == list(range(trials))
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in found), found
    for trial in found:
        written = {int(metrics["epoch"]): metrics["ap"]
                   for metrics in read_metrics(folder / "trials" / f"{trial.number:04d}")}
        assert trial.intermediate_values == {epoch: written[epoch] for epoch in trial.intermediate_values}
        assert len({tuple(other.params.items()) for other in found}) == trials
    rows = list(csv.DictReader((folder / "leaderboard.csv").open()))
    assert Counter(row["trial"] for row in rows) == Counter([f"{number:04d}" for number in range(trials)]
                                                            + ["supervised"])


def nodes(machines: Any, count: int) -> None:
    while len(machines.others()) < count:
        machines.add(2)
    machines.settle()


def running(folder: Path) -> bool:
    """Whether a trial has begun to train."""
    return any((folder / "trials").glob("*/progress.json"))


@pytest.mark.gate
def test_a_killed_search_and_its_resume_run_the_exact_number_of_trials(machines: Any, config_file: Path,
                                                                       tmp_path: Path) -> None:
    nodes(machines, 3)
    driver = search(machines, config_file, tmp_path / "search", "--trials", "3")
    machines.wait_until(lambda: running(tmp_path / "search"))
    study = read_study(tmp_path / "search")
    machines.wait_until(lambda: any(trial.state.is_finished() for trial in study.get_trials()))
    driver.process.kill()
    assert 128 - driver.wait() == causes()["SIGKILL, a power cut"].exit_code
    ended = {trial.number: trial.values for trial in read_study(tmp_path / "search").get_trials()
             if trial.state.is_finished()}
    machines.wait_until(lambda: not machines.workers())
    driver = resume(machines, tmp_path / "search")
    assert driver.wait() == 0, driver.output()
    assert_each_once(tmp_path / "search", 3)
    trials = read_study(tmp_path / "search").get_trials()
    assert {number: trials[number].values for number in ended} == ended  # none has run twice


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_stops_a_search_gently_and_resume_ends_it(machines: Any, config_file: Path, tmp_path: Path,
                                                           number: signal.Signals) -> None:
    nodes(machines, 3)
    driver = search(machines, config_file, tmp_path / "search", "--trials", "2")
    machines.wait_until(lambda: running(tmp_path / "search"))
    began = time.monotonic()
    driver.process.send_signal(number)
    assert driver.wait() == 128 + number, driver.output()
    print(f"search {number.name}: {time.monotonic() - began:.0f} s")
    assert "go on with: python run_tune.py --resume search" in driver.output()
    driver = resume(machines, tmp_path / "search")
    assert driver.wait() == 0, driver.output()
    assert_each_once(tmp_path / "search", 2)


def test_a_trial_that_loses_its_worker_is_tried_again_and_one_that_diverges_fails(machines: Any, config_file: Path,
                                                                                  tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("train.learning_rate: 0.004,1e8\nmethod.unsup_weight: 0.1..1\n")
    for node in machines.others()[1:]:
        machines.lose(node)
    nodes(machines, 1)
    driver = search(machines, config_file, tmp_path / "search", "--trials", "3", "--no-reference",
                    "--max-failures", "0", "--train.warmup-steps", "0", "--epochs", "1", "--space-file", str(space))
    machines.wait_until(lambda: (tmp_path / "search" / "trials" / "0000" / "progress.json").exists())
    machines.workers()[0].kill()
    assert driver.wait() == causes()["a trial diverges"].exit_code, driver.output()
    states = [trial.state for trial in read_study(tmp_path / "search").get_trials()]
    assert states[0] is TrialState.COMPLETE and len(states) == 3
    assert all(state.is_finished() for state in states)
    assert "[0000] was broken off: the training has failed 1 times in a row" in driver.output()
    diverging = [trial for trial in read_study(tmp_path / "search").get_trials()[1:]
                 if trial.params["train.learning_rate"] == 1e8]
    assert diverging, "the seed draws one"
    for trial in diverging:
        assert trial.state is TrialState.FAIL and trial.intermediate_values == {}
        # Its steps are skipped up to the evaluation, which meets poses that are not finite.
        assert re.search(rf"\[{trial.number:04d}\] FAILED: .*(diverged|not finite)", driver.output())
    rows = {row["trial"]: row["ap"] for row in csv.DictReader((tmp_path / "search" / "leaderboard.csv").open())}
    assert {rows[f"{trial.number:04d}"] for trial in diverging} == {""}
    best = tmp_path / "search" / "best.yaml"
    assert not best.exists() or jobs_config.load(best).config.train.learning_rate == 0.004


LEFT_OVER = """
import ray
from ray.util.state import list_actors, list_placement_groups
ray.init(log_to_driver=False)
groups = [group.placement_group_id for group in list_placement_groups(limit=10000) if group.state != "REMOVED"]
actors = [actor.class_name for actor in list_actors(limit=10000) if actor.state != "DEAD"]
print(groups, [name for name in actors if name not in {detached}])
"""
DETACHED = ["_AutoscalingCoordinatorActor", "_StatsActor", "TrainStateActor", "JobSupervisor"]
"""Ray's own, one of each for the whole cluster."""


def worsen(machines: Any, chance: random.Random) -> str:
    """Kill a worker, or lose a node and get another one."""
    workers = machines.workers()
    if workers and chance.random() < 0.5:
        with contextlib.suppress(psutil.NoSuchProcess):  # its trial has ended meanwhile
            chance.choice(workers).kill()
        return "worker"
    machines.lose(chance.choice(machines.others()))
    machines.add(2)
    return "node"


def test_a_search_survives_the_night(machines: Any, config_file: Path, tmp_path: Path) -> None:
    """Workers and nodes vanish at random every 20 s; `TRS_SOAK_SECONDS=300` makes the night longer."""
    nodes(machines, 3)
    trials = max(2, SOAK_SECONDS // 20)
    chance, log = random.Random(0), []
    driver = search(machines, config_file, tmp_path / "search", "--trials", str(trials), "--max-failures", "100")
    end = time.monotonic() + SOAK_SECONDS
    while time.monotonic() < end and driver.process.poll() is None:
        time.sleep(20)
        log.append(worsen(machines, chance))
    assert driver.wait(1200) == causes()["a node is lost"].exit_code, driver.output()
    print(f"{trials} trials, killed: {dict(Counter(log))}")
    assert_each_once(tmp_path / "search", trials)
    left = machines.start("-c", LEFT_OVER.replace("{detached}", repr(DETACHED)))
    assert left.wait() == 0 and left.output().strip().splitlines()[-1] == "[] []", left.output()
    assert [str(path) for path in tmp_path.rglob("*") if ".partial" in path.name or "probe" in path.name] == []


def test_a_search_that_others_resume_look_at_and_move_in_the_night(machines: Any, config_file: Path, tmp_path: Path
                                                                   ) -> None:
    nodes(machines, 3)
    folder, moved = tmp_path / "search", tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    trials = SOAK_SECONDS // 5
    driver = search(machines, config_file, folder, "--trials", str(trials), "--max-failures", "100")
    machines.wait_until(lambda: running(folder))
    chance, end = random.Random(1), time.monotonic() + SOAK_SECONDS
    while time.monotonic() < end:
        worsen(machines, chance)
        second, look = resume(machines, folder), machines.start("-m", "tune.compare", str(folder))
        assert second.wait() == 2 and "is held by process" in second.output(), second.output()
        assert look.wait() == 0, look.output()
        assert driver.process.poll() is None, driver.output()
    folder.rename(moved)
    assert driver.wait(30) == causes()["its folder is moved"].exit_code, driver.output()
    assert driver.output().splitlines().count(  # Ray may print after it what it knows of the nodes that were lost
        f"error: {folder} is gone: it was moved or deleted; resume it from where it lies now") == 1
    machines.wait_until(lambda: not machines.workers())
    begun = read_study(moved).get_trials()
    # Those that were running go on, whatever --trials says.
    trials = max(len(begun), 2 + sum(trial.state.is_finished() for trial in begun))
    driver = resume(machines, moved, "--trials", str(trials))
    assert driver.wait(1200) == 0, driver.output()
    assert not folder.exists()
    assert_each_once(moved, trials)


def test_a_search_that_is_moved_while_a_copy_takes_its_place_goes_on_where_it_lies(machines: Any, config_file: Path,
                                                                                   tmp_path: Path) -> None:
    for node in machines.others()[1:]:
        machines.lose(node)
    nodes(machines, 1)
    folder, moved = tmp_path / "search", tmp_path / "moved"
    driver = search(machines, config_file, folder, "--trials", "2")
    machines.wait_until(lambda: running(folder))
    folder.rename(moved)
    shutil.copytree(moved, folder)
    copied = contents(folder)
    assert driver.wait(30) == causes()["its folder is moved"].exit_code, driver.output()
    assert f"error: {folder} is gone: it was moved or deleted; resume it from where it lies now" in driver.output()
    machines.wait_until(lambda: not machines.workers())
    assert contents(folder) == copied
    driver = resume(machines, moved)
    assert driver.wait(1200) == 0, driver.output()
    assert contents(folder) == copied
    assert_each_once(moved, 2)


def contents(folder: Path) -> dict[Path, bytes]:
    """All files of a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
