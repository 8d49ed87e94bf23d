"""From a network's levels to heatmaps, and from heatmaps to poses in the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trs.data.heatmaps import DECODERS


def read_heatmaps(network: nn.Module, images: Tensor, fuse: str, flip_order: list[int] | None) -> Tensor:
    """[B, 3, H, W] images -> [B, K, h, w] float32 heatmaps: levels fused, and averaged with the mirror image's.

    Args:
        network: gives [L, B, K, h, w] heatmaps, of its last level first.
        images: normalized.
        fuse: "last" level or the "mean" of all.
        flip_order: the keypoint that each keypoint becomes in the mirror image; None leaves that image out.
    """
    def fused(images: Tensor) -> Tensor:
        levels: Tensor = network(images).float()
        return levels[0] if fuse == "last" else levels.mean(0)

    heatmaps = fused(images)
    if flip_order is not None:
        heatmaps = (heatmaps + fused(images.flip(-1)).flip(-1)[:, flip_order]) / 2
    return heatmaps


def poses_in_image(heatmaps: Tensor, matrices: Tensor, decoder: str) -> Tensor:
    """[B, K, h, w] heatmaps and the crops' [B, 2, 3] maps to the image -> [B, K, 3] float64 x, y, confidence."""
    keypoints, confidence = DECODERS[decoder](heatmaps)
    places = torch.einsum("bij,bkj->bki", matrices[:, :, :2], keypoints.double()) + matrices[:, None, :, 2]
    return torch.cat([places, confidence.double()[..., None]], dim=-1)
