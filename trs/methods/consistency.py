"""What all consistency methods share: lambda's ramp, and the steps as functions: who sees what, and what that costs.

Legend: L levels, B images, P paths, K keypoints, h w heatmap cells; level 0 is the backbone's last stage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from trs.augment.hard_view import HardView
from trs.config import ConsistencyConfig
from trs.data.batch import LabeledBatch
from trs.data.heatmaps import STRIDE, locate
from trs.losses import heatmap_mse
from trs.methods.base import Forward, Method
from trs.schedule import ramp_up


class ConsistencyMethod(Method):
    """A method whose students learn on a hard view what teachers see on the easy one."""

    config: ConsistencyConfig

    def unsup_weight(self, step: int) -> float:
        """Lambda of Eq. 12, which may rise from 0 over the first steps."""
        return self.config.unsup_weight * ramp_up(step, self.config.ramp_up)


@torch.no_grad()
def easy_heatmaps(networks: nn.ModuleDict, images: Tensor, in_train_mode: Collection[str]) -> dict[str, Tensor]:
    """Eq. 4: run every network on the easy view, [L, B, K, h, w] float32 by name, as targets clamped to [0, 1].

    Without the clamp a large lambda lets two networks raise each other's confidence without bound. Afterwards all
    networks are in train mode.

    Args:
        networks: teachers by name.
        images: [B, 3, H, W].
        in_train_mode: names of those whose BatchNorm reads the batch; the others read their running statistics.
    """
    for name, network in networks.items():
        network.train(name in in_train_mode)
    easy = {name: network(images).float().clamp(0, 1) for name, network in networks.items()}
    networks.train()
    return easy


def predict(forward: Forward, students: Iterable[str], labeled: LabeledBatch, hard: dict[str, HardView]
            ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Run every student on the labeled images and on its hard view, in one forward pass each.

    Returns:
        on_labeled: [L, B, K, h, w] by student.
        on_hard: [L, P * B, K, h, w] by student that has a hard view.
    """
    count = len(labeled.images)
    images = {name: torch.cat([labeled.images, hard[name].images]) if name in hard else labeled.images
              for name in students}
    heatmaps = forward(images)
    return ({name: maps[:, :count] for name, maps in heatmaps.items()},
            {name: heatmaps[name][:, count:] for name in hard})


def consistency_loss(student: Tensor, hard: HardView, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Eq. 5 and 11 for one target: the student's hard view against W of the target, level by level, path by path.

    Args:
        student: [L, P * B, K, h, w] heatmaps of the hard view.
        hard: what the student saw.
        target: [L, B, K, h, w] heatmaps of the easy view.
        weights: [B, K] of the keypoints in the easy view.
    """
    of_hard = None if weights is None else hard.of_weights(weights)
    return len(hard.paths) * heatmap_mse(student, hard.of_heatmaps(target), of_hard)


def confident(heatmaps: Tensor, threshold: float) -> Tensor | None:
    """[B, K] 1 where heatmaps [B, K, h, w] reach the threshold, else 0; None, which is all, where it is 0."""
    return (heatmaps.amax((-2, -1)) >= threshold).float() if threshold > 0 else None


@torch.no_grad()
def peak_confidence(easy: dict[str, Tensor], names: Iterable[str]) -> Tensor:
    """The mean highest confidence of these networks' last level: the collapse alarm."""
    return torch.stack([easy[name][0].amax((-2, -1)).mean() for name in names]).mean()


@torch.no_grad()
def peer_distance(one: Tensor, other: Tensor) -> Tensor:
    """How far apart two [B, K, h, w] place a keypoint on the average, in pixels of the input: peers that have come to
    agree have nothing left to teach each other.
    """
    apart: Tensor = (locate(one)[0] - locate(other)[0]).norm(dim=-1)
    return apart.mean()


@torch.no_grad()
def agreement(one: Tensor, other: Tensor) -> Tensor:
    """The share of keypoints that two [B, K, h, w] place within two cells of each other."""
    apart = (locate(one)[0] - locate(other)[0]).abs().amax(-1)
    return (apart <= 2 * STRIDE).float().mean()
