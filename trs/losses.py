"""The heatmap loss, with the one normalization that every weight in this library refers to."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.data.batch import LabeledBatch


def heatmap_mse(predicted: Tensor, target: Tensor, keypoint_weights: Tensor | None = None) -> Tensor:
    """0.5 * mean over batch, keypoints and cells of the weighted squared error, summed over levels.

    Args:
        predicted: [L, B, K, h, w] heatmaps of L levels.
        target: [B, K, h, w] for every level, or [L, B, K, h, w].
        keypoint_weights: [B, K]; 0 leaves a keypoint out of the sum, but not out of the mean, as in
            SimpleBaseline's JointsMSELoss.

    Returns: a scalar.
    """
    # bfloat16 predictions are compared in float32: the errors are far below bfloat16's resolution near 1.
    squared = (predicted.float() - target.float()).square()
    if keypoint_weights is not None:
        squared = squared * keypoint_weights[..., None, None]
    return 0.5 * squared.flatten(1).mean(1).sum()


def supervised_loss(on_labeled: dict[str, Tensor], labeled: LabeledBatch) -> Tensor:
    """Eq. 3 and 9: the mean squared error of every network on the labeled images, summed."""
    return torch.stack([heatmap_mse(maps, labeled.heatmaps, labeled.keypoint_weights)
                        for maps in on_labeled.values()]).sum()
