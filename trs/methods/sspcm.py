"""SSPCM (Huang et al. 2023): where two teachers, now or an epoch ago, agree best, there is the student's target.

Networks a and b are the teachers and teach each other as in Dual; c is the student that inference is meant for. Copies
of a and b from the end of the last epoch vote too: per keypoint the pair of one a and one b whose peaks lie closest is
averaged into c's target (position inconsistency). After `hlz0606/SSPCM`, whose loop over images and keypoints is one
gather here.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from trs.augment.hard_view import hard_view
from trs.config import SSPCMConfig, ViewConfig
from trs.constants import constant
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.data.heatmaps import locate
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
from trs.models.pose import PoseNetwork

PAIRS = (("a", "b"), ("last_a", "b"), ("a", "last_b"), ("last_a", "last_b"))
"""Whose peaks are compared; of equal distances the first wins."""


class SSPCM(ConsistencyMethod):
    """A Dual of two teachers, and their student."""

    config: SSPCMConfig

    def __init__(self, config: SSPCMConfig, view: ViewConfig, make_network: MakeNetwork) -> None:
        super().__init__(config, view, make_network)
        for name in ("a", "b"):
            self.networks[f"last_{name}"] = copy.deepcopy(self.networks[name]).requires_grad_(False)

    @property
    def predictors(self) -> dict[str, PoseNetwork]:
        """The trained networks; the copies only vote."""
        return {name: network for name, network in super().predictors.items() if name in self.peers}

    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """`loss`, its parts `loss_supervised`, `loss_a`, `loss_b`, `loss_c`, and `peak_confidence` of the teachers."""
        unlabeled = required(unlabeled)
        voters = nn.ModuleDict({name: self.networks[name] for name in ("a", "b", "last_a", "last_b")})
        # In the public code the copies read their batch's statistics like the teachers.
        easy = easy_heatmaps(voters, unlabeled.images, voters.keys() if self.config.teacher_mode == "train" else ())
        # In the first epoch there is no last one to remember.
        agreed = closest_pair(easy, PAIRS if epoch > 0 else PAIRS[:1])
        target = {"a": easy["b"], "b": easy["a"], "c": agreed}
        hard = {student: hard_view(unlabeled, maps[0], self.config, self.view) for student, maps in target.items()}
        on_labeled, on_hard = predict(forward, self.trained, labeled, hard)

        supervised = supervised_loss(on_labeled, labeled)
        confidence = (easy["a"][0].amax((-2, -1)) + easy["b"][0].amax((-2, -1))) / 2
        weights = confident(confidence[..., None, None], self.config.confidence_threshold)
        consistency = {student: consistency_loss(on_hard[student], hard[student], target[student], weights)
                       for student in self.peers}
        loss = supervised + self.unsup_weight(step) * torch.stack(list(consistency.values())).sum()
        return {"loss": loss, "loss_supervised": supervised, **{f"loss_{name}": consistency[name] for name in target},
                "peak_confidence": peak_confidence(easy, ("a", "b"))}

    def after_burn_in(self) -> None:
        """Begin to remember."""
        self.after_epoch()

    def after_epoch(self) -> None:
        """Remember the teachers as they are now."""
        for name in ("a", "b"):
            self.networks[f"last_{name}"].load_state_dict(self.networks[name].state_dict())


def closest_pair(easy: dict[str, Tensor], pairs: tuple[tuple[str, str], ...]) -> Tensor:
    """For each keypoint the mean heatmap of the pair of networks whose last-level peaks lie closest together.

    Args:
        easy: [L, B, K, h, w] heatmaps by name.
        pairs: that are compared.

    Returns: [L, B, K, h, w]; all levels of a keypoint come from the same pair.
    """
    places = {name: locate(heatmaps[0])[0] for name, heatmaps in easy.items()}
    distances = torch.stack([(places[one] - places[other]).norm(dim=-1) for one, other in pairs])
    best, names = distances.argmin(0), list(easy)
    heatmaps = torch.stack(list(easy.values()))

    def pick(side: int) -> Tensor:
        network = constant(tuple(names.index(pair[side]) for pair in pairs), best.dtype, best.device)[best]
        return heatmaps.gather(0, network[None, None, ..., None, None].expand(1, *heatmaps.shape[1:])).squeeze(0)

    return (pick(0) + pick(1)) / 2
