"""What a cluster holds, and what fits on it."""

from __future__ import annotations

import os
from typing import Any

import loky
import pytest

from jobs.cluster import resources as cluster
from jobs.config import ClusterConfig, Job
from trs.config import Config, TrainConfig
from trs.errors import InputError


def job(workers: int = 1, **machines: Any) -> Job:
    return Job(Config(train=TrainConfig(workers=workers)), ClusterConfig(**machines))


def test_what_the_autoscaler_may_add_counts_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"memory": 1.0})  # a head without CPUs
    monkeypatch.setattr(cluster, "autoscaler_limits", lambda: {"CPU": 64.0, "GPU": 8.0})
    cluster.require_resources(job(workers=8, use_gpu=True))
    with pytest.raises(InputError, match=r"asks for 9 GPUs \(9 workers\), the cluster has 8"):
        cluster.require_resources(job(workers=9, use_gpu=True))
    monkeypatch.setattr(cluster, "autoscaler_limits", dict)
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [])
    with pytest.raises(InputError, match="the cluster has 0"):
        cluster.require_resources(job())


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_can_never_fit_is_refused_with_the_difference() -> None:
    with pytest.raises(InputError, match=r"asks for 225 CPUs \(100 workers\), the cluster has 8"):
        cluster.concurrency(job(workers=100, cpus_per_worker=2, data_cpus=0.25), None)


def test_workers_must_fit_on_whole_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    small, lost = {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [small] * 4 + [lost])
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": 4.0})
    monkeypatch.setattr(cluster, "autoscaler_limits", dict)
    cluster.require_resources(job(workers=4, cpus_per_worker=1.5, data_cpus=0.5))
    with pytest.raises(InputError, match=r"2 workers of 3 CPUs each are asked for, .* room for 0"):
        cluster.require_resources(job(workers=2, cpus_per_worker=3, data_cpus=0.5))
    assert cluster.concurrency(job(cpus_per_worker=1.2, data_cpus=0.1), None) == 4
    assert cluster.concurrency(job(workers=2, cpus_per_worker=0.5, data_cpus=0.1, use_gpu=True), None) == 2
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8.0}}])
    assert cluster.concurrency(job(workers=2, cpus_per_worker=1.2, data_cpus=0.1), None) == 3
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [small] * 4)
    elastic = job(workers=8, min_workers=3, cpus_per_worker=1.2, data_cpus=0.1)
    assert cluster.concurrency(elastic, None) == 1
    with pytest.raises(InputError, match=r"asks for 10\.4 CPUs \(8 workers\)"):
        cluster.concurrency(cluster.all_or_none(elastic), None)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_concurrency_is_what_the_cluster_holds() -> None:
    training = job(workers=2, cpus_per_worker=1, data_cpus=0.5)
    assert cluster.concurrency(training, None) == 2
    assert cluster.concurrency(training, 1) == 1
    with pytest.raises(InputError, match="must be at least 1"):
        cluster.concurrency(training, 0)


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
