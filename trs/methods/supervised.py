"""Supervised: the labeled set, L_s (Eq. 9); several networks learn beside each other, and nothing of each other."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import supervised_loss
from trs.methods.base import Forward, Method


class Supervised(Method):
    """The honest baseline: with `levels` > 1 it is the baseline plus Multi-level Feature Learning."""

    uses_unlabeled = False

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, and `peak_confidence`, the mean highest confidence of the predictions."""
        heatmaps = forward({name: labeled.images for name in self.peers})
        return {"loss": supervised_loss(heatmaps, labeled),
                "peak_confidence": torch.stack([maps[0].detach().amax((-2, -1)).mean()
                                                for maps in heatmaps.values()]).mean()}
