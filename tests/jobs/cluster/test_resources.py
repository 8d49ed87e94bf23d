"""What a cluster holds, and what fits on it."""

from __future__ import annotations

import os
import re
from typing import Any

import loky
import pytest

from jobs.cluster import resources as cluster
from jobs.config import ClusterConfig, Job
from trs.config import Config, TrainConfig
from trs.errors import InputError


def job(workers: int = 1, **machines: Any) -> Job:
    return Job(Config(train=TrainConfig(workers=workers)), ClusterConfig(**machines))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_can_never_fit_is_refused_with_the_difference() -> None:
    with pytest.raises(InputError, match=r"asks for 225 CPUs \(100 workers\), the cluster has 8"):
        cluster.room_for(job(workers=100, cpus_per_worker=2, data_cpus=0.25), None)


def test_workers_must_fit_on_whole_nodes() -> None:
    small = [{"CPU": 2.0, "GPU": 1.0}] * 4
    assert cluster.lack(job(workers=4, cpus_per_worker=1.5, data_cpus=0.5), small) is None
    said = cluster.lack(job(workers=2, cpus_per_worker=3, data_cpus=0.5), small)
    assert said is not None and re.search(r"2 workers of 3 CPUs each are asked for, .* room for 0", said)
    assert cluster.fitting(job(cpus_per_worker=1.2, data_cpus=0.1), small) == 4
    assert cluster.fitting(job(workers=2, cpus_per_worker=0.5, data_cpus=0.1, use_gpu=True), small) == 2
    assert cluster.fitting(job(workers=2, cpus_per_worker=1.2, data_cpus=0.1), [{"CPU": 8.0}]) == 3
    elastic = job(workers=8, min_workers=3, cpus_per_worker=1.2, data_cpus=0.1)
    assert cluster.lack(elastic, small) is None and cluster.fitting(elastic, small) == 0
    said = cluster.lack(cluster.all_or_none(elastic), small)
    assert said is not None and "asks for 10.4 CPUs (8 workers), the cluster has 8" in said


def test_a_remedy_works_in_the_case_at_hand() -> None:
    nodes = [{"CPU": 8.0, "GPU": 2.0}]
    assert (cluster.lack(job(workers=3, use_gpu=True, cpus_per_worker=1, data_cpus=0.1), nodes) or "").endswith(
        "asks for 3 GPUs (3 workers), the cluster has 2; lower train.workers")
    assert (cluster.lack(job(use_gpu=True), [{"CPU": 8.0}]) or "").endswith("the cluster has 0; leave out --use-gpu")


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_concurrency_is_what_the_cluster_holds() -> None:
    training = job(workers=2, cpus_per_worker=1, data_cpus=0.5)
    assert cluster.room_for(training, None)() == 2 and cluster.room_for(training, 1)() == 1
    assert str(cluster.room_for(training, None)) == "2 at a time"
    with pytest.raises(InputError, match="must be at least 1"):
        cluster.room_for(training, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_workers_share_the_cores_that_there_are_not_those_that_ray_was_told() -> None:
    there = len(os.sched_getaffinity(0))
    assert cluster.share_cores(job()).cluster.threads == min(there, loky.cpu_count())
    assert cluster.share_cores(job(), concurrent=there).cluster.threads == 1
    assert cluster.share_cores(job(workers=50)).cluster.threads == 1
    assert cluster.share_cores(job(threads=3)).cluster.threads == 3  # a run keeps its number
    assert cluster.share_cores(job(cpus_per_worker=4), concurrent=8).cluster.threads == 4
    assert cluster.share_cores(job(use_gpu=True)).cluster.threads == 1


def test_nodes_divide_their_cores_among_the_trainings_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def get_node_id(self) -> str:
            return "driver"

    nodes = [{"NodeID": str(number), "Alive": True, "Resources": {"CPU": 16.0}} for number in range(4)]
    head = {"NodeID": "head", "Alive": True, "Resources": {}}  # Ray starts nothing there
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [head, *nodes])
    monkeypatch.setattr(cluster.ray, "get_runtime_context", Context)
    assert [cluster.share_cores(job(), concurrent).cluster.threads for concurrent in (1, 4, 5, 8, 64, 99)] == [
        16, 16, 8, 8, 1, 1]
    assert cluster.share_cores(job(workers=2), 4).cluster.threads == 8
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [head])  # a cluster that grows from zero
    assert cluster.share_cores(job(cpus_per_worker=2)).cluster.threads == 2
