"""Mixup (Zhang et al. 2018): two images, and with them their heatmaps, are averaged by a random ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from trs.augment.mixing import SampleMix, draw_partners
from trs.constants import constant
from trs.keyed_random import RandomStream, uniform


def draw_mixup(keys: Tensor) -> SampleMix:
    """A ratio uniform in [0, 1], that is Beta(1, 1), for each of the samples with these [B] keys."""
    whole = constant((0, 0, 1, 1), torch.float32, keys.device).expand(len(keys), 4)
    return SampleMix(draw_partners(keys), whole, uniform(keys, 1, RandomStream.MIXUP_RATIO).squeeze(1))
