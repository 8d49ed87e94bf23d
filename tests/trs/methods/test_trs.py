"""Each equation against a naive reference that follows the paper, one student, one teacher and one level at a time."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from trs.augment.affine import affine_theta, draw_affine, warp
from trs.augment.keypoint_mix import keypoint_mix
from trs.config import SupervisedConfig, TRSConfig, ViewConfig
from trs.data.heatmaps import locate
from trs.keyed_random import derive
from trs.losses import heatmap_mse
from trs.methods.supervised import Supervised
from trs.methods.trs import TRS

CONFIG = TRSConfig(mix_count=3, patch_half_size=(20, 40))
VIEW = ViewConfig()


def mse(predicted, target):
    return 0.5 * ((predicted - target) ** 2).mean()


def reference(method: TRS, labeled, unlabeled) -> dict[str, torch.Tensor]:
    """Eq. 3 to 12 as the paper writes them, on copies, with separate forward passes and separate targets."""
    config = method.config
    theta = affine_theta(*draw_affine(unlabeled.keys, VIEW), (32, 24))
    teach = {name: copy.deepcopy(method.networks[name]).train(config.teacher_mode == "train") for name in ("a", "b")}
    remember = {name: copy.deepcopy(method.networks[f"reviewer_{name}"]).train(config.reviewer_mode == "train")
                for name in ("a", "b")}
    learn = {name: copy.deepcopy(method.networks[name]).train() for name in ("a", "b")}
    with torch.no_grad():
        easy = {name: network(unlabeled.images).clamp(0, 1) for name, network in teach.items()}
        past = {name: network(unlabeled.images).clamp(0, 1) for name, network in remember.items()}
    supervised, consistency = torch.zeros(()), {}
    for student, teacher in (("a", "b"), ("b", "a")):
        located = easy[teacher][0]
        if config.locator == "teacher_and_reviewer":
            located = (located + past[teacher][0]) / 2
        keypoints, peaks = locate(located)
        mixed = keypoint_mix(unlabeled.images, keypoints, peaks > 0, unlabeled.keys, config.mix_count,
                             config.patch_half_size)
        predicted = learn[student](torch.cat([labeled.images, warp(mixed, theta)]))
        targets = [easy[teacher]]
        if config.reviewers:
            targets += {"teacher": [past[teacher]], "student": [past[student]],
                        "both": [past[teacher], past[student]]}[config.reviewer_role]
        consistency[student] = sum(mse(predicted[level, 5:], warp(target[level], theta, "bicubic"))
                                   for level in (0, 1) for target in targets)
        supervised = supervised + sum(heatmap_mse(predicted[level:level + 1, :5], labeled.heatmaps,
                                                  labeled.keypoint_weights) for level in (0, 1))
    total = supervised + config.unsup_weight * (consistency["a"] + consistency["b"])
    total.backward()
    return {"loss": total, "loss_supervised": supervised,
            **{f"loss_{name}": loss for name, loss in consistency.items()},
            "gradients": {name: [p.grad for p in network.parameters()] for name, network in learn.items()}}


SWITCHES = [{}, {"reviewers": False}, {"reviewer_role": "student"}, {"reviewer_role": "both"},
            {"locator": "teacher_and_reviewer"}, {"teacher_mode": "eval"}, {"reviewer_mode": "eval"},
            {"mix_count": 0}, {"unsup_weight": 4.0}]


@pytest.fixture
def method(make_network, request) -> TRS:
    method = TRS(dataclasses.replace(CONFIG, **getattr(request, "param", {})), VIEW, make_network)
    for name in ("a", "b"):  # reviewers that differ from their peers, as after some steps
        for parameter in method.networks[f"reviewer_{name}"].parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return method


@pytest.mark.parametrize("method", SWITCHES, indirect=True, ids=str)
def test_losses_and_gradients_equal_the_equations(method: TRS, labeled, unlabeled) -> None:
    expected = reference(method, labeled, unlabeled)
    losses = method.losses(method.trained, labeled, unlabeled, step=10)
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss_supervised"], expected["loss_supervised"])
    for name, gradients in expected["gradients"].items():
        found = [parameter.grad for parameter in method.networks[name].parameters()]
        torch.testing.assert_close(found, gradients, atol=1e-6, rtol=1e-4)
    if not method.config.reviewers:  # with a single target even the values agree, not only the gradients
        for name in ("loss_a", "loss_b", "loss"):
            torch.testing.assert_close(losses[name], expected[name])


def test_no_gradient_reaches_teacher_or_reviewer(method: TRS, labeled, unlabeled) -> None:
    losses = method.losses(method.trained, labeled, unlabeled, step=0)
    losses["loss_a"].backward()
    assert all(parameter.grad is None or parameter.grad.abs().sum() == 0
               for parameter in method.networks["b"].parameters())
    assert all(parameter.grad is None for name in ("a", "b")
               for parameter in method.networks[f"reviewer_{name}"].parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in method.networks["a"].parameters())


def test_reviewers_ask_for_no_gradients(method: TRS) -> None:
    asking = {name for name, network in method.networks.items() if any(p.requires_grad for p in network.parameters())}
    assert asking == {"a", "b"}


def test_weight_zero_is_the_supervised_loss_of_both_peers(method: TRS, make_network, labeled, unlabeled) -> None:
    method.config = dataclasses.replace(CONFIG, unsup_weight=0.0)
    losses = method.losses(method.trained, labeled, unlabeled, step=0)
    torch.testing.assert_close(losses["loss"], losses["loss_supervised"])


def test_ramp_up_scales_the_consistency(make_network, labeled, unlabeled) -> None:
    method = TRS(dataclasses.replace(CONFIG, ramp_up=100), VIEW, make_network)
    losses = method.losses(method.trained, labeled, unlabeled, step=25)
    part = (losses["loss"] - losses["loss_supervised"]) / (losses["loss_a"] + losses["loss_b"])
    torch.testing.assert_close(part, torch.tensor(0.25 * CONFIG.unsup_weight), atol=1e-5, rtol=1e-3)


def test_an_unreachable_confidence_leaves_no_consistency(make_network, labeled, unlabeled) -> None:
    config = dataclasses.replace(CONFIG)
    object.__setattr__(config, "confidence_threshold", 1.1)  # which no config takes
    method = TRS(config, VIEW, make_network)
    losses = method.losses(method.trained, labeled, unlabeled, step=0)
    assert losses["loss_a"] == losses["loss_b"] == 0
    torch.testing.assert_close(losses["loss"], losses["loss_supervised"])


def test_reviewers_follow_with_their_own_momentum(make_network) -> None:
    method = TRS(dataclasses.replace(CONFIG, ema_momentum=0.9, ema_momentum_b=0.5), VIEW, make_network)
    before = copy.deepcopy(method.networks)
    for name in ("a", "b"):
        for parameter in method.networks[name].parameters():
            parameter.data += 1
    method.after_step(step=5000)
    for name, moved in (("a", 0.1), ("b", 0.5)):
        for old, new in zip(before[f"reviewer_{name}"].parameters(), method.networks[f"reviewer_{name}"].parameters(),
                            strict=True):
            torch.testing.assert_close(new, old + moved)


@pytest.mark.parametrize(("warmup", "remembered"), [("tenth", 0.1), ("mean", 0.0)])
def test_a_reviewer_remembers_little_of_its_first_weights(make_network, warmup, remembered) -> None:
    method = TRS(dataclasses.replace(CONFIG, ema_warmup=warmup), VIEW, make_network)
    for parameter in method.networks["a"].parameters():
        parameter.data += 1
    method.after_step(step=0)
    for peer, reviewer in zip(method.networks["a"].parameters(), method.networks["reviewer_a"].parameters(),
                              strict=True):
        torch.testing.assert_close(reviewer, peer - remembered)


def test_reviewers_may_take_labeled_gradients(make_network, labeled, unlabeled) -> None:
    method = TRS(dataclasses.replace(CONFIG, reviewer_update="ema_and_supervised"), VIEW, make_network)
    assert set(method.trained) == {"a", "b", "reviewer_a", "reviewer_b"}
    method.losses(method.trained, labeled, unlabeled, step=0)["loss"].backward()
    alone = copy.deepcopy(method.networks["reviewer_b"]).train()
    alone.zero_grad()
    heatmap_mse(alone(labeled.images), labeled.heatmaps, labeled.keypoint_weights).backward()
    torch.testing.assert_close([p.grad for p in method.networks["reviewer_b"].parameters()],
                               [p.grad for p in alone.parameters()])


def test_agreement_is_one_for_equal_networks(make_network, labeled, unlabeled) -> None:
    method = TRS(CONFIG, VIEW, make_network)
    assert method.losses(method.trained, labeled, unlabeled, step=0)["agreement"] == 1


def test_a_reviewer_in_train_mode_gathers_its_own_statistics(make_network, labeled, unlabeled) -> None:
    method = TRS(dataclasses.replace(CONFIG, reviewer_mode="train", ema_momentum=0.5), VIEW, make_network)
    assert method.in_train_mode == {"a", "b", "reviewer_a", "reviewer_b"}
    reviewer = copy.deepcopy(method.networks["reviewer_a"]).train()
    reviewer(unlabeled.images)
    method.losses(method.trained, labeled, unlabeled, step=0)
    method.after_step(step=0)
    torch.testing.assert_close(method.networks["reviewer_a"].norm.running_mean, reviewer.norm.running_mean)
    assert not torch.equal(method.networks["reviewer_a"].norm.running_mean, method.networks["a"].norm.running_mean)


def test_several_paths_sum_the_losses_of_independent_hard_views(make_network, labeled, unlabeled) -> None:
    one, two = (TRS(dataclasses.replace(CONFIG, paths=paths, teacher_mode="eval"), VIEW, make_network)
                for paths in (1, 2))
    for method in (one, two):  # a running BatchNorm sees no batch: each path's images can be passed alone
        for network in method.networks.values():
            network.norm.momentum = 0.0
            network.norm.eval()
            network.train = lambda mode=True, network=network: network
    first = one.losses(one.trained, labeled, unlabeled, step=0)
    other = dataclasses.replace(unlabeled, keys=derive(unlabeled.keys, 1))
    second = one.losses(one.trained, labeled, other, step=0)
    both = two.losses(two.trained, labeled, unlabeled, step=0)
    assert first["loss_a"] != second["loss_a"]
    torch.testing.assert_close(both["loss_a"], first["loss_a"] + second["loss_a"])
    torch.testing.assert_close(both["loss_supervised"], first["loss_supervised"])


def test_supervised_is_the_labeled_loss_of_one_network(make_network, labeled) -> None:
    method = Supervised(SupervisedConfig(), VIEW, make_network)
    network = copy.deepcopy(method.networks["a"]).train()
    losses = method.losses(method.trained, labeled, None, step=0)
    torch.testing.assert_close(losses["loss"], heatmap_mse(network(labeled.images), labeled.heatmaps,
                                                           labeled.keypoint_weights))
    assert not method.uses_unlabeled and method.peers == ("a",)
