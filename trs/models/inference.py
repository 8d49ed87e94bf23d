"""From a network's levels to heatmaps, and from heatmaps to poses in the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trs.data.heatmaps import DECODERS


def read_heatmaps(network: nn.Module, images: Tensor, flip_test: bool, fuse: str, flip_order: list[int]) -> Tensor:
    """[B, 3, H, W] pictures -> [B, K, h, w] float32 heatmaps: levels fused, mirror image averaged in."""
    def fused(images: Tensor) -> Tensor:
        levels = network(images).float()
        return levels[0] if fuse == "last" else levels.mean(0)

    heatmaps = fused(images)
    if flip_test:
        heatmaps = (heatmaps + fused(images.flip(-1)).flip(-1)[:, flip_order]) / 2
    return heatmaps


def poses_in_picture(heatmaps: Tensor, matrices: Tensor, decoder: str) -> Tensor:
    """[B, K, h, w] heatmaps and the crops' [B, 2, 3] maps to the picture -> [B, K, 3] float64 x, y, heat."""
    keypoints, heat = DECODERS[decoder](heatmaps)
    places = torch.einsum("bij,bkj->bki", matrices[:, :, :2], keypoints.double()) + matrices[:, None, :, 2]
    return torch.cat([places, heat.double()[..., None]], dim=-1)
