"""The optimizer's options against PyTorch's own, used by hand."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from trs.config import Config, TrainConfig
from trs.methods.build import build_method
from trs.models.pose import Peers
from trs.optimizer import build_optimizer, set_rate


@pytest.fixture
def trained(config: Config) -> Peers:
    return build_method(config, 17).trained


def step(trained: Peers, train: TrainConfig, scale: float = 1.0) -> None:
    """Two steps on the sum of squares of all weights; the second rate is half of the first."""
    optimizer = build_optimizer(trained, train)
    for rate in (1.0, 0.5):
        optimizer.zero_grad()
        loss = scale * torch.stack([parameter.square().sum() for parameter in trained.parameters()]).sum()
        loss.backward()
        set_rate(optimizer, rate * train.learning_rate)
        optimizer.step()


def naive(parameter: torch.Tensor, train: TrainConfig, rate: float, scale: float = 1.0) -> torch.Tensor:
    """The same of one weight, after Loshchilov and Hutter (ICLR 2019), Algorithm 2."""
    weight, first, second = parameter.clone(), torch.zeros_like(parameter), torch.zeros_like(parameter)
    for number, share in enumerate((1.0, 0.5), 1):
        gradient = 2 * scale * weight + (train.weight_decay * weight if train.optimizer == "adam" else 0)
        if train.optimizer == "adamw":
            weight = weight - share * rate * train.weight_decay * weight
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient.square()
        weight = weight - share * rate * (first / (1 - 0.9**number)) / ((second / (1 - 0.999**number)).sqrt() + 1e-8)
    return weight


@pytest.mark.parametrize("train", [
    TrainConfig(), TrainConfig(weight_decay=0.1), TrainConfig(optimizer="adamw", weight_decay=0.1),
    TrainConfig(optimizer="adamw", weight_decay=0.1, backbone_rate=0.1), TrainConfig(backbone_rate=3.0)],
    ids=["adam", "adam with decay", "adamw", "adamw, slow backbone", "fast backbone"])
def test_every_weight_moves_as_in_the_paper_of_its_optimizer(trained: Peers, train: TrainConfig) -> None:
    before = copy.deepcopy(trained.state_dict())
    step(trained, train)
    for name, parameter in trained.named_parameters():
        rate = train.learning_rate * (train.backbone_rate if ".backbone." in name else 1.0)
        torch.testing.assert_close(parameter.detach(), naive(before[name], train, rate), atol=1e-6, rtol=1e-4)


def test_a_backbone_that_does_not_move_stays(trained: Peers) -> None:
    before = copy.deepcopy(trained.state_dict())
    step(trained, TrainConfig(backbone_rate=0.0, optimizer="adamw", weight_decay=0.1))
    moved = {name for name, parameter in trained.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved and not any(".backbone." in name for name in moved)


def test_to_clip_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="clip_norm must be positive, or null"):
        dataclasses.replace(TrainConfig(), clip_norm=0.0)
