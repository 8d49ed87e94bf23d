"""Trainings on several nodes that lose workers, nodes, checkpoints and storage: each test breaks the real thing."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.checkpoints import load_newest_whole
from jobs.run_folder.layout import read_events
from jobs.run_folder.metrics import read_metrics
from trs import checkpoint as checkpoints
from trs.config import Config

pytestmark = pytest.mark.long
STEPS = 60


@pytest.fixture(scope="module")
def config_file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workers that do not fit on a node of two CPUs; 60 steps in 3 epochs, a checkpoint every 5."""
    train = dataclasses.replace(config.train, epochs=3, batch_size=1, workers=2)
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    jobs_config.save(Job(dataclasses.replace(config, train=train),
                         ClusterConfig(cpus_per_worker=1.2, data_cpus=0.4, checkpoint_every=5)), file)
    return file


def start(machines: Any, config_file: Path, folder: Path, *options: str) -> Any:
    return machines.start("-m", "jobs.train", "--config", str(config_file), "--out", str(folder.parent), "--name",
                          folder.name, *options)


def resume(machines: Any, folder: Path) -> Any:
    return machines.start("-m", "jobs.train", "--out", str(folder.parent), "--resume", folder.name)


def step_of(folder: Path) -> int:
    try:
        return int(json.loads((folder / "progress.json").read_text())["step"])
    except (OSError, ValueError):
        return -1


def lost_steps(folder: Path) -> list[int]:
    """What each restart has cost."""
    return [int(step) for event in read_events(folder) for step in re.findall(r"(\d+) steps are repeated", event)]


def weights(folder: Path) -> dict[str, Any]:
    newest = checkpoints.newest(folder)
    assert checkpoints.load(newest).counters.step == STEPS
    return load_file(newest / "networks.safetensors")


def assert_equal(folder: Path, reference: Path) -> None:
    """The same weights to the last bit, and the same scores."""
    expected, found = weights(reference), weights(folder)
    assert expected and all(found[name].equal(value) for name, value in expected.items())
    assert [metrics["ap"] for metrics in read_metrics(folder)] == [metrics["ap"] for metrics in read_metrics(reference)]


def seconds_until(machines: Any, folder: Path, step: int) -> float:
    """How long the run takes to come past a step again."""
    began, lost = time.monotonic(), len(lost_steps(folder))
    machines.wait_until(lambda: len(lost_steps(folder)) > lost and step_of(folder) > step)
    return time.monotonic() - began


def keep_two(machines: Any) -> None:
    """Nodes as they were before a test: two, of two CPUs each."""
    for node in machines.others()[2:]:
        machines.lose(node)
    while len(machines.others()) < 2:
        machines.add(2)
    machines.settle()


