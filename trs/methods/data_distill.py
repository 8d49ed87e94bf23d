"""DataDistill (Radosavovic et al. 2018): PseudoPose with labels from an ensemble over mirror images and scales."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.augment.affine import affine_theta, warp
from trs.config import DataDistillConfig, PseudoPoseConfig
from trs.methods.pseudo_pose import PseudoPose
from trs.models.inference import read_heatmaps
from trs.models.pose import PoseNetwork


class DataDistill(PseudoPose):
    """The same training; only the labels differ."""

    @staticmethod
    def label_heatmaps(network: PoseNetwork, images: Tensor, config: PseudoPoseConfig, fuse: str,
                       flip_order: list[int] | None) -> Tensor:
        """Compute the mean [B, K, h, w] heatmap over `config.scales`, each also mirrored if pairs are known."""
        assert isinstance(config, DataDistillConfig)
        total = torch.zeros((), device=images.device)
        upright = torch.zeros(len(images), device=images.device)
        for scale in config.scales:
            size = torch.full_like(upright, scale)
            there, back = (affine_theta(factor, upright, (images.shape[2], images.shape[3]))
                           for factor in (size, 1 / size))
            heatmaps = read_heatmaps(network, warp(images, there), fuse, flip_order)
            total = total + warp(heatmaps, back)
        return total / len(config.scales)
