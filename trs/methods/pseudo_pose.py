"""PseudoPose: a supervised network labels the unlabelled people once; another learns from both.

The labels are made before the training starts (`jobs/stages.py`); to the training they are labels like others, of their
own weight. With labels from an ensemble over mirror images and scales it is DataDistill, `trs/methods/data_distill.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trs.config import PseudoPoseConfig, ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import heatmap_mse
from trs.methods.base import Forward, MakeNetwork, Method
from trs.methods.consistency import peak_confidence
from trs.models.inference import read_heatmaps
from trs.models.pose import Peers, PoseNetwork


class PseudoPose(Method):
    """One network on true and pseudo labels."""

    peers = ("a",)
    uses_pseudo_labels = True

    def __init__(self, config: PseudoPoseConfig, view: ViewConfig, make_network: MakeNetwork) -> None:
        self.config = config
        self.trained = Peers({"a": make_network(0)})
        self.networks = nn.ModuleDict(dict(self.trained.items()))

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, its parts `loss_supervised` and `loss_pseudo`, and `peak_confidence`."""
        assert unlabeled is not None and unlabeled.pseudo is not None
        count = len(labeled.images)
        heatmaps = forward({"a": torch.cat([labeled.images, unlabeled.images])})["a"]
        supervised = heatmap_mse(heatmaps[:, :count], labeled.heatmaps, labeled.keypoint_weights)
        pseudo = heatmap_mse(heatmaps[:, count:], unlabeled.pseudo.heatmaps, unlabeled.pseudo.keypoint_weights)
        return {"loss": supervised + self.config.unsup_weight * pseudo, "loss_supervised": supervised,
                "loss_pseudo": pseudo, "peak_confidence": peak_confidence({"a": heatmaps.detach()}, self.peers)}


def see(network: PoseNetwork, images: Tensor, config: PseudoPoseConfig, fuse: str, flip_order: list[int]) -> Tensor:
    """[B, 3, H, W] plain crops -> the [B, K, h, w] heatmaps that pseudo labels are read from."""
    return read_heatmaps(network, images, flip_test=False, fuse=fuse, flip_order=flip_order)
