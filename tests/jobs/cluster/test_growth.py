"""How far an autoscaler may grow a cluster, as its launcher's configuration says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.util import prepare_config

from jobs.cluster.growth import Node, NodeType, mixes, to_come, types_of

CONFIG: dict[str, Any] = {
    "max_workers": 6, "head_node_type": "head", "available_node_types": {
        "head": {"resources": {"CPU": 0}, "max_workers": 0},
        "cpu": {"resources": {"CPU": 16}, "max_workers": 2},
        "gpu": {"resources": {"CPU": 8, "GPU": 1}, "labels": {"team": "pose"}}}}


def test_each_type_may_come_as_often_as_it_says_and_as_all_may_together() -> None:
    assert types_of(CONFIG) == (NodeType("cpu", Node({"CPU": 16.0}), 2),
                                 NodeType("gpu", Node({"CPU": 8.0, "GPU": 1.0}, {"team": "pose"}), 6))


def test_what_may_still_come_is_counted_by_resources_and_labels() -> None:
    a, b = (Node({"CPU": 8.0}, {"zone": zone}) for zone in "ab")
    types = NodeType("a", a, 2), NodeType("b", b, 2)
    there = [Node({"CPU": 8.0, "memory": 1e9}, {"zone": "a", "ray.io/node-id": str(number)}) for number in range(2)]
    assert to_come(types, []) == [a, a, b, b] and to_come(types, there) == [b, b]


def test_a_node_is_of_one_type_where_two_are_alike() -> None:
    """As spot machines and those on demand, where the second stand in for the first."""
    like = Node({"CPU": 8.0, "GPU": 1.0})
    types = NodeType("spot", like, 4), NodeType("demand", like, 4)
    assert len(to_come(types, [like] * 4)) == 4
    named = [Node(like.resources, {"ray.io/node-group": "demand"})] * 3
    assert len(to_come(types, named)) == 5 and len(to_come((types[1],), named)) == 1


def test_all_types_together_come_no_oftener_than_the_cluster_may_have_nodes() -> None:
    """Some way to share them out fits what needs GPUs, another one what needs CPUs."""
    gpu, cpu = Node({"CPU": 8.0, "GPU": 1.0}), Node({"CPU": 64.0})
    ways = mixes([cpu, cpu, cpu, gpu, gpu], 2)
    assert [sorted(node.amount("GPU") for node in way) for way in ways] == [[0, 0], [0, 1], [1, 1]]
    assert all(sum(node.amount("CPU") for node in way) == total for way, total in zip(ways, (128, 72, 16), strict=True))
    assert mixes([cpu, gpu], 2) == [[cpu, gpu]] and mixes([cpu], 0) == [[]]


def test_a_type_whose_resources_its_cloud_knows_leaves_the_rest_unknown() -> None:
    config = copy.deepcopy(CONFIG)
    del config["available_node_types"]["gpu"]["resources"]
    assert types_of(config) is None


def test_machines_of_ones_own_may_come_though_they_are_of_the_heads_type() -> None:
    """Ray's launcher makes one type of all, whose resources nobody knows before they are there."""
    file = Path(__file__).resolve().parents[3] / "docs/clusters/on-premise.yaml"
    config = prepare_config(yaml.safe_load(file.read_text()))
    (name,) = config["available_node_types"]
    assert name == config["head_node_type"] and config["max_workers"] == 2
    assert types_of(config, there=1) is None and types_of(config, there=2) is None
    assert types_of(config, there=3) == (), "head and workers are there, and no more will come"
    config["available_node_types"][name]["resources"] = {"CPU": 8}
    machine = Node({"CPU": 8.0})
    (kind,) = types_of(config) or ()
    assert to_come((kind,), [machine]) == [machine, machine]
