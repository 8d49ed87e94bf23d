"""BatchNorm's running statistics from before a step, in case its gradients turn out not to be finite."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


class RunningStatistics:
    """A copy of all buffers of networks, made anew in the same memory before each step."""

    def __init__(self, networks: nn.Module) -> None:
        of_type = defaultdict[torch.dtype, list[Tensor]](list)
        for buffer in networks.buffers():
            of_type[buffer.dtype].append(buffer)
        self._buffers = list(of_type.values())  # of one type each, which are copied together
        self._kept = [[torch.empty_like(buffer) for buffer in buffers] for buffers in self._buffers]

    @torch.no_grad()
    def keep(self) -> None:
        """Remember them as they are now."""
        for kept, buffers in zip(self._kept, self._buffers, strict=True):
            torch._foreach_copy_(kept, buffers)

    @torch.no_grad()
    def restore(self) -> None:
        """Let them be again what they were: a NaN among them would stay there."""
        for kept, buffers in zip(self._kept, self._buffers, strict=True):
            torch._foreach_copy_(buffers, kept)
