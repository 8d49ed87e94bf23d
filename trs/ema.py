"""Eq. 7: the reviewer follows its network by an exponential moving average.

BatchNorm: affine parameters are averaged like all parameters; running statistics and counters never are. A reviewer
that runs in train mode gathers statistics of its own; for one in eval mode they are copied from its network, whose
weights are close by.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def ema_update(averages: list[Tensor], values: list[Tensor], momentum: float) -> None:
    """averages <- momentum * averages + (1 - momentum) * values, in place, in one fused call for all tensors."""
    torch._foreach_lerp_(averages, values, 1.0 - momentum)


@torch.no_grad()
def follow(reviewer: nn.Module, network: nn.Module, momentum: float, copy_statistics: bool = True) -> None:
    """One EMA step of a reviewer towards a network of the same architecture, in place."""
    ema_update(list(reviewer.parameters()), list(network.parameters()), momentum)
    if copy_statistics:
        torch._foreach_copy_(list(reviewer.buffers()), list(network.buffers()))
