"""How networks and optimizer start from checkpoints: resumed whole, or warm from other trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from trs import checkpoint as checkpoints
from trs.checkpoint import Checkpoint
from trs.config import Config
from trs.errors import InputError
from trs.methods.build import build_method


def check_fit(config: Config, keypoint_count: int) -> None:
    """Check that pretrained weights and the checkpoints of `train.init_from` fit the networks, by their shapes alone.

    Raises:
        InputError: they are absent, damaged, too few or of another architecture.
    """
    with torch.device("meta"):
        method = build_method(config, keypoint_count)
    if config.train.init_from:
        warm_start(method.networks, method.peers, load_given(config.train.init_from))


def load_given(folders: Sequence[str]) -> list[Checkpoint]:
    """Load the checkpoints of `train.init_from`, of a run its newest.

    Raises:
        InputError: one is absent or damaged.
    """
    return [checkpoints.load(checkpoints.newest(Path(folder))) for folder in folders]


def restore_networks(networks: nn.Module, checkpoint: Checkpoint) -> None:
    """Load every network's weights.

    Raises:
        InputError: the checkpoint is of another method or architecture.
    """
    try:
        networks.load_state_dict(checkpoint.networks)
    except RuntimeError as error:
        raise InputError(f"the checkpoint does not fit the config's networks: {str(error).splitlines()[1].strip()}"
                         ) from error


def restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Load the optimizer's state; its settings stay those of the config."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in checkpoint.optimizer.items():
        index, name = key.split(".")
        parameter = parameters[int(index)]
        # The fused step walks parameter and moments side by side in memory: their layouts must agree.
        alike = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
        state.setdefault(int(index), {})[name] = alike
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def warm_start(networks: nn.ModuleDict, peers: Sequence[str], given: Sequence[Checkpoint]) -> None:
    """Start the networks from checkpoints of other trainings.

    One checkpoint that has all the networks gives each its own. Otherwise the first peer, and whatever follows it by
    name, starts from the first checkpoint's network `a`, the second peer from the second's, and so on.

    Args:
        networks: all of a method.
        peers: names of those that must start apart.
        given: the checkpoints.

    Raises:
        InputError: too few checkpoints, or other architectures.
    """
    whole = len(given) == 1 and all(_weights(given[0], name) for name in networks)
    if not whole and len(given) < len(peers):
        raise InputError(f"train.init_from needs one checkpoint for each of the {len(peers)} peers: peers that start "
                         "alike would stay alike")
    for name, network in networks.items():
        number = next(i for i, peer in enumerate(peers) if name == peer or name.endswith(f"_{peer}"))
        weights = _weights(given[0], name) if whole else _weights(given[number], "a")
        # A network with fewer levels starts from the heads that it has.
        there = network.state_dict()
        weights = {key: value.to(there[key].device) if key in there else value for key, value in weights.items()
                   if key in there or not key.startswith("heads.")}
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(f"train.init_from: network {name} is of another architecture: "
                             f"{str(error).splitlines()[1].strip()}") from error


def _weights(checkpoint: Checkpoint, name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in checkpoint.networks.items()
            if key.startswith(f"{name}.")}
