"""Images that take a part of another image, and heatmaps that take the same part of its heatmaps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trs.keyed_random import RandomStream, uniform


@dataclass(frozen=True)
class SampleMix:
    """Inside a box a sample keeps `own` of itself and takes the rest from its partner.

    partner: [B] the other sample's number in the batch.
    box: [B, 4] x0, y0, x1, y1 as shares of width and height.
    own: [B] in [0, 1].
    """

    partner: Tensor
    box: Tensor
    own: Tensor

    def __call__(self, samples: Tensor) -> Tensor:
        """SampleMix [..., B, C, h, w] images or heatmaps; a cell belongs to the box if its center does."""
        h, w = samples.shape[-2:]
        x = (torch.arange(w, device=samples.device) + 0.5) / w
        y = (torch.arange(h, device=samples.device) + 0.5) / h
        x0, y0, x1, y1 = self.box[..., None].unbind(1)
        inside = ((y >= y0) & (y < y1))[..., :, None] & ((x >= x0) & (x < x1))[..., None, :]
        taken = (inside * (1 - self.own)[:, None, None])[:, None]
        return samples + taken * (samples[..., self.partner, :, :, :] - samples)


def draw_partners(keys: Tensor) -> Tensor:
    """[B] for each sample the next one in a random cycle through the batch, so nobody is their own partner."""
    order = uniform(keys, 1, RandomStream.MIXING_PARTNER).squeeze(1).argsort()
    partners = torch.empty_like(order)
    partners[order] = order.roll(-1)
    return partners
