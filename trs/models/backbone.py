"""Backbones that return every stage: torchvision's ResNets, timm's HRNets and pyramids, and two small ResNets for
machines without a GPU."""

from __future__ import annotations

import itertools
import math
from typing import Any

import timm
import torch
import torchvision.models
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from trs.config.model import TIMM
from trs.data.batch import STATISTICS
from trs.data.heatmaps import STRIDE
from trs.errors import InputError, printable
from trs.models.pretrained import load_pretrained

_FIRST_CHANNELS = {"resnet_tiny": 16, "resnet_small": 32}
"""Channels of the small backbones' first stage; torchvision's ResNets have 64."""


class Backbone(nn.Module):
    """Up to four feature maps, the one that is best for heatmaps last.

    channels: of the maps.
    strides: of the maps, in pixels of the image.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.strides = channels, strides

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> feature maps [B, channels[i], H / strides[i], W / strides[i]]."""
        raise NotImplementedError

    def read_last(self, count: int) -> None:
        """Prepare for a training that reads only so many maps, from the last on."""


class StagedBackbone(Backbone):
    """A stem and stages, one after the other: a ResNet."""

    def __init__(self, stem: nn.Module, stages: list[nn.Module], channels: tuple[int, ...],
                 strides: tuple[int, ...]) -> None:
        super().__init__(channels, strides)
        self.stem = stem
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The stages' outputs, the first stage's first."""
        features, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class PyramidBackbone(Backbone):
    """Any network of timm's that gives a pyramid of feature maps, the coarsest last; a part of it that only leads to
    what comes after is left out.

    The images are normalized with the statistics that the network's own weights were trained with.
    """

    def __init__(self, name: str, pretrained: str | None) -> None:
        network, maps = _pyramid(name)
        super().__init__(tuple(network.feature_info.channels()[-maps:]),
                         tuple(network.feature_info.reduction()[-maps:]))
        (mean, std), (own_mean, own_std) = STATISTICS, _statistics_of(name)
        weights = (pretrained or "").removeprefix(TIMM)
        if f"{TIMM}{weights}" == pretrained and _statistics_of(weights) != (own_mean, own_std):
            raise InputError(f"{pretrained} was trained on images that were normalized otherwise than those of "
                             f"{TIMM}{name}; name {pretrained} under model.backbones too")
        if pretrained is not None:
            load_pretrained(network, f"{TIMM}{name}", pretrained)
        self.network: Any = network
        self.scale = tuple(one / other for one, other in zip(std, own_std, strict=True))
        self.shift = tuple((one - other) / by for one, other, by in zip(mean, own_mean, own_std, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The stages' outputs, the finest first."""
        if self.scale != (1.0, 1.0, 1.0):
            images = torch.stack([images[:, channel] * scale + shift for channel, (scale, shift) in
                                  enumerate(zip(self.scale, self.shift, strict=True))], 1)
        maps: list[Tensor] = self.network(images)
        return maps[-len(self.channels):]


def _statistics_of(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the images that a network of timm's was trained with."""
    own = timm.models.get_pretrained_cfg(name)
    return (own.mean, own.std) if own is not None else STATISTICS


class BranchedBackbone(Backbone):
    """Branches of all resolutions side by side: an HRNet, whose finest branch is the one for heatmaps."""

    def __init__(self, name: str, pretrained: str | None) -> None:
        network: Any = timm.create_model(name, features_only=True, feature_location="", out_indices=(1, 2, 3, 4))
        super().__init__(tuple(reversed(network.feature_info.channels())),
                         tuple(reversed(network.feature_info.reduction())))
        if pretrained is not None:
            load_pretrained(network, name, pretrained)
        self.network: Any = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """The branches' outputs, the coarsest first."""
        features: list[Tensor] = self.network(images)
        return features[::-1]

    def read_last(self, count: int) -> None:
        """Freeze what leads to the other branches alone: DDP waits for a gradient of everything that is not frozen."""
        self.network.stage4[-1].fuse_layers[count:].requires_grad_(False)


def build_backbone(name: str, pretrained: str | None = None) -> Backbone:
    """Build a backbone by its name in torchvision or timm, or `resnet_tiny` or `resnet_small`.

    Args:
        name: of the backbone, see `ModelConfig.backbones`.
        pretrained: see `ModelConfig.pretrained`; None draws the weights at random.

    Raises:
        InputError: there is no such network, or the weights are absent or of another architecture; the message says how
            to get them.
    """
    if name.startswith(TIMM):
        return PyramidBackbone(name.removeprefix(TIMM), pretrained)
    if name in _FIRST_CHANNELS:
        if pretrained is not None:
            raise InputError(f"there are no pretrained weights for {name}; model.pretrained must be none")
        return _small_resnet(_FIRST_CHANNELS[name])
    if name.startswith("hrnet"):
        return BranchedBackbone(name, pretrained)
    resnet = torchvision.models.get_model(name, weights=None)
    if pretrained is not None:
        load_pretrained(resnet, name, pretrained)
    stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
    width = 512 if name in ("resnet18", "resnet34") else 2048
    return StagedBackbone(stem, [resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4],
                          (width // 8, width // 4, width // 2, width), (4, 8, 16, 32))


def _pyramid(name: str) -> tuple[Any, int]:
    """A network of timm's as a pyramid, and how many of its maps are coarse enough for a head: four at most.

    Raises:
        InputError: timm has no such network, or none that gives a pyramid.
    """
    try:
        network: Any = timm.create_model(name, features_only=True)
    except Exception as error:  # timm raises what it stumbles upon
        why = printable(str(error).partition("\n")[0])
        raise InputError(f"timm has no pyramid {printable(name)} ({why}); timm.list_models() lists what there is"
                         ) from error
    strides = network.feature_info.reduction()
    coarse = [stride for stride in strides if stride >= STRIDE and math.log2(stride).is_integer()]
    if strides[-len(coarse):] != coarse or not coarse:
        raise InputError(f"{TIMM}{printable(name)} has maps of the strides {', '.join(map(str, strides))}; heads start "
                         f"from powers of two, from {STRIDE} on")
    return network, min(4, len(coarse))


def _small_resnet(width: int) -> Backbone:
    """One basic block a stage, narrow, for inputs of 64 to 128 pixels.

    Without the stem's pooling the last stage has stride 16: at stride 32 a 64x64 image would shrink to 2x2 cells, and
    the network would learn its few labeled people by heart (LSPET, 500 labels: AP 0.02 instead of 0.09).
    """
    channels = (width, 2 * width, 4 * width, 8 * width)
    stem = nn.Sequential(nn.Conv2d(3, channels[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels[0]),
                         nn.ReLU(inplace=True))
    stages: list[nn.Module] = [BasicBlock(channels[0], channels[0])]
    for inputs, outputs in itertools.pairwise(channels):
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))
        stages.append(BasicBlock(inputs, outputs, stride=2, downsample=shortcut))
    return StagedBackbone(stem, stages, channels, (2, 4, 8, 16))
