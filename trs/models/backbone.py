"""Backbones that return every stage: torchvision's ResNets, and two small ones for machines without a GPU."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
import torchvision.models
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from trs.config import BackboneName
from trs.errors import InputError

_FIRST_CHANNELS = {"resnet_tiny": 16, "resnet_small": 32}
"""Channels of the small backbones' first stage; torchvision's ResNets have 64."""


class Backbone(nn.Module):
    """A stem and four stages at strides 4, 8, 16 and 32.

    channels: output channels of the four stages.
    """

    def __init__(self, stem: nn.Module, stages: list[nn.Module], channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.channels = channels

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> four feature maps [B, channels[i], H / 2^(i+2), W / 2^(i+2)], first stage first."""
        features, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def build_backbone(name: BackboneName, pretrained: str | None = None) -> Backbone:
    """A backbone by its torchvision name, or `resnet_tiny` or `resnet_small`.

    Args:
        name: of the backbone.
        pretrained: 'imagenet', a .pth file of torchvision's, a .safetensors file, or None.

    Raises:
        InputError: the weights are absent or of another architecture; the message says how to get them.
    """
    if name in _FIRST_CHANNELS:
        if pretrained is not None:
            raise InputError(f"there are no pretrained weights for {name}; leave --model.pretrained out")
        return _narrow(_FIRST_CHANNELS[name])
    resnet: ResNet = torchvision.models.get_model(name, weights=None)
    if pretrained is not None:
        _load_pretrained(resnet, name, pretrained)
    stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
    width = 512 if name in ("resnet18", "resnet34") else 2048
    return Backbone(stem, [resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4],
                    (width // 8, width // 4, width // 2, width))


def _narrow(width: int) -> Backbone:
    """One basic block a stage: a ResNet10 with narrow stages."""
    channels = (width, 2 * width, 4 * width, 8 * width)
    stem = nn.Sequential(nn.Conv2d(3, channels[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels[0]),
                         nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1))
    stages: list[nn.Module] = [BasicBlock(channels[0], channels[0])]
    for inputs, outputs in itertools.pairwise(channels):
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))
        stages.append(BasicBlock(inputs, outputs, stride=2, downsample=shortcut))
    return Backbone(stem, stages, channels)


def _load_pretrained(resnet: ResNet, name: str, pretrained: str) -> None:
    path = _imagenet_file(name) if pretrained == "imagenet" else Path(pretrained)
    if not path.is_file():
        raise InputError(f"there are no pretrained weights at {path}; give a file with --model.pretrained FILE, or "
                         f"--model.pretrained None to start from scratch")
    try:
        state = (load_file(path) if path.suffix == ".safetensors"
                 else torch.load(path, map_location="cpu", weights_only=True))
        resnet.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")}, strict=False)
        missing = resnet.state_dict().keys() - state.keys() - {"fc.weight", "fc.bias"}
    except Exception as error:
        raise InputError(f"{path} does not hold plain weights of {name}: {str(error).splitlines()[0]}") from error
    # Counters are absent from some of torchvision's older files; nothing else may be.
    missing = {key for key in missing if not key.endswith("num_batches_tracked")}
    if missing:
        raise InputError(f"{path} does not hold weights of {name}: {len(missing)} tensors are missing, "
                         f"{min(missing)} among them")


def _imagenet_file(name: str) -> Path:
    url = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.is_file():
        raise InputError(f"the ImageNet weights of {name} are not in torchvision's cache; download {url} to {path}, "
                         f"or start from scratch with --model.pretrained None")
    return path
