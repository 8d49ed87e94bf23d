"""CutMix (Yun et al. 2019): a rectangle of another image, and of its heatmaps, is pasted in."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.augment.mixing import SampleMix, draw_partners
from trs.keyed_random import RandomStream, uniform


def draw_cutmix(keys: Tensor) -> SampleMix:
    """A rectangle of the image's shape for each of the samples with these [B] keys.

    Its area is uniform in [0, 1] of the image's, its center uniform in the image, and what reaches over the edge is
    cut off, as in the paper.
    """
    half = uniform(keys, 1, RandomStream.CUTMIX_AREA).sqrt() / 2
    center = uniform(keys, 2, RandomStream.CUTMIX_PLACE)
    box = torch.cat([center - half, center + half], dim=1).clamp(0, 1)
    return SampleMix(draw_partners(keys), box, torch.zeros_like(box[:, 0]))
