"""What a cluster may grow to: the nodes that its autoscaler starts once there is work for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import yaml

from jobs.cluster.address import joined_address
from jobs.cluster.ray_private import has_autoscaler
from trs.files import read_text

LAUNCHED_BY = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the cluster's configuration, on its head only."""


@dataclass(frozen=True)
class NodeType:
    """Nodes of one kind that an autoscaler starts.

    resources: of each, by Ray's names.
    most: that there may be of them.
    """

    resources: dict[str, float]
    most: int


@dataclass(frozen=True)
class Growth:
    """How far an autoscaler may grow the cluster.

    types: of its nodes; None where they cannot be known from here, as on Kubernetes, whose operator alone has them.
    """

    types: tuple[NodeType, ...] | None


def growth() -> Growth | None:
    """How far the connected cluster may grow; None where it has no autoscaler."""
    file = LAUNCHED_BY.expanduser()
    # A cluster of one's own was not launched by it.
    if joined_address() is not None and _is_on_head() and file.is_file():
        return Growth(types_of(yaml.safe_load(read_text(file))))
    return Growth(None) if has_autoscaler() else None


def types_of(config: Any) -> tuple[NodeType, ...] | None:
    """The types of worker nodes of a cluster launcher's configuration; None where one leaves its resources open."""
    most_of_all = int(config.get("max_workers", 0))
    types = [(kind.get("resources"), min(int(kind.get("max_workers", most_of_all)), most_of_all))
             for name, kind in config["available_node_types"].items() if name != config["head_node_type"]]
    if any(not resources for resources, _ in types):
        return None
    return tuple(NodeType({name: float(amount) for name, amount in resources.items()}, most)
                 for resources, most in types)


def capacity() -> list[dict[str, float]] | None:
    """The resources of each node that the cluster has or may grow to; None where nobody here knows how far it may."""
    there = nodes()
    grows = growth()
    if grows is None:
        return there
    if grows.types is None:
        return None
    return there + [kind.resources for kind in grows.types for _ in range(kind.most - _count(kind, there))]


def nodes() -> list[dict[str, float]]:
    """The resources of each node that the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _count(kind: NodeType, there: list[dict[str, float]]) -> int:
    return min(kind.most, sum(all(node.get(name) == kind.resources.get(name) for name in ("CPU", "GPU"))
                              for node in there))


def _is_on_head() -> bool:
    return ray.get_runtime_context().gcs_address.rpartition(":")[0] == ray.util.get_node_ip_address()
