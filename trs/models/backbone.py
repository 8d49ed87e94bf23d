"""Backbones that return every stage: torchvision's ResNets, timm's HRNets, and two small ResNets for machines without a
GPU."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision.models
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from trs.config import BackboneName
from trs.errors import InputError
from trs.files import open_regular
from trs.models.weights import misfit, not_finite

_FIRST_CHANNELS = {"resnet_tiny": 16, "resnet_small": 32}
"""Channels of the small backbones' first stage; torchvision's ResNets have 64."""


class Backbone(nn.Module):
    """Four feature maps, the one that is best for heatmaps last.

    channels: of the four maps.
    strides: of the four maps, in pixels of the image.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.strides = channels, strides

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> four feature maps [B, channels[i], H / strides[i], W / strides[i]]."""
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


class BranchedBackbone(Backbone):
    """Branches of all resolutions side by side: an HRNet, whose finest branch is the one for heatmaps."""

    def __init__(self, name: str, pretrained: str | None) -> None:
        network: Any = timm.create_model(name, features_only=True, feature_location="", out_indices=(1, 2, 3, 4))
        super().__init__(tuple(reversed(network.feature_info.channels())),
                         tuple(reversed(network.feature_info.reduction())))
        if pretrained is not None:
            _load_pretrained(network, name, pretrained)
        self.network: Any = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """The branches' outputs, the coarsest first."""
        features: list[Tensor] = self.network(images)
        return features[::-1]

    def read_last(self, count: int) -> None:
        """Freeze what leads to the other branches alone: DDP waits for a gradient of everything that is not frozen."""
        self.network.stage4[-1].fuse_layers[count:].requires_grad_(False)


def build_backbone(name: BackboneName, pretrained: str | None = None) -> Backbone:
    """Build a backbone by its name in torchvision or timm, or `resnet_tiny` or `resnet_small`.

    Args:
        name: of the backbone.
        pretrained: 'imagenet', a .pth file of torchvision's (for an HRNet timm's), a .safetensors file, or None.

    Raises:
        InputError: the weights are absent or of another architecture; the message says how to get them.
    """
    if name in _FIRST_CHANNELS:
        if pretrained is not None:
            raise InputError(f"there are no pretrained weights for {name}; model.pretrained must be None")
        return _small_resnet(_FIRST_CHANNELS[name])
    if name.startswith("hrnet"):
        return BranchedBackbone(name, pretrained)
    resnet = torchvision.models.get_model(name, weights=None)
    if pretrained is not None:
        _load_pretrained(resnet, name, pretrained)
    stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
    width = 512 if name in ("resnet18", "resnet34") else 2048
    return StagedBackbone(stem, [resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4],
                          (width // 8, width // 4, width // 2, width), (4, 8, 16, 32))


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


def _load_pretrained(network: nn.Module, name: str, pretrained: str) -> None:
    """Load pretrained weights; into a network on the device `meta`, which has none, only their names and shapes.

    Raises:
        InputError: they are absent, damaged, not finite or of another architecture.
    """
    path = _imagenet_file(name) if pretrained == "imagenet" else Path(pretrained)
    state = {key: value for key, value in _read_weights(path, name).items() if not key.startswith("fc.")}
    wanted = {key: value for key, value in network.state_dict().items() if not key.startswith("fc.")}
    # Counters are absent from some of torchvision's older files; nothing else may be. Half of float32 is enough.
    for key, value in wanted.items():
        if key in state and state[key].is_floating_point() and value.is_floating_point():
            state[key] = state[key].to(value.dtype)
    expected = {key: value for key, value in wanted.items() if key in state or not key.endswith("num_batches_tracked")}
    found = {key: value for key, value in state.items() if key in wanted}
    wrong = misfit(found, expected)
    if wrong is not None:
        raise InputError(f"{path} does not hold weights of {name}: {wrong}; name others under model.pretrained, or "
                         "None to start from scratch")
    broken = not_finite(found)
    if broken is not None:
        raise InputError(f"{path} holds weights that have diverged: {broken} is not finite; name others under "
                         "model.pretrained, or None to start from scratch")
    network.load_state_dict({key: value.to(wanted[key].device) for key, value in found.items()}, strict=False)


def _read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """Read the tensors of a file of PyTorch's or of safetensors; nothing else in it is ever unpickled.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    try:
        with open_regular(path) as file:
            beginning = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    except OSError as error:
        raise InputError(f"there are no pretrained weights at {path} ({error.strerror}); name a file under "
                         "model.pretrained, or None to start from scratch") from error
    if not beginning:
        raise InputError(f"{path} is empty, its download has failed; fetch it again")
    if beginning.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise InputError(f"{path} is a web page, which its address gave in the place of the weights; fetch the file "
                         "itself")
    if beginning.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is what Git LFS keeps in the place of the weights; fetch the file itself with git "
                         "lfs pull")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how somebody else's file was written
            state = (load_file(path) if path.suffix == ".safetensors"
                     else torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # PyTorch's reader raises whatever it stumbles upon, with advice that would unpickle it
        raise InputError(f"{path} does not hold plain weights of {name}: it is cut short or damaged, or holds more "
                         "than tensors; fetch it again, or save a network's state_dict() alone") from error
    if not isinstance(state, dict) or not all(
            isinstance(key, str) and isinstance(value, Tensor) and value.layout is torch.strided and value.is_cpu
            for key, value in state.items()):
        raise InputError(f"{path} does not hold plain weights of {name}, but other things beside or around them; save "
                         "a network's state_dict() alone")
    return state


def _imagenet_file(name: str) -> Path:
    if name.startswith("hrnet"):
        return _hub_file(name)
    url = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.is_file():
        raise InputError(f"the ImageNet weights of {name} are not in torchvision's cache; download {url} to {path}, "
                         "or start from scratch with model.pretrained = None")
    return path


def _hub_file(name: str) -> Path:
    repository = f"timm/{name}.ms_in1k"
    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except Exception as error:
        raise InputError(f"the ImageNet weights of {name} are not in the Hugging Face cache and cannot be downloaded "
                         f"from {repository}; fetch its model.safetensors and name it under model.pretrained, or start "
                         "from scratch with None") from error