@pytest.fixture(scope="module")
def through(machines: Any, config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two workers on two nodes that nothing happened to."""
    keep_two(machines)
    folder = tmp_path_factory.mktemp("runs") / "through"
    driver = start(machines, config_file, folder)
    assert driver.wait() == 0, driver.output()
    assert read_events(folder) == []
    return folder


def test_two_nodes_of_one_worker_train_as_one_node_of_two(machines: Any, through: Path, config_file: Path,
                                                          tmp_path: Path) -> None:
    big = machines.add(4)
    for node in machines.others():
        if node is not big:
            machines.lose(node)
    driver = start(machines, config_file, tmp_path / "one")
    hosts = machines.wait_until(lambda: [machines.node_of(worker) for worker in machines.workers()])
    assert driver.wait() == 0, driver.output()
    assert hosts == [big] * len(hosts)
    machines.lose(big)
    # Two summands come to the same sum in either order, so even the last bit agrees.
    assert_equal(tmp_path / "one", through)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGKILL, marks=pytest.mark.gate), signal.SIGTERM],
                         ids=["SIGKILL", "SIGTERM"])
def test_a_worker_that_is_killed_costs_at_most_the_interval(machines: Any, through: Path, config_file: Path,
                                                            tmp_path: Path, number: signal.Signals) -> None:
    keep_two(machines)
    driver = start(machines, config_file, tmp_path / "run")
    machines.wait_until(lambda: step_of(tmp_path / "run") >= 8)
    machines.workers()[-1].send_signal(number)
    seconds = seconds_until(machines, tmp_path / "run", 8)
    assert driver.wait() == 0, driver.output()
    lost = lost_steps(tmp_path / "run")
    assert len(lost) == 1 and lost[0] <= (5 if number is signal.SIGKILL else 1)
    print(f"worker {number.name}: {seconds:.0f} s, {lost[0]} steps lost")
    assert_equal(tmp_path / "run", through)


@pytest.mark.gate
def test_a_lost_node_is_replaced_by_a_spare(machines: Any, through: Path, config_file: Path, tmp_path: Path) -> None:
    keep_two(machines)
    machines.add(2)
    driver = start(machines, config_file, tmp_path / "run")
    machines.wait_until(lambda: step_of(tmp_path / "run") >= 8)
    machines.lose(machines.node_of(machines.workers()[0]))
    seconds = seconds_until(machines, tmp_path / "run", 8)
    assert driver.wait() == 0, driver.output()
    lost = lost_steps(tmp_path / "run")
    assert len(lost) == 1 and lost[0] <= 5
    print(f"node lost, spare: {seconds:.0f} s, {lost[0]} steps lost")
    assert_equal(tmp_path / "run", through)


def test_a_spot_machine_that_is_taken_back_is_left_with_a_checkpoint_at_once(
        machines: Any, through: Path, config_file: Path, tmp_path: Path, cloud: Any) -> None:
    """The cloud's notice, the drain of the node as Kubernetes and Ray's autoscaler announce it too, and its end."""
    keep_two(machines)
    machines.add(2)
    driver = start(machines, config_file, tmp_path / "run", "--max-failures", "0")
    machines.wait_until(lambda: step_of(tmp_path / "run") >= 8)
    node = machines.node_of(machines.workers()[0])
    watcher = machines.start("jobs/deploy/spot.py", "aws", "--metadata", cloud.address, "--node-id", node.node_id)
    cloud.taken_back = True
    seconds = seconds_until(machines, tmp_path / "run", 8)
    assert watcher.wait() == 0, watcher.output()
    machines.lose(node)
    assert driver.wait() == 0, driver.output()
    assert lost_steps(tmp_path / "run") in ([0], [1])
    print(f"node taken back: {seconds:.0f} s, {lost_steps(tmp_path / 'run')[0]} steps lost")
    assert_equal(tmp_path / "run", through)


def test_an_elastic_run_continues_with_one_worker_and_then_with_two_again(machines: Any, config_file: Path,
                                                                       tmp_path: Path) -> None:
    keep_two(machines)
    folder = tmp_path / "run"
    driver = start(machines, config_file, folder, "--min-workers", "1", "--resize-seconds", "3",
                   "--epochs", "40")  # one worker must not be done before the other is back
    machines.wait_until(lambda: step_of(folder) >= 23)
    machines.lose(machines.node_of(machines.workers()[0]))
    seconds = seconds_until(machines, folder, 23)
    print(f"node lost, elastic: {seconds:.0f} s, {lost_steps(folder)[0]} steps lost")
    machines.add(2)
    began = time.monotonic()
    machines.wait_until(lambda: any("with 2 of 2 workers" in event for event in read_events(folder)))
    print(f"node back: {time.monotonic() - began:.0f} s, {lost_steps(folder)[-1]} steps lost")
    assert driver.wait() == 0, driver.output()
    assert any("with 1 of 2 workers" in event for event in read_events(folder))
    assert max(lost_steps(folder)) <= 5
    assert checkpoints.load(checkpoints.newest(folder)).counters.step == 800  # as if nothing had happened
    assert [metrics["epoch"] for metrics in read_metrics(folder)] == list(range(1, 41))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_to_the_command_saves_and_resume_loses_nothing(machines: Any, through: Path, config_file: Path,
                                                                tmp_path: Path, number: signal.Signals) -> None:
    keep_two(machines)
    driver = start(machines, config_file, tmp_path / "run")
    machines.wait_until(lambda: step_of(tmp_path / "run") >= 8)
    began = time.monotonic()
    driver.process.send_signal(number)
    assert driver.wait() == 128 + number, driver.output()
    print(f"command {number.name}: {time.monotonic() - began:.0f} s")
    assert f"--resume run --out {tmp_path}" in driver.output()
    driver = resume(machines, tmp_path / "run")
    assert driver.wait() == 0, driver.output()
    assert lost_steps(tmp_path / "run") == [0]
    assert_equal(tmp_path / "run", through)


def test_a_killed_command_with_a_damaged_newest_checkpoint_resumes_from_the_one_before(
        machines: Any, through: Path, config_file: Path, tmp_path: Path) -> None:
    keep_two(machines)
    driver = start(machines, config_file, tmp_path / "run")
    machines.wait_until(lambda: step_of(tmp_path / "run") >= 13)  # two checkpoints
    driver.process.kill()
    driver.wait()
    machines.wait_until(lambda: not machines.workers())
    newest = checkpoints.newest(tmp_path / "run") / "optimizer.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    driver = resume(machines, tmp_path / "run")
    assert driver.wait() == 0, driver.output()
    assert f"{newest.parent} is damaged" in driver.output()
    assert len(lost_steps(tmp_path / "run")) == 1 and lost_steps(tmp_path / "run")[0] <= 10
    assert_equal(tmp_path / "run", through)


def test_a_storage_that_fills_up_ends_the_run_in_a_sentence_and_more_room_lets_it_resume(
        machines: Any, through: Path, config_file: Path, tmp_path: Path) -> None:
    size = sum(file.stat().st_size for file in through.glob("checkpoint_*/*"))  # two checkpoints, not three
    (tmp_path / "small").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", tmp_path / "small"],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this test mounts a file system: {mounted.stderr.strip()}")
    keep_two(machines)
    try:
        driver = start(machines, config_file, tmp_path / "small" / "run")
        assert driver.wait() == 2, driver.output()
        assert "cannot be written" in driver.output().splitlines()[-1], driver.output()
        whole = load_newest_whole(tmp_path / "small" / "run")
        assert whole is not None and whole.counters.step >= 5
        subprocess.run(["mount", "-o", f"remount,size={4 * size}", tmp_path / "small"], check=True)
        driver = resume(machines, tmp_path / "small" / "run")
        assert driver.wait() == 0, driver.output()
        assert_equal(tmp_path / "small" / "run", through)
    finally:
        subprocess.run(["umount", "-l", tmp_path / "small"], check=True)


def test_more_than_the_cluster_has_is_refused_in_seconds(machines: Any, config_file: Path,
                                                         tmp_path: Path) -> None:
    keep_two(machines)
    driver = start(machines, config_file, tmp_path / "run", "--workers", "9")
    assert driver.wait(60) == 2
    assert re.search(r"error: one training asks for 14\.4 CPUs \(9 workers\), the cluster has 4", driver.output())
    assert not (tmp_path / "run").exists()
