"""Cutout (DeVries and Taylor 2017): squares at random places are blanked."""

from __future__ import annotations

from torch import Tensor

from trs.augment.patch import draw_half_sizes, erase
from trs.constants import constant
from trs.keyed_random import RandomStream, uniform

COUNT = 5
"""Squares in an image: as many as Joint Cutout blanks, so that the two differ by their places alone."""


def cutout(images: Tensor, keys: Tensor, half_size: tuple[int, int]) -> Tensor:
    """Blank squares of easy views [B, C, H, W].

    Args:
        images: normalized images.
        keys: [B] int64 sample keys.
        half_size: smallest and largest half-size, in pixels of an image 256 high.
    """
    height, width = images.shape[2:]
    size = constant((width, height), images.dtype, images.device)
    places = uniform(keys, 2 * COUNT, RandomStream.CUTOUT_PLACE).view(-1, COUNT, 2) * size
    half_sizes = draw_half_sizes(keys, COUNT, half_size, height, RandomStream.CUTOUT_SIZE)
    every = half_sizes > 0
    return erase(images, places, half_sizes[..., None].expand(-1, -1, 2), every)
