"""PseudoPose: a supervised network labels the unlabeled people once; another learns from both.

The labels are made before the training starts; to the training they are labels like others, of their own weight. With
labels from an ensemble over mirror images and scales it is DataDistill, `trs/methods/data_distill.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trs.config import PseudoPoseConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import heatmap_mse
from trs.methods.base import Forward, Method, required
from trs.methods.consistency import peak_confidence
from trs.models.inference import read_heatmaps
from trs.models.pose import PoseNetwork


class PseudoPose(Method):
    """One network on true and pseudo labels."""

    config: PseudoPoseConfig
    uses_pseudo_labels = True

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, its parts `loss_supervised` and `loss_pseudo`, and `peak_confidence`."""
        pseudo_labeled = required(required(unlabeled).pseudo)
        count = len(labeled.images)
        heatmaps = forward({"a": torch.cat([labeled.images, pseudo_labeled.images])})["a"]
        supervised = heatmap_mse(heatmaps[:, :count], labeled.heatmaps, labeled.keypoint_weights)
        pseudo = heatmap_mse(heatmaps[:, count:], pseudo_labeled.heatmaps, pseudo_labeled.keypoint_weights)
        return {"loss": supervised + self.config.unsup_weight * pseudo, "loss_supervised": supervised,
                "loss_pseudo": pseudo, "peak_confidence": peak_confidence({"a": heatmaps}, self.peers)}

    @staticmethod
    def label_heatmaps(network: PoseNetwork, images: Tensor, config: PseudoPoseConfig, fuse: str,
                       flip_order: list[int] | None) -> Tensor:
        """Compute the heatmaps that pseudo labels are read from, [B, K, h, w] float32.

        Args:
            network: of the first stage, in eval mode.
            images: [B, 3, H, W] normalized plain crops.
            config: of this method.
            fuse: which levels count, see `ModelConfig.fuse`.
            flip_order: the keypoint that each keypoint becomes in a mirror image, if that is known.
        """
        return read_heatmaps(network, images, fuse, None)
