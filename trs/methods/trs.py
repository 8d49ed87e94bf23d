"""Teacher-Reviewer-Student, in the order of the paper's equations.

Two networks, the peers a and b, are trained. Within a step each is the student once, and the other its teacher. Behind
each peer stands a reviewer, its exponential moving average, which adds a second, steadier target.

Legend: L levels, B pictures, K keypoints, h w heatmap cells; level 0 is the backbone's last stage.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from trs.augment.affine import affine_theta, draw_affine, warp, warp_levels
from trs.augment.keypoint_mix import keypoint_mix
from trs.config import TRSConfig, ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.data.heatmaps import locate
from trs.ema import follow
from trs.losses import heatmap_mse
from trs.methods.base import Forward, MakeNetwork, Method
from trs.models.pose import Peers
from trs.schedule import ema_momentum, ramp_up

ROLES = (("a", "b"), ("b", "a"))
"""Student and teacher, in turn."""


class TRS(Method):
    """Losses and reviewers of the Teacher-Reviewer-Student method."""

    peers = ("a", "b")

    def __init__(self, config: TRSConfig, view: ViewConfig, make_network: MakeNetwork) -> None:
        self.config, self.view = config, view
        peers = {"a": make_network(0), "b": make_network(1)}
        learns = config.reviewer_update == "ema_and_supervised"
        reviewers = {f"reviewer_{name}": copy.deepcopy(peer).requires_grad_(learns) for name, peer in peers.items()}
        self.networks = nn.ModuleDict({**peers, **reviewers})
        self.trained = Peers({**peers, **(reviewers if learns else {})})

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None,
               step: int) -> dict[str, Tensor]:
        """Eq. 12 and its parts, `agreement` of teacher and reviewer, and `peak_heat`, the collapse alarm."""
        assert unlabeled is not None
        easy = self.predict_easy(unlabeled.images)
        height, width = unlabeled.images.shape[-2:]
        theta = affine_theta(*draw_affine(unlabeled.keys, self.view), (height, width))

        images = {name: labeled.images for name in self.trained}
        targets = {}
        for student, teacher in ROLES:
            hard = warp(self.mix(unlabeled, easy, teacher), theta)
            images[student] = torch.cat([labeled.images, hard])
            supervisors = torch.stack([easy[name] for name in self.supervisors(student, teacher)])
            # The squared distances to n targets differ from n times that to their mean by a constant: same gradient.
            targets[student] = len(supervisors), warp_levels(supervisors.mean(0), theta)

        heatmaps = forward(images)
        on_labeled = {name: maps[:, : len(labeled.images)] for name, maps in heatmaps.items()}
        on_hard = {name: maps[:, len(labeled.images):] for name, maps in heatmaps.items()}

        # Eq. 3 and 9, 5 and 11, 6 and 10, 12.
        supervised = torch.stack([heatmap_mse(maps, labeled.heatmaps, labeled.keypoint_weights)
                                  for maps in on_labeled.values()]).sum()
        consistency = {student: self.consistency(on_hard[student], *targets[student]) for student, _ in ROLES}
        unsup_weight = self.config.unsup_weight * ramp_up(step, self.config.ramp_up)
        loss = supervised + unsup_weight * (consistency["a"] + consistency["b"])
        return {"loss": loss, "loss_supervised": supervised, "loss_a": consistency["a"], "loss_b": consistency["b"],
                **self.monitor(easy)}

    @torch.no_grad()
    def predict_easy(self, images: Tensor) -> dict[str, Tensor]:
        """Eq. 4: every network on the easy view, [L, B, K, h, w] heatmaps by name, as targets clamped to [0, 1].

        Without the clamp a large lambda lets two peers raise each other's heat without bound.
        """
        for name, network in self.networks.items():
            network.train(name in self.peers and self.config.teacher_mode == "train")
        easy = {name: network(images).float().clamp(0, 1) for name, network in self.networks.items()}
        self.trained.train()
        return easy

    def supervisors(self, student: str, teacher: str) -> list[str]:
        """Names of the networks whose easy view supervises the student."""
        reviewers = {"teacher": [teacher], "student": [student], "both": [teacher, student]}[self.config.reviewer_role]
        return [teacher] + [f"reviewer_{peer}" for peer in reviewers if self.config.reviewers]

    def mix(self, unlabeled: UnlabeledBatch, easy: dict[str, Tensor], teacher: str) -> Tensor:
        """Keypoint-Mix where the teacher, or teacher and reviewer together, see the keypoints."""
        heatmaps = easy[teacher][0]
        if self.config.mix_locator == "teacher_and_reviewer":
            heatmaps = (heatmaps + easy[f"reviewer_{teacher}"][0]) / 2
        keypoints, peaks = locate(heatmaps)
        return keypoint_mix(unlabeled.images, keypoints, peaks > 0, unlabeled.keys, self.config.mix_count,
                            self.config.mix_half_size)

    def consistency(self, student: Tensor, target_count: int, target: Tensor) -> Tensor:
        """Eq. 5 and 11: the student's hard view against its supervisors' warped easy views, level by level."""
        confident = target[0].amax((-2, -1)) >= self.config.confidence_threshold
        return target_count * heatmap_mse(student, target, confident)

    @torch.no_grad()
    def monitor(self, easy: dict[str, Tensor]) -> dict[str, Tensor]:
        """Share of keypoints that a peer and its reviewer place within two cells, and the peers' mean highest heat."""
        places = {name: locate(heatmaps[0]) for name, heatmaps in easy.items()}
        apart = torch.stack([(places[name][0] - places[f"reviewer_{name}"][0]).abs().amax(-1) for name in self.peers])
        return {"agreement": (apart <= 8).float().mean(),
                "peak_heat": torch.stack([places[name][1] for name in self.peers]).mean()}

    def after_step(self, step: int) -> None:
        """Eq. 1 and 7: the reviewers follow their peers."""
        momenta = self.config.ema_momentum, self.config.ema_momentum_b
        for name, momentum in zip(self.peers, momenta, strict=True):
            limit = self.config.ema_momentum if momentum is None else momentum
            follow(self.networks[f"reviewer_{name}"], self.networks[name], ema_momentum(step, limit))
