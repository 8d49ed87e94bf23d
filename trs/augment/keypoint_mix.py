"""Keypoint-Mix (paper, IV-D and Figure 3): patches around some keypoints are averaged and pasted over all of them.

The random policy `draw_mix` is apart from the deterministic `mix_patches`; both work on a whole batch at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trs.augment.patch import draw_half_sizes, largest_half_size
from trs.constants import constant
from trs.keyed_random import RandomStream, uniform


def draw_mix(keys: Tensor, found: Tensor, mix_count: int, half_size: tuple[int, int], height: int
             ) -> tuple[Tensor, Tensor, Tensor]:
    """Choose keypoints without replacement among those found, and one patch size for each image.

    Args:
        keys: [B] int64 sample keys.
        found: [B, K] bool, the keypoints that the locator found.
        mix_count: keypoints for each image; where fewer are found, all of them are taken.
        half_size: smallest and largest half-size, in pixels of an image 256 high.
        height: of the images at hand.

    Returns:
        chosen: [B, M] indices of keypoints, M = min(mix_count, K).
        valid: [B, M] bool, false where there was nothing left to choose.
        half_sizes: [B] int64 in pixels.
    """
    half_sizes = draw_half_sizes(keys, 1, half_size, height, RandomStream.KEYPOINT_MIX_SIZE).squeeze(1)
    order = uniform(keys, found.shape[1], RandomStream.KEYPOINT_MIX_CHOICE).masked_fill(~found, 2.0)
    chosen = order.argsort(dim=1)[:, :mix_count]
    return chosen, found.gather(1, chosen), half_sizes


def mix_patches(images: Tensor, centers: Tensor, valid: Tensor, half_sizes: Tensor, largest: int) -> Tensor:
    """Average the square patches around M centers of each image, and paste the average over each of them.

    A patch that would reach over the edge is shifted inside. All patches are read from the original image. Where
    pasted patches overlap, the later center lies on top.

    Args:
        images: [B, C, H, W].
        centers: [B, M, 2] x, y in pixels.
        valid: [B, M] bool; other centers take no part.
        half_sizes: [B] int64; a patch is 2 * half_size + 1 pixels wide.
        largest: at least half_sizes.max(), known on the host so that the device is not waited for.

    Returns: [B, C, H, W], a new tensor.
    """
    places = _patch_places(centers, half_sizes, largest, (images.shape[2], images.shape[3]))
    pixels = images.reshape(*images.shape[:2], -1)

    def read(center: int) -> Tensor:
        return pixels.gather(2, places[:, None, center].expand(-1, pixels.shape[1], -1))

    count = places.shape[1]
    weights = valid.to(images.dtype) / valid.sum(1, keepdim=True).clamp(min=1)
    mean = sum(weights[:, center, None, None] * read(center) for center in range(count))
    mixed = pixels.clone()
    for center in range(count):
        here = places[:, None, center].expand(-1, pixels.shape[1], -1)
        mixed.scatter_(2, here, torch.where(valid[:, center, None, None], mean, mixed.gather(2, here)))
    return mixed.view(images.shape)


def _patch_places(centers: Tensor, half_sizes: Tensor, largest: int, size: tuple[int, int]) -> Tensor:
    """Flat pixel indices [B, M, (2 * largest + 1)^2] of each patch.

    Smaller patches fill up with their first pixel, which reads and writes the same value as that pixel itself.
    """
    height, width = size
    largest = min(largest, (min(size) - 1) // 2)
    side = 2 * half_sizes.clamp(max=largest) + 1
    corners = (centers.floor().long() - (side // 2)[:, None, None]).clamp(min=0)
    corners = torch.minimum(corners, constant((width, height), side.dtype, side.device) - side[:, None, None])
    offset = torch.arange(2 * largest + 1, device=centers.device)
    within = offset < side[:, None]
    within = within[:, None, :, None] & within[:, None, None, :]
    steps = offset[:, None] * width + offset
    first = corners[..., 1] * width + corners[..., 0]
    return (first[..., None, None] + steps * within).flatten(2)


def keypoint_mix(images: Tensor, keypoints: Tensor, found: Tensor, keys: Tensor, mix_count: int,
                 half_size: tuple[int, int]) -> Tensor:
    """Keypoint-Mix of easy views [B, C, H, W] at located keypoints [B, K, 2]; a count of 0 changes nothing."""
    if mix_count == 0:
        return images
    chosen, valid, half_sizes = draw_mix(keys, found, mix_count, half_size, images.shape[2])
    centers = keypoints.gather(1, chosen[..., None].expand(-1, -1, 2))
    return mix_patches(images, centers, valid, half_sizes, largest_half_size(half_size, images.shape[2]))
