"""Patches around keypoints: their random sizes and places, and their deletion."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.keyed_random import normal, uniform

_REFERENCE_HEIGHT = 256
_JITTER_DEVIATION = 10.0
"""Standard deviation of a patch's center around its keypoint, in pixels of a 256x192 input (xierc/Semi_Human_Pose)."""


def scaled(pixels: Tensor, height: int) -> Tensor:
    """A length given for an input 256 high, in pixels of one that is `height` high."""
    return pixels * height / _REFERENCE_HEIGHT


def largest_half_size(half_size: tuple[int, int], height: int) -> int:
    """The largest half-size that `draw_half_sizes` can return, known without waiting for the device."""
    return max(1, round(half_size[1] * height / _REFERENCE_HEIGHT))


def draw_half_sizes(keys: Tensor, count: int, half_size: tuple[int, int], height: int, stream: int) -> Tensor:
    """[B, count] int64 half-sizes in pixels, at least 1, uniform between the ends of `half_size`."""
    low, high = half_size
    sizes = low + (uniform(keys, count, stream) * (high - low + 1)).floor()
    return scaled(sizes, height).round().clamp(min=1).long()


def draw_found(keys: Tensor, found: Tensor, count: int, stream: int) -> tuple[Tensor, Tensor]:
    """Choose keypoints with replacement among those that were found.

    Args:
        keys: [B] int64 sample keys.
        found: [B, K] bool.
        count: keypoints for each image.
        stream: of `trs.keyed_random`.

    Returns:
        chosen: [B, count] indices of keypoints.
        valid: [B, count] bool, false where none was found.
    """
    found_first = found.int().argsort(dim=1, descending=True, stable=True)
    number = found.sum(1, keepdim=True)
    chosen = found_first.gather(1, (uniform(keys, count, stream) * number).long())
    return chosen, (number > 0).expand(-1, count)


def jittered(centers: Tensor, keys: Tensor, height: int, stream: int) -> Tensor:
    """[B, M, 2] centers moved by normal noise."""
    noise = normal(keys, 2 * centers.shape[1], stream).view(centers.shape)
    return centers + scaled(_JITTER_DEVIATION * noise, height)


def erase(images: Tensor, centers: Tensor, half_sizes: Tensor, valid: Tensor) -> Tensor:
    """Set rectangles to 0, the mean color of a normalized image.

    Args:
        images: [B, C, H, W].
        centers: [B, M, 2] x, y in pixels.
        half_sizes: [B, M, 2] half width and half height in pixels; what reaches over the edge is cut off.
        valid: [B, M] bool; other rectangles are left out.

    Returns: [B, C, H, W], a new tensor.
    """
    height, width = images.shape[2:]
    columns = (torch.arange(width, device=images.device) + 0.5 - centers[..., :1]).abs() <= half_sizes[..., :1]
    rows = (torch.arange(height, device=images.device) + 0.5 - centers[..., 1:]).abs() <= half_sizes[..., 1:]
    erased = (rows[..., :, None] & columns[..., None, :] & valid[..., None, None]).any(1, keepdim=True)
    return images.masked_fill(erased, 0)
