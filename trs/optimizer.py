"""The optimizer of the trained networks: Adam or AdamW, with the backbones' own rate."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from trs.config import TrainConfig
from trs.models.pose import Peers, PoseNetwork


def build_optimizer(trained: Peers, train: TrainConfig) -> torch.optim.Optimizer:
    """Make the optimizer of `train.optimizer`, whose state begins with the first step.

    Where `train.backbone_rate` is not 1 the heads are its first group and the backbones its second.
    """
    groups = ([{"params": list(trained.parameters()), "factor": 1.0}] if train.backbone_rate == 1 else
              [{"params": list(_heads(trained)), "factor": 1.0},
               {"params": list(_backbones(trained)), "factor": train.backbone_rate}])
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, train.learning_rate, weight_decay=train.weight_decay, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step; each group takes its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def _backbones(trained: Peers) -> Iterator[nn.Parameter]:
    for network in trained.values():
        assert isinstance(network, PoseNetwork)
        yield from network.backbone.parameters()


def _heads(trained: Peers) -> Iterator[nn.Parameter]:
    for network in trained.values():
        assert isinstance(network, PoseNetwork)
        yield from network.heads.parameters()
