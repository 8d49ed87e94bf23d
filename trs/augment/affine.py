"""The hard view's affine: rotation and scale about the center, and the same warp for the teacher's heatmaps.

One [B, 2, 3] tensor describes the warp, as torch's `affine_grid` takes it: it maps hard-view positions to easy-view
positions, both in [-1, 1]. With the pixel convention of `trs.data.geometry` images and heatmaps differ by a pure
scaling, so the same tensor warps both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from trs.config import Interpolation, ViewConfig
from trs.keyed_random import RandomStream, normal, uniform


def draw_affine(keys: Tensor, view: ViewConfig) -> tuple[Tensor, Tensor]:
    """Scales [B] and rotations [B] in degrees: the easy view's ranges, rotated more often.

    Args:
        keys: [B] int64 sample keys.
        view: the ranges.
    """
    scale = (1 + view.scale * normal(keys, 1, RandomStream.AFFINE_SCALE)).clamp(1 - view.scale, 1 + view.scale)
    rotation = view.rotation * normal(keys, 1, RandomStream.AFFINE_ROTATION)
    rotated = uniform(keys, 1, RandomStream.AFFINE_IS_ROTATED) < view.hard_rotation_probability
    rotation = rotation.clamp(-2 * view.rotation, 2 * view.rotation)
    return scale.squeeze(1), (rotation * rotated).squeeze(1)


def affine_theta(scale: Tensor, rotation: Tensor, size: tuple[int, int]) -> Tensor:
    """The [B, 2, 3] warp that turns an image by `rotation` degrees (clockwise on the screen) and grows it by `scale`.

    Args:
        scale: [B].
        rotation: [B].
        size: height and width in any unit; only their ratio matters. In [-1, 1] coordinates a rotation of a
            rectangular image is no rotation matrix: without the ratio it would shear.
    """
    angle = rotation * (math.pi / 180)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    ratio = size[0] / size[1]
    zero = torch.zeros_like(cos)
    return torch.stack([torch.stack([cos, sin * ratio, zero], -1), torch.stack([-sin / ratio, cos, zero], -1)], -2)


def warp(images: Tensor, theta: Tensor, by: Interpolation = "bilinear") -> Tensor:
    """Resample [B, C, h, w] images or heatmaps; zero outside, the mean color of a normalized image.

    Bilinear resampling takes an eighth of the peak of a heatmap with a sigma of one cell, bicubic a hundredth.
    """
    # Autocast would make the grid in bfloat16, whose places are wrong by up to half a pixel.
    with torch.autocast(images.device.type, enabled=False):
        grid = F.affine_grid(theta.float(), list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, by, padding_mode="zeros", align_corners=False)


def warp_levels(heatmaps: Tensor, theta: Tensor, by: Interpolation = "bilinear") -> Tensor:
    """Warp [L, B, K, h, w] heatmaps, every level of an image alike.

    It is linear, so that the mean of two targets may be warped in the place of both; what bicubic resampling overshoots
    by is left as it is.
    """
    return torch.stack([warp(level, theta, by) for level in heatmaps])
