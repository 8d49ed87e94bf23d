"""Supervised: one network, the labelled set, L_s (Eq. 9 for a single network)."""

from __future__ import annotations

from torch import Tensor, nn

from trs.config import SupervisedConfig, ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import heatmap_mse
from trs.methods.base import Forward, MakeNetwork, Method
from trs.models.pose import Peers


class Supervised(Method):
    """The honest baseline: with `levels` > 1 it is the baseline plus Multi-level Feature Learning."""

    peers = ("a",)
    uses_unlabeled = False

    def __init__(self, config: SupervisedConfig, view: ViewConfig, make_network: MakeNetwork) -> None:
        self.trained = Peers({"a": make_network(0)})
        self.networks = nn.ModuleDict(dict(self.trained.items()))

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, and `peak_confidence`, the mean highest heat of the predictions."""
        heatmaps = forward({"a": labeled.images})["a"]
        return {"loss": heatmap_mse(heatmaps, labeled.heatmaps, labeled.keypoint_weights),
                "peak_confidence": heatmaps[0].detach().amax((-2, -1)).mean()}
