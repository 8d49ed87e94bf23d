"""How networks and optimizer start from checkpoints: resumed whole, or warm from other trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from trs import checkpoint as checkpoints
from trs.checkpoint import Checkpoint
from trs.config import Config
from trs.config.model import TIMM
from trs.data.heatmaps import STRIDE
from trs.errors import Diverged, InputError, printable
from trs.methods.base import Method
from trs.methods.build import build_method
from trs.models.weights import misfit, not_finite


def check_fit(config: Config, keypoint_count: int) -> None:
    """Check that images fit the networks, and pretrained weights and the checkpoints of `train.init_from` too, by
    their shapes alone.

    Raises:
        InputError: a backbone does not take images of this size; weights are absent, damaged, too few or of another
            architecture.
    """
    with torch.device("meta"):
        method = build_method(config, keypoint_count)
    _check_size(config, method, keypoint_count)
    if config.train.init_from:
        warm_start(method.networks, method.peers, load_given(config.train.init_from))


def _check_size(config: Config, method: Method, keypoint_count: int) -> None:
    """Raise an error unless the peers make heatmaps of a quarter of the input: some of timm's take one size alone."""
    height, width = config.data.input_size
    wanted = (config.model.levels, 2, keypoint_count, height // STRIDE, width // STRIDE)
    for number, name in enumerate(method.peers):
        backbone = config.model.backbone_of(number)
        if not backbone.startswith(TIMM):
            continue
        try:
            with torch.no_grad():
                found = tuple(method.networks[name](torch.zeros(2, 3, height, width, device="meta")).shape)
        except Exception as error:  # whatever such a network stumbles upon
            raise InputError(f"{printable(backbone)} does not take images of {height}x{width} pixels "
                             f"({printable(str(error).partition(chr(10))[0])}); choose another backbone or "
                             "data.input_size") from error
        if found != wanted:
            raise InputError(f"{printable(backbone)} makes heatmaps of {found[-2]}x{found[-1]} cells, not of "
                             f"{wanted[-2]}x{wanted[-1]}, from images of {height}x{width} pixels; choose another "
                             "backbone or data.input_size")


def load_given(folders: Sequence[str]) -> list[Checkpoint]:
    """Load the checkpoints of `train.init_from`, of a run its newest.

    Raises:
        InputError: one is absent or damaged.
    """
    return [checkpoints.load(checkpoints.newest(Path(folder))) for folder in folders]


def restore_networks(networks: nn.ModuleDict, checkpoint: Checkpoint) -> None:
    """Load every network's weights.

    Raises:
        InputError: the checkpoint is of another method or architecture.
        Diverged: its weights are not finite.
    """
    wrong = misfit(checkpoint.networks, networks.state_dict())
    if wrong is not None:
        raise InputError(f"the checkpoint does not fit the config's networks: {wrong}; name one of the same "
                         "method and architecture")
    for name in networks:
        _check_finite(_weights(checkpoint, name), name)
    networks.load_state_dict(checkpoint.networks)


def restore_peers(method: Method, burned_in: Checkpoint) -> None:
    """Load the peers' weights from the supervised training of them that was the burn-in.

    Raises:
        InputError: the checkpoint is of other networks.
        Diverged: its weights are not finite.
    """
    restore_networks(nn.ModuleDict({name: method.networks[name] for name in method.peers}), burned_in)


def restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Load the optimizer's state; its settings stay those of the config.

    Raises:
        InputError: the state is not that of these parameters; the fused step would walk through memory by it.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not checkpoint.optimizer and checkpoint.counters.step <= checkpoint.config.train.max_skipped_steps:
        return  # there was no step yet whose gradients were finite
    trained = {str(index): parameter for index, parameter in enumerate(parameters) if parameter.requires_grad}
    wrong = misfit(checkpoint.optimizer, {f"{index}.{name}": tensor for index, parameter in trained.items()
                                          for name, tensor in _adam_state(parameter).items()})
    if wrong is None:
        wrong = _not_a_state(checkpoint.optimizer)
    if wrong is not None:
        raise InputError(f"the checkpoint's optimizer state does not fit the config's networks: {wrong}; "
                         "use an earlier checkpoint, or start anew from its networks with train.init_from")
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in checkpoint.optimizer.items():
        index, name = key.split(".")
        # The fused step walks parameter and moments side by side in memory: their layouts must agree.
        alike = value if name == "step" else torch.empty_like(trained[index]).copy_(value)
        state.setdefault(int(index), {})[name] = alike
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _adam_state(parameter: Tensor) -> dict[str, Tensor]:
    """What Adam keeps of a parameter, as shapes and types alone."""
    moment = torch.empty(parameter.shape, dtype=parameter.dtype, device="meta")
    return {"step": torch.empty((), dtype=torch.float32, device="meta"), "exp_avg": moment, "exp_avg_sq": moment}


def _not_a_state(tensors: Mapping[str, Tensor]) -> str | None:
    """Name a tensor whose numbers Adam cannot have come to; a square may have grown beyond float32's range."""
    for name, tensor in tensors.items():
        if tensor.isnan().any():
            return f"{name} is not a number"
        if name.endswith(".step") and not 1 <= tensor.item() < math.inf:
            return f"{name} counts no steps"
    return None


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
        Diverged: weights that are not finite.
    """
    whole = len(given) == 1 and all(_weights(given[0], name) for name in networks)
    if not whole and len(given) < len(peers):
        raise InputError(f"train.init_from needs one checkpoint for each of the {len(peers)} peers: peers that start "
                         "alike would stay alike")
    for name, network in networks.items():
        number = next(i for i, peer in enumerate(peers) if name == peer or name.endswith(f"_{peer}"))
        source, weights = (name, _weights(given[0], name)) if whole else ("a", _weights(given[number], "a"))
        # A network with fewer levels starts from the heads that it has.
        there = network.state_dict()
        weights = {key: value for key, value in weights.items() if key in there or not key.startswith("heads.")}
        wrong = misfit(weights, there)
        if wrong is not None:
            raise InputError(f"train.init_from: network {name} is of another architecture: {wrong}; name a "
                             "checkpoint of the same backbones and keypoints")
        _check_finite(weights, source)
        network.load_state_dict({key: value.to(there[key].device) for key, value in weights.items()})


def _check_finite(weights: Mapping[str, Tensor], network: str) -> None:
    broken = not_finite(weights)
    if broken is not None:
        raise Diverged(f"the checkpoint's network {network} has diverged: {broken} is not finite; use an earlier "
                       "checkpoint")


def _weights(checkpoint: Checkpoint, name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in checkpoint.networks.items()
            if key.startswith(f"{name}.")}
