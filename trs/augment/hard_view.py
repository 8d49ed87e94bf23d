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
from trs.config import AugmentationName, ConsistencyConfig, Interpolation, ViewConfig
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
    "cutout": lambda images, located, config: cutout(images, located.keys, config.patch_half_size),
    "joint_cutout": lambda images, located, config: joint_cutout(
        images, located.keypoints, located.found, located.keys, config.patch_half_size),
    "ssco": lambda images, located, config: ssco(
        images, located.keypoints, located.found, located.keys, config.patch_half_size),
    "keypoint_mix": lambda images, located, config: keypoint_mix(
        images, located.keypoints, located.found, located.keys, config.mix_count, config.patch_half_size),
    "rand_augment": lambda images, located, config: rand_augment(images, located.keys)}
"""Augmentations of the images alone; the keypoints stay where they are."""

MIXES: dict[AugmentationName, Callable[[Tensor], SampleMix]] = {"mixup": draw_mixup, "cutmix": draw_cutmix}
"""Augmentations that mix samples, and so their targets too."""


@dataclass(frozen=True)
class HardView:
    """Hard views of a batch on one or several independent paths.

    images: [P * B, 3, H, W], path after path.
    paths: for each path its mixes, in order, and its [B, 2, 3] warp.
    heatmaps_by: how W resamples heatmaps.
    """

    images: Tensor
    paths: list[tuple[list[SampleMix], Tensor]]
    heatmaps_by: Interpolation = "bilinear"

    def of_heatmaps(self, heatmaps: Tensor) -> Tensor:
        """W: easy-view heatmaps [L, B, K, h, w] in hard-view coordinates, [L, P * B, K, h, w]."""
        return torch.cat([warp_levels(_mixed(heatmaps, mixes), theta, self.heatmaps_by)
                          for mixes, theta in self.paths], dim=1)

    def of_weights(self, weights: Tensor) -> Tensor:
        """Keypoint weights [B, K] of the easy view, [P * B, K]: a mix trusts a keypoint if it can trust both."""
        found = []
        for mixes, _ in self.paths:
            on_path = weights
            for mix in mixes:
                on_path = on_path * on_path[mix.partner]
            found.append(on_path)
        return torch.cat(found)


def _mixed(samples: Tensor, mixes: list[SampleMix]) -> Tensor:
    for mix in mixes:
        samples = mix(samples)
    return samples


@torch.no_grad()
def hard_view(unlabeled: UnlabeledBatch, heatmaps: Tensor, config: ConsistencyConfig, view: ViewConfig) -> HardView:
    """Make the view hard where heatmaps tell where the keypoints are.

    The draws depend on the samples' keys alone: whatever the heatmaps, the affine is the same, so two students that
    look at one batch share it.

    Args:
        unlabeled: easy views.
        heatmaps: [B, K, h, w] of whoever tells where the keypoints are.
        config: which augmentations, and on how many paths.
        view: ranges of the affine.
    """
    keypoints, confidence = locate(heatmaps)
    images, paths = [], []
    for path in range(config.paths):
        located = LocatedKeypoints(keypoints, confidence > 0, derive(unlabeled.keys, path))
        changed, mixes = augment(unlabeled.images, located, config)
        theta = affine_theta(*draw_affine(located.keys, view), (changed.shape[2], changed.shape[3]))
        images.append(warp(changed, theta))
        paths.append((mixes, theta))
    return HardView(torch.cat(images), paths, view.heatmap_warp)


def augment(images: Tensor, located: LocatedKeypoints, config: ConsistencyConfig) -> tuple[Tensor, list[SampleMix]]:
    """Augment easy views [B, 3, H, W] as `config.augment` says; return them and the mixes among the augmentations."""
    mixes = []
    for name in config.augment:
        if name in MIXES:
            mixes.append(MIXES[name](located.keys))
            images = mixes[-1](images)
        else:
            images = CHANGES[name](images, located, config)
    return images, mixes
