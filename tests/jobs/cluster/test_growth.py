"""How far an autoscaler may grow a cluster, as its launcher's configuration says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.util import prepare_config

from jobs.cluster.growth import Node, NodeType, to_come, types_of

CONFIG: dict[str, Any] = {
    "max_workers": 6, "head_node_type": "head", "available_node_types": {
        "head": {"resources": {"CPU": 0}, "max_workers": 0},
        "cpu": {"resources": {"CPU": 16}, "max_workers": 2},
        "gpu": {"resources": {"CPU": 8, "GPU": 1}, "labels": {"team": "pose"}}}}


def test_each_type_may_come_as_often_as_it_says_and_as_all_may_together() -> None:
    assert types_of(CONFIG) == (NodeType(Node({"CPU": 16.0}), 2),
                                 NodeType(Node({"CPU": 8.0, "GPU": 1.0}, {"team": "pose"}), 6))


def test_what_may_still_come_is_counted_by_resources_and_labels() -> None:
    a, b = (Node({"CPU": 8.0}, {"zone": zone}) for zone in "ab")
    types = NodeType(a, 2), NodeType(b, 2)
    there = [Node({"CPU": 8.0, "memory": 1e9}, {"zone": "a", "ray.io/node-id": str(number)}) for number in range(2)]
    assert to_come(types, []) == [a, a, b, b] and to_come(types, there) == [b, b]


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
