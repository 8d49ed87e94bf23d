"""A step's rows on the device: what a method's losses take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trs.constants import constant
from trs.data.heatmaps import STRIDE, encode
from trs.data.reader import Rows

# Statistics of ImageNet's RGB images, which torchvision's pretrained backbones expect; others change them to theirs.
STATISTICS = _MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LabeledBatch:
    """images [B, 3, H, W] normalized; heatmaps [B, K, h, w], rendered with sigma in cells; keypoint_weights [B, K]."""

    images: Tensor
    heatmaps: Tensor
    keypoint_weights: Tensor
    sigma: float = 2.0


@dataclass(frozen=True)
class UnlabeledBatch:
    """images [B, 3, H, W], the normalized easy view; keys [B] int64, for `trs.keyed_random`.

    pseudo: the same images with the labels that a method's first stage has given them, if there was one.
    """

    images: Tensor
    keys: Tensor
    pseudo: LabeledBatch | None = None


def normalize(images: Tensor) -> Tensor:
    """uint8 RGB [B, H, W, 3] to float32 [B, 3, H, W] with ImageNet's statistics, in channels-last memory."""
    mean, std = (constant(values, torch.float32, images.device)[:, None, None] * 255 for values in (_MEAN, _STD))
    return (images.permute(0, 3, 1, 2).float() - mean) / std


def denormalize(images: Tensor) -> Tensor:
    """The inverse of `normalize`, for looking at: float [B, 3, H, W] to uint8 [B, H, W, 3]."""
    mean, std = (constant(values, torch.float32, images.device)[:, None, None] * 255 for values in (_MEAN, _STD))
    return (images * std + mean).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def labeled_batch(rows: Rows, device: torch.device, sigma: float) -> LabeledBatch:
    """Rows of the labeled stream, their heatmaps rendered on the device with `sigma` in cells."""
    images, keypoints, weights = (torch.as_tensor(rows[name]).to(device, non_blocking=True)
                                  for name in ("image", "keypoints", "keypoint_weights"))
    size = (images.shape[1] // STRIDE, images.shape[2] // STRIDE)
    heatmaps, weights = encode(keypoints, weights, size, sigma)
    return LabeledBatch(normalize(images), heatmaps, weights, sigma)


def unlabeled_batch(rows: Rows, device: torch.device, sigma: float, pseudo: bool = False) -> UnlabeledBatch:
    """Rows of the unlabeled stream; their labels are read only if they are pseudo labels."""
    keys = torch.as_tensor(rows["key"]).to(device, non_blocking=True)
    if pseudo:
        labeled = labeled_batch(rows, device, sigma)
        return UnlabeledBatch(labeled.images, keys, labeled)
    return UnlabeledBatch(normalize(torch.as_tensor(rows["image"]).to(device, non_blocking=True)), keys)
