"""From the easy to the hard view: augmentations in the easy frame, then one more affine, and the same for heatmaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trs.augment.affine import affine_theta, draw_affine, warp, warp_levels
from trs.augment.cutmix import draw_cutmix
from trs.augment.cutout import cutout
from trs.augment.joint_cutout import joint_cutout
from trs.augment.keypoint_mix import keypoint_mix
from trs.augment.mixing import SampleMix
from trs.augment.mixup import draw_mixup
from trs.augment.rand_augment import rand_augment
from trs.augment.ssco import ssco
from trs.config import AugmentationName, ConsistencyConfig, ViewConfig
from trs.data.batch import UnlabeledBatch
from trs.data.heatmaps import locate
from trs.keyed_random import derive


@dataclass(frozen=True)
class LocatedKeypoints:
    """What a teacher sees: keypoints [B, K, 2] in pixels, found [B, K] bool; and the samples' keys [B]."""

    keypoints: Tensor
    found: Tensor
    keys: Tensor


CHANGES: dict[AugmentationName, Callable[[Tensor, LocatedKeypoints, ConsistencyConfig], Tensor]] = {
    "cutout": lambda images, sight, config: cutout(images, sight.keys, config.patch_half_size),
    "joint_cutout": lambda images, sight, config: joint_cutout(images, sight.keypoints, sight.found, sight.keys,
                                                               config.patch_half_size),
    "ssco": lambda images, sight, config: ssco(images, sight.keypoints, sight.found, sight.keys,
                                               config.patch_half_size),
    "keypoint_mix": lambda images, sight, config: keypoint_mix(images, sight.keypoints, sight.found, sight.keys,
                                                               config.mix_count, config.patch_half_size),
    "rand_augment": lambda images, sight, config: rand_augment(images, sight.keys)}
"""Augmentations of the pictures alone; what is to be seen stays where it is."""

BLENDS: dict[AugmentationName, Callable[[Tensor], SampleMix]] = {"mixup": draw_mixup, "cutmix": draw_cutmix}
"""Augmentations that mix samples, and so their targets too."""


@dataclass(frozen=True)
class HardView:
    """Hard views of a batch on one or several independent paths.

    images: [P * B, 3, H, W], path after path.
    paths: for each path its blends, in order, and its [B, 2, 3] warp.
    """

    images: Tensor
    paths: list[tuple[list[SampleMix], Tensor]]

    def of_heatmaps(self, heatmaps: Tensor) -> Tensor:
        """W: easy-view heatmaps [L, B, K, h, w] in hard-view coordinates, [L, P * B, K, h, w]."""
        return torch.cat([warp_levels(_blended(heatmaps, blends), theta) for blends, theta in self.paths], dim=1)

    def of_weights(self, weights: Tensor) -> Tensor:
        """Keypoint weights [B, K] of the easy view, [P * B, K]: a blend trusts a keypoint if it can trust both."""
        found = []
        for blends, _ in self.paths:
            on_path = weights
            for blend in blends:
                on_path = on_path * on_path[blend.partner]
            found.append(on_path)
        return torch.cat(found)


def _blended(samples: Tensor, blends: list[SampleMix]) -> Tensor:
    for blend in blends:
        samples = blend(samples)
    return samples


@torch.no_grad()
def hard_view(unlabeled: UnlabeledBatch, heatmaps: Tensor, config: ConsistencyConfig, view: ViewConfig) -> HardView:
    """Make the view hard where heatmaps tell that there is something to see.

    The draws depend on the samples' keys alone: whatever the heatmaps, the affine is the same, so two students that
    look at one batch share it.

    Args:
        unlabeled: easy views.
        heatmaps: [B, K, h, w] of whoever tells where the keypoints are.
        config: which augmentations, and on how many paths.
        view: ranges of the affine.
    """
    keypoints, peaks = locate(heatmaps)
    images, paths = [], []
    for path in range(config.paths):
        sight = LocatedKeypoints(keypoints, peaks > 0, derive(unlabeled.keys, path))
        changed, blends = augment(unlabeled.images, sight, config)
        theta = affine_theta(*draw_affine(sight.keys, view), (changed.shape[2], changed.shape[3]))
        images.append(warp(changed, theta))
        paths.append((blends, theta))
    return HardView(torch.cat(images), paths)


def augment(images: Tensor, sight: LocatedKeypoints, config: ConsistencyConfig) -> tuple[Tensor, list[SampleMix]]:
    """Easy views [B, 3, H, W] after the augmentations of `config.augment`, and the blends among these."""
    blends = []
    for name in config.augment:
        if name in BLENDS:
            blends.append(BLENDS[name](sight.keys))
            images = blends[-1](images)
        else:
            images = CHANGES[name](images, sight, config)
    return images, blends
