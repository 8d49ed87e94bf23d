"""DataDistill (Radosavovic et al. 2018): PseudoPose with labels from an ensemble over mirror images and scales."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.augment.affine import affine_theta, warp
from trs.config import DataDistillConfig
from trs.methods.pseudo_pose import PseudoPose
from trs.models.inference import read_heatmaps
from trs.models.pose import PoseNetwork


class DataDistill(PseudoPose):
    """The same training; only the labels differ."""


def see(network: PoseNetwork, images: Tensor, config: DataDistillConfig, fuse: str, flip_order: list[int]) -> Tensor:
    """[B, 3, H, W] plain crops -> the mean [B, K, h, w] heatmap over `config.scales`, each also mirrored."""
    total = torch.zeros(())
    upright = torch.zeros(len(images), device=images.device)
    for scale in config.scales:
        size = torch.full_like(upright, scale)
        there, back = (affine_theta(factor, upright, (images.shape[2], images.shape[3])) for factor in (size, 1 / size))
        heatmaps = read_heatmaps(network, warp(images, there), flip_test=True, fuse=fuse, flip_order=flip_order)
        total = total.to(images.device) + warp(heatmaps, back)
    return total / len(config.scales)
