"""Supervised: one network, the labeled set, L_s (Eq. 9 for a single network)."""

from __future__ import annotations

from torch import Tensor

from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import heatmap_mse
from trs.methods.base import Forward, Method
from trs.methods.consistency import peak_confidence


class Supervised(Method):
    """The honest baseline: with `levels` > 1 it is the baseline plus Multi-level Feature Learning."""

    uses_unlabeled = False

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, and `peak_confidence`, the mean highest confidence of the predictions."""
        heatmaps = forward({"a": labeled.images})
        return {"loss": heatmap_mse(heatmaps["a"], labeled.heatmaps, labeled.keypoint_weights),
                "peak_confidence": peak_confidence(heatmaps, self.peers)}
