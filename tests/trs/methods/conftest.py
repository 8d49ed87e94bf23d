"""A network so small that the equations can be followed number by number."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trs.data.batch import LabeledBatch, UnlabeledBatch


class TinyPose(nn.Module):
    """[B, 3, 32, 24] -> [2, B, 4, 8, 6]: two levels from one convolution with BatchNorm."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Conv2d(3, 8, 5, stride=4, padding=2)
            self.norm = nn.BatchNorm2d(8)
            self.heads = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in range(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.norm(self.body(images))
        return torch.stack([head(features) for head in self.heads])


@pytest.fixture
def make_network():
    return TinyPose


@pytest.fixture
def labeled() -> LabeledBatch:
    torch.manual_seed(1)
    return LabeledBatch(torch.randn(5, 3, 32, 24), torch.rand(5, 4, 8, 6), (torch.rand(5, 4) > 0.3).float())


@pytest.fixture
def unlabeled() -> UnlabeledBatch:
    torch.manual_seed(2)
    return UnlabeledBatch(torch.randn(5, 3, 32, 24), torch.randint(0, 2**32, (5,)))
