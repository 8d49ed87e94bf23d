"""Whether tensors from a file fit the network, or the optimizer, that they are meant for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trs.errors import printable


def misfit(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Say what first differs in name, shape or type; None where all fits.

    Args:
        found: the tensors of a file.
        expected: tensors of the same names and of the wanted shapes and types, also on the device `meta`.
    """
    for name, tensor in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name].shape != tensor.shape:
            return f"{name} is {_size(found[name])}, not {_size(tensor)}"
        if found[name].dtype != tensor.dtype:
            return f"{name} holds {_type(found[name])}, not {_type(tensor)}"
    return next((f"{printable(name)} is one too many" for name in found if name not in expected), None)


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name the first tensor that holds NaN or an infinite number; None where there is none."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
