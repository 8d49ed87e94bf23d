"""Dual (Xie et al. 2021): two networks, each one's easy view supervises the other's hard view."""

from __future__ import annotations

from torch import Tensor

from trs.augment.hard_view import hard_view
from trs.config import DualConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import supervised_loss
from trs.methods.base import Forward, required
from trs.methods.consistency import (
    ConsistencyMethod,
    confident,
    consistency_loss,
    easy_heatmaps,
    peak_confidence,
    peer_distance,
    predict,
)

ROLES = (("a", "b"), ("b", "a"))
"""Student and teacher, in turn."""


class Dual(ConsistencyMethod):
    """Mutual consistency of two networks that start apart."""

    config: DualConfig

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, its parts `loss_supervised`, `loss_a` and `loss_b`, `peer_distance`, and `peak_confidence`."""
        unlabeled = required(unlabeled)
        train_mode = self.peers if self.config.teacher_mode == "train" else ()
        easy = easy_heatmaps(self.networks, unlabeled.images, train_mode)
        # The teacher tells which joints to hide from the student.
        hard = {student: hard_view(unlabeled, easy[teacher][0], self.config, self.view) for student, teacher in ROLES}
        on_labeled, on_hard = predict(forward, self.trained, labeled, hard)

        supervised = supervised_loss(on_labeled, labeled)
        consistency = {
            student: consistency_loss(on_hard[student], hard[student], easy[teacher],
                                      confident(easy[teacher][0], self.config.confidence_threshold))
            for student, teacher in ROLES}
        loss = supervised + self.unsup_weight(step) * (consistency["a"] + consistency["b"])
        return {"loss": loss, "loss_supervised": supervised, "loss_a": consistency["a"], "loss_b": consistency["b"],
                "peer_distance": peer_distance(easy["a"][0], easy["b"][0]),
                "peak_confidence": peak_confidence(easy, self.peers)}
