"""What a cluster holds, and what fits on it."""

from __future__ import annotations

import dataclasses

import pytest

from jobs.cluster import resources as cluster
from trs.config import TrainConfig
from trs.errors import InputError


def test_what_the_autoscaler_may_add_counts_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"memory": 1.0})  # a head without CPUs
    monkeypatch.setattr(cluster.state, "get_max_resources_from_cluster_config", lambda: {"CPU": 64, "GPU": 8})
    cluster.require_resources(TrainConfig(workers=8, use_gpu=True))
    with pytest.raises(InputError, match=r"asks for 9 GPUs \(9 workers\), the cluster has 8"):
        cluster.require_resources(TrainConfig(workers=9, use_gpu=True))
    monkeypatch.setattr(cluster.state, "get_max_resources_from_cluster_config", lambda: None)
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [])
    with pytest.raises(InputError, match="the cluster has 0"):
        cluster.require_resources(TrainConfig())


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_can_never_fit_is_refused_with_the_difference() -> None:
    with pytest.raises(InputError, match=r"asks for 225 CPUs \(100 workers\), the cluster has 8"):
        cluster.concurrency(TrainConfig(workers=100, cpus_per_worker=2, data_cpus=0.25), None)


def test_workers_must_fit_on_whole_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    small, lost = {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [small] * 4 + [lost])
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": 4.0})
    monkeypatch.setattr(cluster.state, "get_max_resources_from_cluster_config", lambda: None)
    cluster.require_resources(TrainConfig(workers=4, cpus_per_worker=1.5, data_cpus=0.5))
    with pytest.raises(InputError, match=r"2 workers of 3 CPUs each are asked for, .* room for 0"):
        cluster.require_resources(TrainConfig(workers=2, cpus_per_worker=3, data_cpus=0.5))
    assert cluster.concurrency(TrainConfig(cpus_per_worker=1.2, data_cpus=0.1), None) == 4
    assert cluster.concurrency(TrainConfig(workers=2, cpus_per_worker=0.5, data_cpus=0.1, use_gpu=True), None) == 2
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8.0}}])
    assert cluster.concurrency(TrainConfig(workers=2, cpus_per_worker=1.2, data_cpus=0.1), None) == 3
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [small] * 4)
    elastic = TrainConfig(workers=8, min_workers=3, cpus_per_worker=1.2, data_cpus=0.1)
    assert cluster.concurrency(elastic, None) == 1
    with pytest.raises(InputError, match=r"asks for 10\.4 CPUs \(8 workers\)"):
        cluster.concurrency(dataclasses.replace(elastic, min_workers=None), None)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_concurrency_is_what_the_cluster_holds() -> None:
    train = TrainConfig(workers=2, cpus_per_worker=1, data_cpus=0.5)
    assert cluster.concurrency(train, None) == 2
    assert cluster.concurrency(train, 1) == 1
    with pytest.raises(InputError, match="must be at least 1"):
        cluster.concurrency(train, 0)
