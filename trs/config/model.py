"""The pose networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trs.config.checks import check_fields, require, within

BackboneName = Literal["resnet_tiny", "resnet_small", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
                       "hrnet_w32", "hrnet_w48"]


@dataclass(frozen=True)
class ModelConfig:
    """The pose networks."""

    backbones: tuple[BackboneName, ...] = ("resnet18", "resnet18")
    """One backbone a peer; a method with a single network uses the first."""
    pretrained: str | None = None
    """'imagenet' (from torchvision's cache), a torchvision .pth or a .safetensors file; None starts from scratch."""
    levels: int = 2
    """Backbone stages with a head of their own, counted from the last: 1, 2 or 3 (paper, Table VII)."""
    head_channels: int = field(default=256, metadata=within(1, 4096))
    """Channels of the deconvolutions (SimpleBaseline: 256)."""
    fuse: Literal["last", "mean"] = "last"
    """Which level's heatmaps inference reads: the last stage's, or the mean of all."""

    def __post_init__(self) -> None:
        check_fields(self, "model")
        require(len(self.backbones) >= 1, "model.backbones needs at least one name")
        require(self.levels in (1, 2, 3), f"model.levels must be 1, 2 or 3, got {self.levels}")
