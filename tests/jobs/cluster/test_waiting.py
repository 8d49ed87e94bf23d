"""What is said of runs that wait, beside a real cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from ray.util.state import list_actors

from jobs.cluster.ray_private import free_abandoned
from jobs.cluster.waiting import Head, goes_on
from jobs.run_folder.console import Pace
from trs.files import write_text


def run_at(folder: Path, step: int, seconds_ago: float) -> Pace:
    folder.mkdir()
    position = {"step": step, "total_steps": 100, "time": time.time() - seconds_ago}
    write_text(folder / "progress.json", json.dumps(position))
    return Pace(folder, began=time.time() - 1000)


def test_runs_that_go_on_wait_for_nothing(tmp_path: Path) -> None:
    paces = {"0000": run_at(tmp_path / "0", 7, 0), "0001": run_at(tmp_path / "1", 9, 2)}
    assert goes_on(paces) == "0000: step 7 of 100, 0001: step 9 of 100"


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_of_a_run_that_waits_or_hangs_it_is_said_what_the_cluster_has(tmp_path: Path) -> None:
    paces = {"0000": run_at(tmp_path / "0", 7, 90), "0001": Pace(tmp_path / "absent")}
    said = re.compile(r"0000: step 7 of 100, the last one 2 min ago, 0001: no step yet, 0 s after the start; "
                      r"[\d.]+ of the cluster's [\d.]+ CPUs are free(; `ray status` says what holds the others)?")
    assert said.fullmatch(goes_on(paces))
    assert goes_on({}).startswith("nothing runs yet; ")
    holder = ray.remote(num_cpus=1)(Holder).remote()
    ray.get(holder.is_there.remote())
    while not goes_on({}).endswith("; `ray status` says what holds the others"):
        time.sleep(0.1)
    ray.kill(holder)


def test_a_head_is_lost_in_seconds_that_this_process_was_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers here, as Ray does not run."""
    monkeypatch.setattr("jobs.cluster.waiting.LOST_SECONDS", 2.0)
    monkeypatch.setattr("jobs.cluster.waiting.ASLEEP_SECONDS", 1.0)
    head = Head(lambda: True)
    time.sleep(2.5)  # as after Ctrl-Z and `fg`
    assert not head.is_lost()
    woke = time.monotonic()
    while not head.is_lost():
        time.sleep(0.1)
    assert time.monotonic() - woke > 1.9


class Holder:
    """Holds a CPU."""

    def is_there(self) -> bool:
        return True


ENDS = """
import sys, time, ray
from ray.util.placement_group import placement_group, remove_placement_group
ray.init(log_to_driver=False, namespace="outliving")

@ray.remote(num_cpus=0)
class Controller:
    def begin_anew(self):
        while True:
            group = placement_group([{"CPU": 0.01}])
            group.wait(5)
            remove_placement_group(group)

    def reserve(self):
        self.group = placement_group([{"CPU": 0.5}])
        ray.get(self.group.ready())

outlives = Controller.options(lifetime="detached", name=sys.argv[1]).remote()
ray.get(outlives.reserve.remote())
controllers = [Controller.remote() for _ in range(6)]
for controller in controllers:
    controller.begin_anew.remote()
time.sleep(2)
"""
"""A command that ends while its controllers make reservations."""


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_cpus_that_an_ended_command_has_left_reserved_are_freed_and_no_others() -> None:
    free_abandoned()
    there = living()
    mine = placement_group([{"CPU": 0.5}])
    ray.get(mine.ready())
    for number in range(8):
        subprocess.run([sys.executable, "-c", ENDS, f"outlives-{number}"], check=True, capture_output=True, timeout=60,
                       env=os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address})
        outlives = ray.get_actor(f"outlives-{number}", namespace="outliving")
        while len(controllers()) > 1:
            time.sleep(0.1)
        if len(living() - there) > 2:  # Ray itself frees what is made before the command's end
            break
        ray.kill(outlives)
        while len(living() - there) > 1:
            time.sleep(0.1)
    else:
        pytest.skip("no reservation was made while a command ended, in eight tries")
    goes_on({})
    assert len(living() - there) == 2, "its own, and that of what outlives its command"
    ray.kill(outlives)
    remove_placement_group(mine)


def living() -> set[str]:
    return {group for group, found in placement_group_table().items() if found["state"] != "REMOVED"}


def controllers() -> list[str]:
    found = list_actors(address=ray.get_runtime_context().gcs_address,
                        filters=[("class_name", "=", "Controller"), ("state", "!=", "DEAD")])
    return [actor.actor_id for actor in found]
