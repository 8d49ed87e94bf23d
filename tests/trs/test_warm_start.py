"""Faults in the weights that a training starts from are found without building a network."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from trs import loop
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.methods.build import build_method
from trs.warm_start import check_fit


def with_backbone(config: Config, name: str, pretrained: Path | str | None) -> Config:
    model = dataclasses.replace(config.model, backbones=(name, name), pretrained=pretrained and str(pretrained))
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
        training = loop.start(run, datasets, build_method(run, len(datasets.skeleton)), torch.device("cpu"))
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
