"""SSCO, semi-supervised cut-occlude (Huang et al. 2023): patches around another person's joints hide one's own.

As `hlz0606/SSPCM` does it: for each image one other of the batch is drawn, and for each patch a joint of either.
The random policy `draw_patches` is apart from the deterministic `paste_patches`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trs.augment.patch import draw_found, draw_half_sizes, jittered, largest_half_size
from trs.keyed_random import RandomStream, uniform

COUNT = 2
"""Patches that an image receives."""


@dataclass(frozen=True)
class Patches:
    """source [B]: the image that patches come from; centers and half-sizes [B, M, 2] in pixels, valid [B, M]."""

    source: Tensor
    to: Tensor
    origin: Tensor
    half_sizes: Tensor
    valid: Tensor


def draw_patches(keypoints: Tensor, found: Tensor, keys: Tensor, half_size: tuple[int, int], height: int) -> Patches:
    """Draw an image to take patches from, and joints to take and to hide; see `ssco`."""
    source = (uniform(keys, 1, RandomStream.SSCO_SOURCE).squeeze(1) * len(keys)).long()
    own, valid = draw_found(keys, found, COUNT, RandomStream.SSCO_OWN)
    other, there = draw_found(keys, found[source], COUNT, RandomStream.SSCO_OTHER)
    to = jittered(_at(keypoints, own), keys, height, RandomStream.SSCO_OWN_JITTER)
    origin = jittered(_at(keypoints[source], other), keys, height, RandomStream.SSCO_OTHER_JITTER)
    half_sizes = draw_half_sizes(keys, 2 * COUNT, half_size, height, RandomStream.SSCO_SIZE).view(-1, COUNT, 2)
    return Patches(source, to, origin, half_sizes, valid & there)


def _at(keypoints: Tensor, chosen: Tensor) -> Tensor:
    return keypoints.gather(1, chosen[..., None].expand(-1, -1, 2))


def paste_patches(images: Tensor, patches: Patches, largest: int) -> Tensor:
    """Paste each patch around its place; what lies outside of either image is left out.

    Args:
        images: [B, C, H, W]; all patches are read from these, later ones lie on top.
        patches: places and sizes.
        largest: at least patches.half_sizes.max(), known on the host.

    Returns: [B, C, H, W], a new tensor.
    """
    height, width = images.shape[2:]
    offset = torch.arange(-largest, largest + 1, device=images.device)
    dy, dx = torch.meshgrid(offset, offset, indexing="ij")
    sources, pasted = images.flatten(2)[patches.source], images.flatten(2).clone()
    for number in range(patches.to.shape[1]):
        (from_x, from_y), (to_x, to_y) = (
            (places[:, number, 0].floor().long()[:, None, None] + dx,
             places[:, number, 1].floor().long()[:, None, None] + dy) for places in (patches.origin, patches.to))
        half_width, half_height = patches.half_sizes[:, number, :, None, None].unbind(1)
        seen = (patches.valid[:, number, None, None] & (dx.abs() <= half_width) & (dy.abs() <= half_height)
                & _within(from_x, from_y, height, width) & _within(to_x, to_y, height, width))
        # Every cell of the window needs a place to write to; unseen ones write the extra one at the end.
        place = torch.where(seen, to_y * width + to_x, height * width).flatten(1)
        value = sources.gather(2, _channels(torch.where(seen, from_y * width + from_x, 0).flatten(1), images))
        padded = torch.cat([pasted, pasted.new_zeros(*pasted.shape[:2], 1)], dim=2)
        pasted = padded.scatter(2, _channels(place, images), value)[..., :-1]
    return pasted.view(images.shape)


def _within(x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def _channels(index: Tensor, images: Tensor) -> Tensor:
    return index[:, None].expand(-1, images.shape[1], -1)


def ssco(images: Tensor, keypoints: Tensor, found: Tensor, keys: Tensor, half_size: tuple[int, int]) -> Tensor:
    """Hide joints of easy views [B, C, H, W] behind patches of one another.

    Args:
        images: normalized images.
        keypoints: [B, K, 2] where a network sees them, in pixels.
        found: [B, K] bool; others are neither hidden nor taken.
        keys: [B] int64 sample keys.
        half_size: smallest and largest half-size, in pixels of an image 256 high.
    """
    height = images.shape[2]
    patches = draw_patches(keypoints, found, keys, half_size, height)
    return paste_patches(images, patches, largest_half_size(half_size, height))
