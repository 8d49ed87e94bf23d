"""Mean Teacher (Tarvainen and Valpola 2017): the moving average of a network supervises the network's hard view."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from trs.augment.hard_view import hard_view
from trs.config import MeanTeacherConfig, ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.ema import follow
from trs.losses import supervised_loss
from trs.methods.base import Forward, MakeNetwork, required
from trs.methods.consistency import (
    ConsistencyMethod,
    confident,
    consistency_loss,
    easy_heatmaps,
    peak_confidence,
    predict,
)
from trs.schedule import ema_momentum


class MeanTeacher(ConsistencyMethod):
    """A student and its average; AP is the student's, the teacher's stands beside it."""

    config: MeanTeacherConfig

    def __init__(self, config: MeanTeacherConfig, view: ViewConfig, make_network: MakeNetwork) -> None:
        super().__init__(config, view, make_network)
        self.networks["teacher_a"] = copy.deepcopy(self.networks["a"]).requires_grad_(False)

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, its parts `loss_supervised` and `loss_a`, and `peak_confidence` of the teacher."""
        unlabeled = required(unlabeled)
        teacher = nn.ModuleDict({"teacher_a": self.networks["teacher_a"]})
        train_mode = teacher.keys() if self.config.reviewer_mode == "train" else ()
        easy = easy_heatmaps(teacher, unlabeled.images, train_mode)
        target = easy["teacher_a"]
        hard = hard_view(unlabeled, target[0], self.config, self.view)
        on_labeled, on_hard = predict(forward, self.trained, labeled, {"a": hard})

        supervised = supervised_loss(on_labeled, labeled)
        weights = confident(target[0], self.config.confidence_threshold)
        consistency = consistency_loss(on_hard["a"], hard, target, weights)
        loss = supervised + self.unsup_weight(step) * consistency
        return {"loss": loss, "loss_supervised": supervised, "loss_a": consistency,
                "peak_confidence": peak_confidence(easy, easy)}

    def after_burn_in(self) -> None:
        """Begin to teach: the teacher is a copy of the student."""
        self.networks["teacher_a"].load_state_dict(self.networks["a"].state_dict())

    def after_step(self, step: int) -> None:
        """Eq. 1: the teacher follows the student."""
        momentum = ema_momentum(step, self.config.ema_momentum, self.config.ema_warmup)
        follow(self.networks["teacher_a"], self.networks["a"], momentum,
               copy_statistics=self.config.reviewer_mode == "eval")
