"""Joint Cutout (Xie et al. 2021): rectangles near keypoints are blanked, so that the others must tell where they are.

As in `xierc/Semi_Human_Pose`, but with height and width in their places: there rectangles are clipped by the swapped
sizes, and in an upright image never reach the lowest rows.
"""

from __future__ import annotations

from torch import Tensor

from trs.augment.patch import draw_found, draw_half_sizes, erase, jittered
from trs.keyed_random import RandomStream

COUNT = 5
"""Keypoints that are drawn, with replacement (256x192_COCO1K_PoseDual_JointCutout.yaml and its kin)."""


def joint_cutout(images: Tensor, keypoints: Tensor, found: Tensor, keys: Tensor, half_size: tuple[int, int]) -> Tensor:
    """Blank rectangles of easy views [B, C, H, W].

    Args:
        images: normalized images.
        keypoints: [B, K, 2] where a network sees them, in pixels.
        found: [B, K] bool; others are not drawn.
        keys: [B] int64 sample keys.
        half_size: smallest and largest half-size, in pixels of an image 256 high.
    """
    height = images.shape[2]
    chosen, valid = draw_found(keys, found, COUNT, RandomStream.JOINT_CUTOUT_CHOICE)
    centers = keypoints.gather(1, chosen[..., None].expand(-1, -1, 2))
    half_sizes = draw_half_sizes(keys, 2 * COUNT, half_size, height, RandomStream.JOINT_CUTOUT_SIZE)
    jittered_centers = jittered(centers, keys, height, RandomStream.JOINT_CUTOUT_JITTER)
    return erase(images, jittered_centers, half_sizes.view(-1, COUNT, 2), valid)
