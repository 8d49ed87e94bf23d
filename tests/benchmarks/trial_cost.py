"""What a trial costs beside its workers: `python -m tests.benchmarks.trial_cost [--trials 1 2 4]`.

For each number of trials a search of tiny networks runs them at once on a cluster of its own. While all train, the
memory of each kind of process is read from /proc: PSS, in which what several share counts once, and RSS. CPU seconds
are those of a process's whole life, as far as it was seen. What the object store has taken of /dev/shm, and does not
give back, is that of the whole search, its datasets and images that are read ahead among it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import ray
import torch

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["--preset", "demo", "--model.backbones", "resnet_tiny", "resnet_tiny", "--model.head-channels", "16",
           "--data.input-size", "64", "64", "--train.epochs", "3", "--eval.every", "3", "--train.burn-in", "0",
           "--cpus-per-worker", "0.2", "--data-cpus", "0.2", "--no-reference", "--grace-epochs", "3", "--threads", "1"]
KINDS = {"ImplicitFunc": "trial's driver", "TrainController": "Ray Train's controller", "RayTrainWorker": "worker",
         "_QueueActor": "queue of reports", "PlacementGroupCleaner": "Ray Train's cleaner",
         "SynchronizationActor": "Ray Train's barrier", "DatasetManager": "Ray Train's datasets",
         "_StatsActor": "Ray Data's statistics", "AutoscalingCoordinator": "Ray Data's coordinator",
         "TrainStateActor": "Ray Train's states", "IDLE": "idle", "run_tune.py": "the command", "_map_task": "reading"}
OF_TRIAL = ["trial's driver", "Ray Train's controller", "queue of reports", "Ray Train's cleaner",
            "Ray Train's barrier", "Ray Train's datasets"]
"""What every trial has of its own, beside workers."""


@dataclass
class Seen:
    """What was seen of the processes of a kind.

    most: bytes of PSS and of RSS, of all at once, when they took the most PSS.
    count: of them then.
    cpu: seconds by process.
    """

    most: tuple[int, int] = (0, 0)
    count: int = 0
    cpu: dict[int, float] = field(default_factory=dict)


def kind_of(process: psutil.Process) -> str | None:
    """What a process is, by its command line; Ray writes there what an actor runs."""
    title = " ".join(process.cmdline())
    return next((name for part, name in KINDS.items() if part in title), "other" if "ray::" in title else None)


def look(command: psutil.Process, seen: dict[str, Seen]) -> None:
    """Note what the processes below a command take now."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for process in [command, *command.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            if (kind := kind_of(process)) is not None:
                memory, times = process.memory_full_info(), process.cpu_times()
                found[kind].append((memory.pss, memory.rss))
                seen[kind].cpu[process.pid] = times.user + times.system
    for kind, taken in found.items():
        most = sum(pss for pss, _ in taken), sum(rss for _, rss in taken)
        if most > seen[kind].most:
            seen[kind].most, seen[kind].count = most, len(taken)


def measure(trials: int, folder: Path) -> tuple[dict[str, Seen], int]:
    """Run a search of so many trials at once, and look twice a second; also returns the object store's bytes."""
    seen: dict[str, Seen] = defaultdict(Seen)
    before, most = shutil.disk_usage("/dev/shm").used, 0
    words = ["run_tune.py", *OPTIONS, "--trials", str(trials), "--concurrent", str(trials), "--name", f"cost{trials}",
             "--out", str(folder)]
    with open(folder / f"output{trials}.txt", "w") as output:
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                                   env=os.environ | {"PYTHONPATH": str(ROOT)})
        command = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                look(command, seen)
            most = max(most, shutil.disk_usage("/dev/shm").used - before)
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit((folder / f"output{trials}.txt").read_text())
    return seen, most


def main(arguments: list[str]) -> None:
    """Print a table for each number of trials, and what one trial costs."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trial_cost", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4], help="at a time")
    trials = parser.parse_args(arguments).trials
    print(f"torch {torch.__version__}, ray {ray.__version__}, {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory() as folder:
        for number in trials:
            seen, stored = measure(number, Path(folder))
            print(f"\n{number} at a time{'':<16} processes   PSS MB   RSS MB   CPU s")
            for kind, each in sorted(seen.items(), key=lambda item: -item[1].most[0]):
                pss, rss = (size / 1e6 for size in each.most)
                print(f"  {kind:<26} {each.count:9} {pss:8.0f} {rss:8.0f} {sum(each.cpu.values()):7.1f}")
            own = [seen[kind] for kind in OF_TRIAL if kind in seen]
            pss, rss = (sum(each.most[place] for each in own) / 1e6 / number for place in (0, 1))
            count, cpu = (sum(of) / number for of in zip(*((each.count, sum(each.cpu.values())) for each in own),
                                                         strict=True))
            print(f"  a trial, beside its workers {count:8.1f} {pss:8.0f} {rss:8.0f} {cpu:7.1f}")
            print(f"  object store {stored / 2**20:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
