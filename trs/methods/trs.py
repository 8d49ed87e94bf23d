"""Teacher-Reviewer-Student, in the order of the paper's equations.

Two networks, the peers a and b, are trained. Within a step each is the student once, and the other its teacher. Behind
each peer stands a reviewer, its exponential moving average, which adds a second, steadier target.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from trs.augment.hard_view import hard_view
from trs.config import TRSConfig, ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.ema import follow
from trs.losses import supervised_loss
from trs.methods.base import Forward, MakeNetwork, required
from trs.methods.consistency import (
    ConsistencyMethod,
    agreement,
    confident,
    consistency_loss,
    easy_heatmaps,
    peak_confidence,
    peer_distance,
    predict,
)
from trs.schedule import ema_momentum

ROLES = (("a", "b"), ("b", "a"))
"""Student and teacher, in turn."""


class TRS(ConsistencyMethod):
    """Losses and reviewers of the Teacher-Reviewer-Student method."""

    config: TRSConfig

    def __init__(self, config: TRSConfig, view: ViewConfig, make_network: MakeNetwork) -> None:
        super().__init__(config, view, make_network)
        reviewers = {f"reviewer_{name}": copy.deepcopy(self.networks[name]) for name in self.peers}
        self.networks.update(reviewers)
        if config.reviewer_update == "ema_and_supervised":
            self.trained.update(reviewers)
        else:
            for reviewer in reviewers.values():
                reviewer.requires_grad_(False)

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """Eq. 12 and its parts, `agreement` of peer and reviewer, `peer_distance`, and `peak_confidence`, the
        collapse alarm.
        """
        unlabeled = required(unlabeled)
        # Eq. 4: everybody looks at the easy view.
        easy = easy_heatmaps(self.networks, unlabeled.images, self.in_train_mode)
        # Keypoint-Mix where the teacher sees the keypoints, and the hard affine.
        hard = {student: hard_view(unlabeled, self.locate_with(easy, teacher), self.config, self.view)
                for student, teacher in ROLES}
        on_labeled, on_hard = predict(forward, self.trained, labeled, hard)

        # Eq. 3 and 9; 5 and 11; 6 and 10; 12.
        supervised = supervised_loss(on_labeled, labeled)
        consistency = {}
        for student, teacher in ROLES:
            targets = [easy[name] for name in self.supervisors(student, teacher)]
            # The squared distances to n targets differ from n times that to their mean by a constant: same gradient.
            mean = torch.stack(targets).mean(0)
            weights = confident(mean[0], self.config.confidence_threshold)
            consistency[student] = len(targets) * consistency_loss(on_hard[student], hard[student], mean, weights)
        loss = supervised + self.unsup_weight(step) * (consistency["a"] + consistency["b"])
        agreed = torch.stack([agreement(easy[name][0], easy[f"reviewer_{name}"][0]) for name in self.peers]).mean()
        return {"loss": loss, "loss_supervised": supervised, "loss_a": consistency["a"], "loss_b": consistency["b"],
                "agreement": agreed, "peer_distance": peer_distance(easy["a"][0], easy["b"][0]),
                "peak_confidence": peak_confidence(easy, self.peers)}

    @property
    def in_train_mode(self) -> set[str]:
        """Networks whose BatchNorm reads the easy view's batch while they teach or review."""
        mode = {name: self.config.teacher_mode if name in self.peers else self.config.reviewer_mode
                for name in self.networks}
        return {name for name in mode if mode[name] == "train"}

    def supervisors(self, student: str, teacher: str) -> list[str]:
        """Names of the networks whose easy view supervises the student."""
        reviewers = {"teacher": [teacher], "student": [student], "both": [teacher, student]}[self.config.reviewer_role]
        return [teacher] + [f"reviewer_{peer}" for peer in reviewers if self.config.reviewers]

    def locate_with(self, easy: dict[str, Tensor], teacher: str) -> Tensor:
        """[B, K, h, w] heatmaps that tell the augmentations where the keypoints are."""
        if self.config.locator == "teacher_and_reviewer":
            return (easy[teacher][0] + easy[f"reviewer_{teacher}"][0]) / 2
        return easy[teacher][0]

    def after_burn_in(self) -> None:
        """Begin to review: the reviewers are copies of their peers."""
        for name in self.peers:
            self.networks[f"reviewer_{name}"].load_state_dict(self.networks[name].state_dict())

    def after_step(self, step: int) -> None:
        """Eq. 1 and 7: the reviewers follow their peers."""
        momenta = self.config.ema_momentum, self.config.ema_momentum_b
        for name, momentum in zip(self.peers, momenta, strict=True):
            limit = self.config.ema_momentum if momentum is None else momentum
            follow(self.networks[f"reviewer_{name}"], self.networks[name],
                   ema_momentum(step, limit, self.config.ema_warmup),
                   copy_statistics=self.config.reviewer_mode == "eval")
