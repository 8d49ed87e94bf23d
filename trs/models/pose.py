"""Multi-level Feature Learning (paper, IV-C): one backbone, one head on each of its last stages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trs.config import ModelConfig
from trs.data.heatmaps import STRIDE
from trs.errors import InputError
from trs.models.backbone import Backbone, build_backbone
from trs.models.head import build_head


class PoseNetwork(nn.Module):
    """Heatmaps of K keypoints on L levels; level 0 is the backbone's last stage, level 1 the one before, ..."""

    def __init__(self, backbone: Backbone, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(heads)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] normalized images -> [L, B, K, H/4, W/4] heatmaps."""
        stages = self.backbone(images)
        return torch.stack([head(stage) for head, stage in zip(self.heads, reversed(stages), strict=False)])


def build_pose_network(config: ModelConfig, peer: int, keypoint_count: int, seed: int) -> PoseNetwork:
    """Build the pose network of peer number i, whose fresh weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build_backbone(config.backbone_of(peer), config.pretrained_of(peer))
        backbone.read_last(config.levels)
        # A ResNet's last stage lies at stride 32 and needs three doublings to stride 4, the one before it two, ...
        if config.levels > len(backbone.strides):
            raise InputError(f"{config.backbone_of(peer)} gives {len(backbone.strides)} maps, fewer than model.levels, "
                             f"{config.levels}")
        maps = list(zip(backbone.channels, backbone.strides, strict=True))[-config.levels:]
        heads = [build_head(channels, int(math.log2(stride / STRIDE)), config.head_channels, keypoint_count)
                 for channels, stride in reversed(maps)]
        return PoseNetwork(backbone, heads).to(memory_format=torch.channels_last)


class Peers(nn.ModuleDict):
    """Several networks as one module, so that DDP reduces their gradients together."""

    def forward(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run each named network on its own images."""
        return {name: self[name](batch) for name, batch in images.items()}
