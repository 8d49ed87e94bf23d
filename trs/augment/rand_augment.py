"""RandAugment (Cubuk et al. 2020) without the operations that would move keypoints: those are the affine's part.

The operations are torchvision's; here they are chosen by the sample's key, one image at a time differently, so that
runs repeat and resume exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from trs.data.batch import denormalize, normalize
from trs.keyed_random import RandomStream, uniform

OPERATIONS_PER_IMAGE = 2
_STRENGTH = 0.27
"""Magnitude 9 of 30 steps of torchvision's RandAugment, whose factors reach 1 +- 0.9."""

OPERATIONS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda images: images,
    lambda images: F.adjust_brightness(images, 1 + _STRENGTH),
    lambda images: F.adjust_brightness(images, 1 - _STRENGTH),
    lambda images: F.adjust_saturation(images, 1 + _STRENGTH),
    lambda images: F.adjust_saturation(images, 1 - _STRENGTH),
    lambda images: F.adjust_contrast(images, 1 + _STRENGTH),
    lambda images: F.adjust_contrast(images, 1 - _STRENGTH),
    lambda images: F.adjust_sharpness(images, 1 + _STRENGTH),
    lambda images: F.adjust_sharpness(images, 1 - _STRENGTH),
    lambda images: F.posterize(images, 7),
    lambda images: F.solarize(images, 179),
    F.autocontrast,
    F.equalize)
"""On uint8 images [B, 3, H, W]; 8 - 4 * 9/30 bits and 255 * (1 - 9/30) as in torchvision at magnitude 9."""


def rand_augment(images: Tensor, keys: Tensor) -> Tensor:
    """Change the colors of normalized easy views [B, 3, H, W] by two random operations each.

    Args:
        images: normalized images.
        keys: [B] int64 sample keys.
    """
    colors = denormalize(images).permute(0, 3, 1, 2).contiguous()
    choice = uniform(keys, OPERATIONS_PER_IMAGE, RandomStream.RAND_AUGMENT_CHOICE)
    chosen = (choice * len(OPERATIONS)).long().cpu()  # wait for the device once
    for layer in chosen.unbind(1):
        for number in sorted(set(layer.tolist())):
            rows = torch.nonzero(layer == number).squeeze(1).to(colors.device, non_blocking=True)
            colors[rows] = OPERATIONS[number](colors[rows])
    return normalize(colors.permute(0, 2, 3, 1))
