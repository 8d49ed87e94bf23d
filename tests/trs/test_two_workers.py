"""Two processes that train together: what one of them meets holds for both."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trs import config as configs
from trs.config import Config
from trs.data.datasets import load_datasets

NOT_FINITE = (0, 1, 3, 4, 6, 7, 8)
"""Steps whose loss is NaN on rank 1."""
WORKER = """
import dataclasses, hashlib, json, logging, sys
from pathlib import Path
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from trs import bad_images, config as configs, loop
from trs.host import PlainHost
from trs.training import start_training
from trs.data.datasets import load_datasets
from trs.data.reader import stream_of
from trs.errors import Diverged, Interrupted, Interruption
from trs.methods.build import build_method

folder, rank, not_finite = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
config = configs.load(folder / "config.yaml")
datasets = load_datasets(config.data)
streams = {name: stream_of(people, datasets.skeleton.flip_order, config)
           for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}
found = {"states": [], "told": [], "gathered": 0}


class Told(logging.Handler):
    def emit(self, record):
        found["told"].append(record.getMessage())


bad_images.log.addHandler(Told())
gather = bad_images.gather_bad


def counted(*arguments):
    found["gathered"] += 1
    return gather(*arguments)


bad_images.gather_bad = counted


def digest(tensors):
    together = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        together.update(name.encode() + tensor.detach().numpy().tobytes())
    return together.hexdigest()


def state(training):
    networks = training.method.networks
    return {"trained": digest(dict(training.method.trained.named_parameters())),
            "all": digest(networks.state_dict()), "buffers": digest(dict(networks.named_buffers())),
            "adam": digest({f"{number}.{name}": value for number, values in
                            training.optimizer.state_dict()["state"].items() for name, value in values.items()})}


class Host(PlainHost):
    leave_at = None

    def wrap(self, networks):
        return DistributedDataParallel(networks)

    def interrupted(self, step):
        found["states"].append(state(self.training))
        return Interruption.LEAVE if rank == 1 and step == self.leave_at else None


def train(config, leave_at=None):
    method = build_method(config, len(datasets.skeleton))
    training = start_training(config, datasets, method, torch.device("cpu"))
    losses = method.losses

    def with_nan(forward, labeled, unlabeled, step, *rest):
        terms = losses(forward, labeled, unlabeled, step, *rest)
        broken = leave_at is None and rank == 1 and step in not_finite
        return {name: term * float("nan") if broken else term for name, term in terms.items()}

    method.losses = with_nan
    host = Host(streams)
    host.training, host.leave_at = training, leave_at
    found["first"] = state(training)
    try:
        loop.train(training, host)
        return "ended"
    except (Diverged, Interrupted) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        found["bad"] = list(training.counters.bad_images)


found["interrupted"] = train(config, leave_at=2)
found["states"], found["told"], found["gathered"] = [], [], 0
found["diverged"] = train(config)
(folder / f"rank_{rank}.json").write_text(json.dumps(found))
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def ranks(config: Config, drawn_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What both have seen, step by step; three images of unlabeled people are gone."""
    folder = tmp_path_factory.mktemp("two")
    root = shutil.copytree(drawn_root, folder / "people")
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, root=str(root), max_bad_images=0.5),
        train=dataclasses.replace(config.train, workers=2, batch_size=4, max_skipped_steps=2),
        eval=dataclasses.replace(config.eval, every=2))
    configs.save(config, folder / "config.yaml")
    datasets = load_datasets(config.data)
    for file in datasets.unlabeled.files[:3]:
        Path(datasets.unlabeled.root, str(file)).unlink()
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(rank), json.dumps(NOT_FINITE)],
                                stderr=subprocess.PIPE, text=True) for rank in range(2)]
    for worker in workers:
        _, said = worker.communicate(timeout=300)
        assert worker.returncode == 0, said
    found = [json.loads((folder / f"rank_{rank}.json").read_text()) for rank in range(2)]
    assert [len(rank["states"]) for rank in found] == [9, 9]
    return [rank | {"gone": sorted(f"train/{file}" for file in datasets.unlabeled.files[:3])} for rank in found]


def test_a_step_that_is_not_finite_on_one_worker_changes_nothing_on_either(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        states = [rank["first"], *rank["states"]]
        for step, (before, after) in enumerate(itertools.pairwise(states)):
            same = {part: before[part] == after[part] for part in before}
            if step in NOT_FINITE:  # the EMA and BatchNorm's statistics are among all
                assert same == dict.fromkeys(before, True), step
            else:
                assert same == dict.fromkeys(before, False), step


def test_both_workers_have_the_same_weights_after_every_step(ranks: list[dict[str, Any]]) -> None:
    for one, other in zip(ranks[0]["states"], ranks[1]["states"], strict=True):
        assert (one["trained"], one["adam"]) == (other["trained"], other["adam"])


def test_good_steps_end_the_row_and_both_diverge_together(ranks: list[dict[str, Any]]) -> None:
    """Steps 1, 2 and 4, 5 are two in a row, which are allowed; 7 to 9 are one too many."""
    for rank in ranks:
        assert rank["diverged"].startswith("Diverged: the gradients of 3 steps in a row, up to step 9, are not finite;")


def test_one_workers_interruption_is_both_workers(ranks: list[dict[str, Any]]) -> None:
    assert [rank["interrupted"] for rank in ranks] == \
        ["Interrupted: interrupted after step 2, whose state is saved"] * 2


def test_each_bad_image_is_counted_by_both_and_told_by_one(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert sorted(rank["bad"]) == rank["gone"]
        assert 1 <= rank["gathered"] <= 3, "the names travel only in steps where one was met for the first time"
    assert ranks[0]["bad"] == ranks[1]["bad"]
    assert [len(rank["told"]) for rank in ranks] == [3, 0]
