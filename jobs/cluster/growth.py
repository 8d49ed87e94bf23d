"""What a cluster may grow to: the nodes that its autoscaler starts once there is work for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
import yaml

from jobs.cluster.address import joined_address
from jobs.cluster.ray_private import has_autoscaler
from trs.files import read_text

_GROUP = "ray.io/node-group"
"""Ray's label of a node that an autoscaler has started: the name of its type."""
LAUNCHED_BY = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the cluster's configuration, on its head only."""


@dataclass(frozen=True)
class Node:
    """What a node has to give.

    resources: by Ray's names.
    labels: by which one is chosen, see `jobs.cluster.labels`.
    """

    resources: dict[str, float]
    labels: dict[str, str] = field(default_factory=dict)

    def amount(self, name: str) -> float:
        """Of a resource."""
        return self.resources.get(name, 0.0)


@dataclass(frozen=True)
class NodeType:
    """Nodes of one kind that an autoscaler starts.

    name: in the launcher's configuration.
    node: each of them.
    most: that there may be of them.
    """

    name: str
    node: Node
    most: int


@dataclass(frozen=True)
class Growth:
    """How far an autoscaler may grow the cluster.

    types: of its nodes; None where they cannot be known from here, as on Kubernetes, whose operator alone has them.
    most: nodes of all types together, beside the head.
    """

    types: tuple[NodeType, ...] | None
    most: int = 0


def growth() -> Growth | None:
    """How far the connected cluster may grow; None where it has no autoscaler."""
    config = launched_with()
    if config is not None:
        return Growth(types_of(config, len(nodes())), int(config.get("max_workers", 0)))
    return Growth(None) if has_autoscaler() else None


def launched_with() -> Any:
    """The configuration with which `ray up` has started the connected cluster; None where this is not its head."""
    file = LAUNCHED_BY.expanduser()
    # A cluster of one's own was not launched by it.
    if joined_address() is not None and _is_on_head() and file.is_file():
        return yaml.safe_load(read_text(file))
    return None


def types_of(config: Any, there: int = 1) -> tuple[NodeType, ...] | None:
    """The types of the nodes that a cluster launcher's configuration lets come; None where one leaves its resources
    open.

    Machines of one's own are all of one type, the head among them.

    Args:
        config: as `ray up` leaves it.
        there: nodes that there are, the head among them.
    """
    kinds, head = config["available_node_types"], config["head_node_type"]
    most_of_all = int(config.get("max_workers", 0))
    if len(kinds) == 1 and there > most_of_all:
        return ()  # all machines are there
    most = {name: min(int(kind.get("max_workers", 0 if name == head else most_of_all)), most_of_all)
            for name, kind in kinds.items()}
    types = {name: kind for name, kind in kinds.items() if name != head or most[name] > 0}
    if any(not kind.get("resources") for kind in types.values()):
        return None
    return tuple(NodeType(name, Node({of: float(amount) for of, amount in kind["resources"].items()},
                               {label: str(value) for label, value in (kind.get("labels") or {}).items()}),
                          most[name] + (name == head)) for name, kind in types.items())  # the head is beside them


def capacity() -> list[list[Node]] | None:
    """The nodes that the cluster has or may grow to, in each of the ways in which it may; None where nobody here knows.

    There are several where not all that may come may come together.
    """
    there = nodes()
    grows = growth()
    if grows is None:
        return [there]
    if grows.types is None:
        return None
    left = max(0, grows.most - (len(there) - 1))
    return [there + come for come in mixes(to_come(grows.types, there), left)]


def mixes(candidates: list[Node], most: int) -> list[list[Node]]:
    """The ways to take `most` of some nodes that are worth a look: so many of those with the most GPUs, and of the
    others those with the most CPUs.
    """
    if most >= len(candidates):
        return [candidates]
    by_gpus = sorted(candidates, key=lambda node: (-node.amount("GPU"), -node.amount("CPU")))
    return [by_gpus[:count] + sorted(by_gpus[count:], key=lambda node: -node.amount("CPU"))[:most - count]
            for count in range(most + 1)]


def to_come(types: tuple[NodeType, ...], there: list[Node]) -> list[Node]:
    """The nodes of some types that may still come, beside those that are there, each of which is of one type."""
    left = {kind.name: kind.most for kind in types}
    for node in there:
        kind = next((kind for kind in types if left[kind.name] > 0 and _is_of(node, kind, left.keys())), None)
        if kind is not None:
            left[kind.name] -= 1
    return [kind.node for kind in types for _ in range(left[kind.name])]


def nodes() -> list[Node]:
    """The nodes that the cluster has."""
    return [node_of(node) for node in ray.nodes() if node["Alive"]]


def node_of(said: dict[str, Any]) -> Node:
    """A node as `ray.nodes` says it."""
    return Node(said["Resources"], said.get("Labels", {}))


def _is_of(node: Node, kind: NodeType, names: Collection[str]) -> bool:
    """By the name of its type, or else by what it has."""
    if node.labels.get(_GROUP) in names:
        return node.labels[_GROUP] == kind.name
    return (all(node.amount(name) == kind.node.amount(name) for name in ("CPU", "GPU"))
            and kind.node.labels.items() <= node.labels.items())


def _is_on_head() -> bool:
    return ray.get_runtime_context().gcs_address.rpartition(":")[0] == ray.util.get_node_ip_address()
