"""What is said of runs that wait, beside a real cluster."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import ray

from jobs.cluster.waiting import goes_on
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


class Holder:
    """Holds a CPU."""

    def is_there(self) -> bool:
        return True
