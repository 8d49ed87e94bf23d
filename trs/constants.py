"""Numbers that a device is given once: one that Python hands over in each step keeps the device waiting each time."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """[N] numbers on a device, to be read only.

    Args:
        values: the numbers.
        dtype: their type.
        device: where they are wanted.
    """
    with torch.inference_mode(False):  # else no training could go on with what a prediction has asked for first
        return torch.tensor(values, dtype=dtype, device=device)
