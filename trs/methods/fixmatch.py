"""FixMatch (Sohn et al. 2020) for poses: a sure prediction on the easy view becomes a hard label for the hard view.

The counterpart of a class label is a fresh Gaussian where the last level's heatmap peaks, for all levels; keypoints
below `confidence_threshold` have none. Everything else is as in Single.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trs.data.batch import LabeledBatch
from trs.data.heatmaps import decode_quarter, encode
from trs.methods.single import Single


class FixMatch(Single):
    """Hard pseudo labels above a confidence."""

    def target(self, easy: Tensor, labeled: LabeledBatch) -> Tensor:
        """[L, B, K, h, w] Gaussians at the last level's peaks, as wide as those of the labeled images."""
        keypoints, confidence = decode_quarter(easy[0])
        heatmaps, _ = encode(keypoints, torch.ones_like(confidence), (easy.shape[-2], easy.shape[-1]), labeled.sigma)
        return heatmaps.expand(easy.shape)
