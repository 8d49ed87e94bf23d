"""Single (Xie et al. 2021): one network, whose easy view supervises its own hard view."""

from __future__ import annotations

from torch import Tensor

from trs.augment.hard_view import hard_view
from trs.config import TrainedTeacherConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import supervised_loss
from trs.methods.base import Forward, required
from trs.methods.consistency import (
    ConsistencyMethod,
    confident,
    consistency_loss,
    easy_heatmaps,
    peak_confidence,
    predict,
)


class Single(ConsistencyMethod):
    """Consistency of one network with itself."""

    config: TrainedTeacherConfig

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, its parts `loss_supervised` and `loss_a`, and `peak_confidence`."""
        unlabeled = required(unlabeled)
        easy = easy_heatmaps(self.networks, unlabeled.images, {"a"} if self.config.teacher_mode == "train" else ())
        hard = hard_view(unlabeled, easy["a"][0], self.config, self.view)
        on_labeled, on_hard = predict(forward, self.trained, labeled, {"a": hard})

        supervised = supervised_loss(on_labeled, labeled)
        weights = confident(easy["a"][0], self.config.confidence_threshold)
        consistency = consistency_loss(on_hard["a"], hard, self.target(easy["a"], labeled), weights)
        loss = supervised + self.unsup_weight(step) * consistency
        return {"loss": loss, "loss_supervised": supervised, "loss_a": consistency,
                "peak_confidence": peak_confidence(easy, self.peers)}

    def target(self, easy: Tensor, labeled: LabeledBatch) -> Tensor:
        """What the hard view learns, [L, B, K, h, w]: here the heatmaps of the easy view themselves."""
        return easy
