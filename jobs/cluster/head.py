"""What the head of a cluster must be: large enough for what runs there, and a machine that stays."""

from __future__ import annotations

from typing import Any

BYTES, BYTES_OF_TRAINING = 3 * 10**9, 65 * 10**7
"""What Ray and the command take on the head, and what each training that runs does beside its workers (docs/cluster.md
has the measurement)."""
_MARKET = "ray.io/market-type"
"""Ray's label of a node, from RAY_NODE_MARKET_TYPE: `spot` where the cloud may take it back, or `on-demand`."""


def small_head(memory: int, concurrent: int) -> str | None:
    """Why a head has too little memory for what runs beside the workers, in a sentence, or None.

    Args:
        memory: of the head, in bytes.
        concurrent: trainings at a time.
    """
    wanted = BYTES + concurrent * BYTES_OF_TRAINING
    if wanted <= memory:
        return None
    return (f"{concurrent} trainings at a time take about {wanted / 1e9:.0f} GB of the head beside their workers, and "
            f"it has {memory / 1e9:.0f}; lower --concurrent, or take a larger head")


def spot_head(labels: dict[str, str], launched: Any) -> str | None:
    """Why a head does not stay, in a sentence, or None, also where nobody has said what machine it is.

    Args:
        labels: of the head's node.
        launched: the configuration with which `ray up` has started the cluster, where it has.
    """
    if labels.get(_MARKET) != "spot" and not (launched is not None and _is_spot(_machine(launched))):
        return None
    return "the head is a spot machine, and when its cloud takes it back every search ends; start it on demand"


def is_known(labels: dict[str, str], launched: Any) -> bool:
    """Whether anybody has said what machine the head is."""
    return _MARKET in labels or (launched is not None and bool(_machine(launched)))


def _machine(launched: Any) -> dict[str, Any]:
    """The head as its cloud was asked for it; nothing on machines of one's own."""
    return launched["available_node_types"][launched["head_node_type"]].get("node_config") or {}


def _is_spot(machine: dict[str, Any]) -> bool:
    """By the words of AWS, or of Google Cloud, of now and of before."""
    if (machine.get("InstanceMarketOptions") or {}).get("MarketType") == "spot":
        return True
    scheduling = machine.get("scheduling") or {}
    if isinstance(scheduling, list):  # Ray's own example has one of these
        scheduling = {name: value for each in scheduling for name, value in each.items()}
    return scheduling.get("provisioningModel") == "SPOT" or scheduling.get("preemptible") is True
