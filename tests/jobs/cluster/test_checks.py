"""What is made of a node's report: findings, each with a level and a remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from jobs.cluster.checks import small_store, told_by
from jobs.cluster.finding import Finding
from jobs.cluster.node import NodeReport
from jobs.cluster.resources import DRIVER
from jobs.config import ClusterConfig, Job
from trs.config import Config, TrainConfig

GIB, MIB = 2**30, 2**20
SOUND = NodeReport({"Python": "3.11.2"}, None, {}, None, 13, Path("/dev/shm"), 32 * GIB, detects_hangs=True)
GPU_JOB = Job(Config(train=TrainConfig(workers=2)), ClusterConfig(use_gpu=True))
STORE = {"object_store_memory": 4.0 * GIB}


def node(resources: dict[str, float], **labels: str) -> dict[str, Any]:
    """A node as `ray.nodes` says it."""
    return {"NodeID": "0123456789", "NodeManagerAddress": "10.0.0.2", "Resources": resources, "Labels": labels}


def told(there: NodeReport, resources: dict[str, float], job: Job = GPU_JOB, concurrent: int = 1, launched: Any = None,
         **labels: str) -> dict[str, Finding]:
    """The findings of a node by what they are about."""
    return {one.about.removeprefix("node 10.0.0.2 (01234567): "): one
            for one in told_by(there, job, SOUND, node(resources, **labels), concurrent, launched)}


def test_a_sound_node_is_well_in_all_that_is_looked_at() -> None:
    found = told(SOUND, {"CPU": 8.0, "GPU": 2.0, **STORE})
    assert {one.level for one in found.values()} == {"ok"}
    assert found.keys() == {"storage, images, versions, weights", "driver", "hang detection", "object store",
                            "object store's size"}


def test_a_driver_that_does_not_fit_is_an_error_and_one_that_is_not_seen_a_warning() -> None:
    gpus = {"CPU": 8.0, "GPU": 2.0, **STORE}
    old, none = (dataclasses.replace(SOUND, cuda=cuda) for cuda in (1, None))
    assert torch.version.hip is None
    assert told(old, gpus)["driver"].level == "error" and "update the driver" in str(told(old, gpus)["driver"].said)
    assert told(none, gpus)["driver"].level == "warning"
    assert "driver" not in told(old, {"CPU": 8.0, **STORE}) and "driver" not in told(old, gpus, Job(Config()))


def test_hangs_matter_to_several_workers_on_gpus() -> None:
    gpus, blind = {"CPU": 8.0, "GPU": 2.0, **STORE}, dataclasses.replace(SOUND, detects_hangs=False)
    assert told(blind, gpus)["hang detection"].level == "warning"
    one = dataclasses.replace(GPU_JOB, config=Config())
    assert "hang detection" not in told(blind, gpus, one) and "hang detection" not in told(blind, gpus, Job(Config()))


def test_a_store_on_disk_is_a_warning() -> None:
    small = dataclasses.replace(SOUND, store=Path("/tmp"))
    assert told(small, {"CPU": 8.0, **STORE})["object store"].level == "warning"


def test_a_store_is_compared_with_the_trainings_that_fit_at_a_time() -> None:
    resources, job = {"CPU": 16.0, "object_store_memory": 1024.0 * MIB}, Job(Config(), ClusterConfig(cpus_per_worker=2))
    of = {concurrent: told(SOUND, resources, job, concurrent)["object store's size"] for concurrent in (4, 5, 100)}
    assert [of[concurrent].level for concurrent in of] == ["ok", "warning", "warning"]
    assert "5 workers at a time on node 10.0.0.2 (01234567) read ahead up to 1280 MiB, its object store holds 1024" in (
        str(of[5].said))
    assert str(of[100].said).startswith("8 workers"), "more do not fit there"
    assert small_store("n", 0, 0.0) is None


def test_no_weights_are_spoken_of_where_no_worker_can_run() -> None:
    found = told(SOUND, {"CPU": 0.0, **DRIVER, **STORE})
    assert "storage, images, versions" in found and "storage, images, versions, weights" not in found


def test_the_head_is_looked_at_by_its_label_and_by_what_it_was_launched_with() -> None:
    head = {"CPU": 0.0, **DRIVER, **STORE}
    assert told(SOUND, head, **{"ray.io/market-type": "spot"})["head: machine"].level == "warning"
    spot = {"head_node_type": "head", "available_node_types": {"head": {"node_config": {
        "InstanceMarketOptions": {"MarketType": "spot"}}}}}
    assert told(SOUND, head, launched=spot)["head: machine"].level == "warning"
    assert told(SOUND, head, **{"ray.io/market-type": "on-demand"})["head: machine"].level == "ok"
    assert "head: machine" not in told(SOUND, head)
    assert "head: machine" not in told(SOUND, {"CPU": 8.0, **STORE}, launched=spot), "a worker may be one"
    assert told(SOUND, head, concurrent=99)["head: memory"].level == "warning"
