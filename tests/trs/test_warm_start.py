"""Faults in the weights that a training starts from are found without building a network."""

from __future__ import annotations

import dataclasses
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from tests.pipes import make_pipe
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.methods.build import build_method
from trs.models.backbone import build_backbone
from trs.training import start_training
from trs.warm_start import check_fit


def with_backbone(config: Config, name: str, pretrained: Path | str | None) -> Config:
    weights = (str(pretrained),) if pretrained else ()
    model = dataclasses.replace(config.model, backbones=(name, name), pretrained=weights)
    return dataclasses.replace(config, model=model)


def starting_from(config: Config, *folders: Path) -> Config:
    train = dataclasses.replace(config.train, init_from=tuple(str(folder) for folder in folders))
    return dataclasses.replace(config, train=train)


@pytest.fixture
def supervised(config: Config, datasets: Datasets, tmp_path: Path) -> list[Path]:
    """Two supervised runs with a checkpoint each."""
    runs = []
    for seed in (1, 2):
        run = dataclasses.replace(config, method=SupervisedConfig(), train=dataclasses.replace(config.train, seed=seed))
        training = start_training(run, datasets, build_method(run, len(datasets.skeleton)), torch.device("cpu"))
        training.save(tmp_path / f"run{seed}" / "checkpoint_00000001")
        runs.append(tmp_path / f"run{seed}")
    return runs


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet18", "hrnet_w32"])
def test_fitting_weights_pass_without_memory_or_a_warning(name: str, config: Config, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained = None
    if name == "resnet18":
        pretrained = tmp_path / "weights.pth"
        torch.save(torchvision.models.resnet18(weights=None).state_dict(), pretrained)
    elif name == "hrnet_w32":
        pretrained = tmp_path / "weights.safetensors"
        save_file(timm.create_model("hrnet_w32").state_dict(), pretrained)
    built = []
    monkeypatch.setattr("trs.warm_start.build_method", lambda *given: built.append(build_method(*given)) or built[0])
    before = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_fit(with_backbone(config, name, pretrained), 17)
    weights = built[0].networks.state_dict()
    assert weights and all(tensor.is_meta for tensor in weights.values())
    assert torch.equal(before, torch.random.get_rng_state())


def test_absent_weights_are_found(config: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no pretrained weights at"):
        check_fit(with_backbone(config, "resnet18", tmp_path / "gone.pth"), 17)
    with pytest.raises(InputError, match="there are no pretrained weights for resnet_tiny"):
        check_fit(with_backbone(config, "resnet_tiny", "imagenet"), 17)


@pytest.mark.parametrize("name", ["resnet18", "hrnet_w32"])
def test_weights_of_another_architecture_are_found(name: str, config: Config, tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet50(weights=None).state_dict(), tmp_path / "resnet50.pth")
    with pytest.raises(InputError, match=f"does not hold (plain )?weights of {name}"):
        check_fit(with_backbone(config, name, tmp_path / "resnet50.pth"), 17)


HTML = b"\xef\xbb\xbf<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 46830571\n"
DAMAGED = ("does not hold plain weights of resnet18: it is cut short or damaged, or holds more than tensors; fetch it "
           r"again, or save a network's state_dict\(\) alone")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("damage", "sentence"), [
    ("empty", "is empty, its download has failed; fetch it again"),
    ("spaces", "is empty, its download has failed; fetch it again"),
    ("web page", "is a web page, which its address gave in the place of the weights; fetch the file itself"),
    ("pointer", "is what Git LFS keeps in the place of the weights; fetch the file itself with git lfs pull"),
    ("cut", DAMAGED),
    ("one byte", DAMAGED),
    ("garbage", DAMAGED),
    ("zeros", DAMAGED),
    ("absent", r"there are no pretrained weights at .* \(No such file or directory\); name a file"),
    ("folder", r"there are no pretrained weights at .* \(is not a regular file\); name a file"),
    ("pipe", r"there are no pretrained weights at .* \(is not a regular file\); name a file"),
    ("/dev/zero", r"there are no pretrained weights at .* \(is not a regular file\); name a file")])
def test_damaged_weights_are_told_in_a_sentence(config: Config, tmp_path: Path, suffix: str, damage: str, sentence: str
                                                ) -> None:
    path = tmp_path / f"weights{suffix}"
    if damage == "folder":
        path.mkdir()
    elif damage == "pipe":
        make_pipe(path)
    elif damage == "/dev/zero":
        path.symlink_to(damage)
    elif damage == "cut":
        save_as(path, torchvision.models.resnet18(weights=None).state_dict())
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage != "absent":
        garbage = random.Random(0).randbytes(5000)
        path.write_bytes({"empty": b"", "spaces": b" \n" * 10, "web page": HTML, "pointer": LFS, "one byte": b"\x80",
                          "garbage": b"\x1b[31m" + garbage, "zeros": b"\0" * 5000}[damage])
    with pytest.raises(InputError, match=sentence) as refused:
        check_fit(with_backbone(config, "resnet18", path), 17)
    assert str(refused.value).isprintable() and "weights_only" not in str(refused.value)


def save_as(path: Path, weights: dict[str, Any]) -> None:
    torch.save(weights, path) if path.suffix == ".pth" else save_file(weights, path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("change", "sentence"), [
    ({"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}, "layer1.0.conv1.weight is 64x64x1x1, not 64x64x3x3; name"),
    ({"layer1.0.conv1.weight": None}, "layer1.0.conv1.weight is missing; name others under model.pretrained, or None"),
    ({"bn1.bias": torch.zeros(64, dtype=torch.int32)}, "bn1.bias holds int32, not float32; name others"),
    ({"bn1.running_var": torch.full((64,), torch.inf)}, "have diverged: bn1.running_var is not finite; name others"),
    ({"conv1.weight": torch.full((64, 3, 7, 7), torch.nan)}, "have diverged: conv1.weight is not finite; name others")])
def test_the_weights_that_do_not_fit_are_named(config: Config, tmp_path: Path, suffix: str, change: dict[str, Any],
                                               sentence: str) -> None:
    weights = torchvision.models.resnet18(weights=None).state_dict() | change
    path = tmp_path / f"weights{suffix}"
    save_as(path, {name: value for name, value in weights.items() if value is not None})
    with pytest.raises(InputError, match=sentence):
        check_fit(with_backbone(config, "resnet18", path), 17)


@pytest.mark.parametrize("wrapped", [
    {"state_dict": {"conv1.weight": torch.zeros(1)}, "epoch": 3}, [torch.zeros(1)], torch.zeros(3), 3, None,
    {1: torch.zeros(1)}, {"conv1.weight": torch.zeros(2, 2).to_sparse()},
    {"conv1.weight": torch.zeros(64, 3, 7, 7, device="meta")}])
def test_weights_with_other_things_around_them_are_refused(config: Config, tmp_path: Path, wrapped: Any) -> None:
    torch.save(wrapped, tmp_path / "weights.pth")
    with pytest.raises(InputError, match="does not hold plain weights of resnet18, but other things beside or around"):
        check_fit(with_backbone(config, "resnet18", tmp_path / "weights.pth"), 17)


def test_weights_are_never_unpickled(config: Config, tmp_path: Path) -> None:
    alarm = tmp_path / "it ran"

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (alarm,)

    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"conv1.weight": Evil()}, tmp_path / "archive.pth")
    for name in ("plain", "archive"):
        with pytest.raises(InputError, match=DAMAGED):
            check_fit(with_backbone(config, "resnet18", tmp_path / f"{name}.pth"), 17)
    assert not alarm.exists()


def test_weights_of_half_precision_and_without_counters_are_read(config: Config, tmp_path: Path) -> None:
    weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in weights.items()
                if not name.endswith("num_batches_tracked")}, tmp_path / "weights.pth")
    network = build_backbone("resnet18", str(tmp_path / "weights.pth"))
    assert torch.equal(network.stem[0].weight, weights["conv1.weight"].half().float())


def test_checkpoints_that_fit_pass(config: Config, supervised: list[Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_fit(starting_from(config, *supervised), 17)


def test_too_few_checkpoints_are_found(config: Config, supervised: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs one checkpoint for each of the 2 peers"):
        check_fit(starting_from(config, supervised[0]), 17)
    with pytest.raises(InputError, match="there is no checkpoint in"):
        check_fit(starting_from(config, tmp_path / "gone", supervised[0]), 17)


def test_checkpoints_of_another_architecture_are_found(config: Config, supervised: list[Path]) -> None:
    other = with_backbone(config, "resnet_small", None)
    for keypoint_count, wanted in ((17, other), (14, config)):
        with pytest.raises(InputError, match=r"train\.init_from: network a is of another architecture"):
            check_fit(starting_from(wanted, *supervised), keypoint_count)
