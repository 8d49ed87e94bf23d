"""What a cluster holds, and what fits on it."""

from __future__ import annotations

import os
import re
from typing import Any

import loky
import pytest

from jobs.cluster import resources as cluster
from jobs.cluster.growth import Node
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
    small = [Node({"CPU": 2.0, "GPU": 1.0})] * 4
    assert cluster.lack(job(workers=4, cpus_per_worker=1.5, data_cpus=0.5), small) is None
    said = cluster.lack(job(workers=2, cpus_per_worker=3, data_cpus=0.5), small)
    assert said is not None and re.search(r"2 workers of 3 CPUs each are asked for, .* room for 0", said)
    assert cluster.fitting(job(cpus_per_worker=1.2, data_cpus=0.1), small) == 4
    assert cluster.fitting(job(workers=2, cpus_per_worker=0.5, data_cpus=0.1, use_gpu=True), small) == 2
    assert cluster.fitting(job(workers=2, cpus_per_worker=1.2, data_cpus=0.1), [Node({"CPU": 8.0})]) == 3
    elastic = job(workers=8, min_workers=3, cpus_per_worker=1.2, data_cpus=0.1)
    assert cluster.lack(elastic, small) is None and cluster.fitting(elastic, small) == 0
    said = cluster.lack(cluster.all_or_none(elastic), small)
    assert said is not None and "asks for 10.4 CPUs (8 workers), the cluster has 8" in said


def test_a_remedy_works_in_the_case_at_hand() -> None:
    nodes = [Node({"CPU": 8.0, "GPU": 2.0})]
    assert (cluster.lack(job(workers=3, use_gpu=True, cpus_per_worker=1, data_cpus=0.1), nodes) or "").endswith(
        "asks for 3 GPUs (3 workers), the cluster has 2; lower train.workers (--min-workers on a resume)")
    assert (cluster.lack(job(use_gpu=True), [Node({"CPU": 8.0})]) or "").endswith(
        "the cluster has 0; --no-use-gpu trains on CPUs")


def test_workers_share_a_gpu_but_none_lies_across_two() -> None:
    two = [Node({"CPU": 16.0, "GPU": 2.0})]
    for share, trainings in ((1.0, 2), (0.7, 2), (0.5, 4), (0.4, 4), (0.3, 6), (0.25, 8)):
        assert cluster.fitting(job(use_gpu=True, gpus_per_worker=share, data_cpus=0.1), two) == trainings, share
    with pytest.raises(InputError, match="is for trainings of one worker"):
        job(workers=2, use_gpu=True, gpus_per_worker=0.5)
    with pytest.raises(InputError, match="at most 1, got 2"):
        job(use_gpu=True, gpus_per_worker=2)


def test_workers_run_on_the_nodes_that_are_chosen() -> None:
    there = [Node({"CPU": 8.0, "GPU": 1.0}, {"ray.io/accelerator-type": "H100"}), Node({"CPU": 8.0, "GPU": 4.0})]
    chosen = job(workers=2, use_gpu=True, node_labels=("ray.io/accelerator-type=H100",))
    assert (cluster.lack(chosen, there) or "").startswith(
        "one training asks for 2 GPUs (2 workers), the nodes with ray.io/accelerator-type=H100 have 1")
    others = job(workers=2, use_gpu=True, node_labels=("ray.io/accelerator-type=!H100",))
    assert cluster.lack(others, there) is None and cluster.fitting(others, there) == 2
    nowhere = job(node_labels=("zone=in(a,b)",))
    without = [there[1], Node({"CPU": 8.0}, {"ray.io/accelerator-type": "H100"})]
    assert (cluster.lack(chosen, without) or "").endswith("have 0; mend --node-labels")
    with pytest.raises(InputError, match=r"do not go with cluster\.min_workers"):
        job(workers=2, min_workers=1, node_labels=("zone=a",))
    assert (cluster.lack(nowhere, there) or "").startswith("no node has zone=in(a,b); `ray list nodes --detail`")
    assert cluster.scaling(chosen).label_selector == {"ray.io/accelerator-type": "H100"}


def test_a_command_holds_no_more_than_its_share() -> None:
    training = job(workers=2, use_gpu=True, cpus_per_worker=1, data_cpus=0.5)
    assert cluster.Share().trainings(training) is None
    assert cluster.Share(cpus=7).trainings(training) == cluster.Share(gpus=4.5).trainings(training) == 2
    assert cluster.Share(cpus=100, gpus=2).trainings(training) == 1
    assert cluster.Share(gpus=8).trainings(job(use_gpu=True, gpus_per_worker=0.4)) == 16  # two on each
    halves = job(use_gpu=True, gpus_per_worker=0.5)
    assert [cluster.Share(gpus=gpus).trainings(halves) for gpus in (0.5, 1, 1.5)] == [1, 2, 3]
    with pytest.raises(InputError, match="--max-gpus has no effect without --use-gpu"):
        cluster.Share(gpus=8).trainings(job())
    with pytest.raises(InputError, match="one training takes 3 CPUs, which --max-cpus does not allow"):
        cluster.Share(cpus=2).trainings(training)
    for limit in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="--max-gpus must be positive"):
            cluster.Share(gpus=limit)
    assert str(cluster.Share(16, 0.5)) == " --max-cpus 16 --max-gpus 0.5" and str(cluster.Share()) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_concurrency_is_what_the_cluster_holds() -> None:
    training = job(workers=2, cpus_per_worker=1, data_cpus=0.5)
    assert cluster.room_for(training, None)() == 2 and cluster.room_for(training, 1)() == 1
    assert str(cluster.room_for(training, None)) == "2 at a time"
    assert cluster.room_for(training, None, cluster.Share(cpus=5))() == 1
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
    assert [cluster.share_cores(job(), concurrent, cluster.Share(limit)).cluster.threads
            for concurrent, limit in ((1, 3.5), (2, 5), (4, 2), (1, 64))] == [3, 2, 1, 16]
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [head])  # a cluster that grows from zero
    assert cluster.share_cores(job(cpus_per_worker=2)).cluster.threads == 2
