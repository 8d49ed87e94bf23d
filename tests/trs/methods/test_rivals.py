"""The paper's rivals, each against a naive reference or a limiting case."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from trs.augment.hard_view import hard_view
from trs.config import (
    DataDistillConfig,
    DualConfig,
    FixMatchConfig,
    MeanTeacherConfig,
    PseudoPoseConfig,
    SingleConfig,
    SSPCMConfig,
    SupervisedConfig,
    TRSConfig,
    ViewConfig,
)
from trs.data.batch import LabeledBatch
from trs.data.heatmaps import locate
from trs.losses import heatmap_mse
from trs.methods.data_distill import DataDistill
from trs.methods.dual import Dual
from trs.methods.fixmatch import FixMatch
from trs.methods.mean_teacher import MeanTeacher
from trs.methods.pseudo_pose import PseudoPose
from trs.methods.single import Single
from trs.methods.sspcm import PAIRS, SSPCM, closest_pair
from trs.methods.supervised import Supervised
from trs.methods.trs import TRS

VIEW = ViewConfig()
HALF = (20, 40)


def gradients(method, name: str) -> list[torch.Tensor]:
    return [parameter.grad for parameter in method.networks[name].parameters()]


def student_loss(network, labeled, hard, target, unsup_weight: float, weights=None) -> torch.Tensor:
    """One student as the papers write it: a copy, one forward, two mean squared errors; backward is run."""
    student = copy.deepcopy(network).train()
    student.zero_grad()
    predicted = student(torch.cat([labeled.images, hard.images]))
    supervised = heatmap_mse(predicted[:, :5], labeled.heatmaps, labeled.keypoint_weights)
    consistency = heatmap_mse(predicted[:, 5:], hard.of_heatmaps(target), weights)
    loss = supervised + unsup_weight * consistency
    loss.backward()
    return loss.detach(), [parameter.grad for parameter in student.parameters()]


def seen(network, images, mode: bool) -> torch.Tensor:
    with torch.no_grad():
        return copy.deepcopy(network).train(mode)(images).clamp(0, 1)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_single_teaches_itself(make_network, labeled, unlabeled, mode: str) -> None:
    method = Single(SingleConfig(patch_half_size=HALF, teacher_mode=mode, unsup_weight=0.7), VIEW, make_network)
    target = seen(method.networks["a"], unlabeled.images, mode == "train")
    hard = hard_view(unlabeled, target[0], method.config, VIEW)
    expected, slopes = student_loss(method.networks["a"], labeled, hard, target, 0.7)
    losses = method.losses(method.trained, labeled, unlabeled, step=0)
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"].detach(), expected)
    torch.testing.assert_close(gradients(method, "a"), slopes)


def test_dual_is_two_students_of_each_other(make_network, labeled, unlabeled) -> None:
    method = Dual(DualConfig(patch_half_size=HALF), VIEW, make_network)
    easy = {name: seen(method.networks[name], unlabeled.images, True) for name in ("a", "b")}
    total = torch.zeros(())
    slopes = {}
    for student, teacher in (("a", "b"), ("b", "a")):
        hard = hard_view(unlabeled, easy[teacher][0], method.config, VIEW)
        loss, slopes[student] = student_loss(method.networks[student], labeled, hard, easy[teacher], 2.0)
        total = total + loss
    losses = method.losses(method.trained, labeled, unlabeled, step=0)
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"].detach(), total)
    for name in ("a", "b"):
        torch.testing.assert_close(gradients(method, name), slopes[name])


def test_dual_is_trs_without_its_reviewers(make_network, labeled, unlabeled) -> None:
    shared = {"augment": ("joint_cutout",), "patch_half_size": HALF, "unsup_weight": 2.0}
    dual = Dual(DualConfig(**shared), VIEW, make_network)
    trs = TRS(TRSConfig(reviewers=False, **shared), VIEW, make_network)
    one, other = (method.losses(method.trained, labeled, unlabeled, step=0) for method in (dual, trs))
    for name in ("loss", "loss_a", "loss_b", "loss_supervised"):
        torch.testing.assert_close(one[name], other[name])


def test_mean_teacher_is_a_trs_student_whose_teacher_is_its_own_reviewer(make_network, labeled, unlabeled) -> None:
    """TRS's student a learns from b and its own reviewer: with b equal to that reviewer, twice from the reviewer."""
    method = MeanTeacher(MeanTeacherConfig(unsup_weight=1.0), VIEW, make_network)
    for parameter in method.networks["teacher_a"].parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    trs = TRS(TRSConfig(unsup_weight=0.5, reviewer_role="student", augment=()), VIEW, make_network)
    for name, source in (("a", "a"), ("reviewer_a", "teacher_a"), ("b", "teacher_a"), ("reviewer_b", "teacher_a")):
        trs.networks[name].load_state_dict(method.networks[source].state_dict())
    for other in (method, trs):
        other.losses(other.trained, labeled, unlabeled, step=0)["loss"].backward()
    torch.testing.assert_close(gradients(method, "a"), gradients(trs, "a"))


def test_the_mean_teacher_follows_its_student(make_network) -> None:
    method = MeanTeacher(MeanTeacherConfig(ema_momentum=0.9), VIEW, make_network)
    before = copy.deepcopy(method.networks["teacher_a"])
    for parameter in method.networks["a"].parameters():
        parameter.data += 1
    method.after_step(step=5000)
    for old, new in zip(before.parameters(), method.networks["teacher_a"].parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1)


def test_fixmatch_learns_gaussians_where_it_is_sure(make_network, labeled, unlabeled) -> None:
    labeled = dataclasses.replace(labeled, sigma=1.0)
    method = FixMatch(FixMatchConfig(augment=(), unsup_weight=1.0), VIEW, make_network)
    easy = seen(method.networks["a"], unlabeled.images, True)
    threshold = float(easy[0].amax((-2, -1)).median())
    method.config = dataclasses.replace(method.config, confidence_threshold=threshold)
    target = method.target(easy, labeled)
    assert torch.equal(target[0], target[1])
    torch.testing.assert_close(target.amax((-2, -1)), torch.ones(2, 5, 4), atol=0.15, rtol=0)
    assert torch.equal(locate(target[0])[0], locate(easy[0])[0])
    hard = hard_view(unlabeled, easy[0], method.config, VIEW)
    sure = (easy[0].amax((-2, -1)) >= threshold).float()
    assert 0 < sure.mean() < 1
    expected, slopes = student_loss(method.networks["a"], labeled, hard, target, 1.0, sure)
    losses = method.losses(method.trained, labeled, unlabeled, step=0)
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"].detach(), expected)
    torch.testing.assert_close(gradients(method, "a"), slopes)


@pytest.mark.parametrize("sigma", [0.8, 1.3])
def test_fixmatchs_gaussian_is_as_wide_as_a_labels(make_network, labeled, sigma: float) -> None:
    easy = torch.zeros(2, 1, 4, 8, 6)
    easy[..., 3:5, 2:4] = 0.5
    easy[..., 3, 2] = 0.9  # the neighbors to the right and below are higher: a quarter of a cell
    found = FixMatch(FixMatchConfig(), VIEW, make_network).target(easy, dataclasses.replace(labeled, sigma=sigma))
    y, x = torch.meshgrid(torch.arange(8) + 0.5, torch.arange(6) + 0.5, indexing="ij")
    expected = torch.exp(-((x - 2.75) ** 2 + (y - 3.75) ** 2) / (2 * sigma**2))
    torch.testing.assert_close(found, expected.expand(2, 1, 4, 8, 6))


def naive_closest_pair(easy, pairs):
    """One image and one keypoint at a time, as the public code does it."""
    levels, batch, keypoints = easy["a"].shape[:3]
    target = torch.zeros_like(easy["a"])
    for b in range(batch):
        for k in range(keypoints):
            best = None
            for one, other in pairs:
                first, second = (torch.tensor(divmod(int(easy[name][0, b, k].argmax()), 6)) for name in (one, other))
                distance = float((first - second).float().norm())
                if best is None or distance < best[0]:
                    best = distance, one, other
            for level in range(levels):
                target[level, b, k] = 0.5 * easy[best[1]][level, b, k] + 0.5 * easy[best[2]][level, b, k]
    return target


def test_the_closest_pair_equals_a_loop_over_images_and_keypoints() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        easy = {name: torch.rand(2, 5, 4, 8, 6, generator=generator) for name in ("a", "b", "last_a", "last_b")}
        torch.testing.assert_close(closest_pair(easy, PAIRS), naive_closest_pair(easy, PAIRS))


def test_sspcm_with_equal_teachers_has_duals_target(unlabeled) -> None:
    heatmaps = torch.rand(2, 5, 4, 8, 6)
    easy = dict.fromkeys(("a", "b", "last_a", "last_b"), heatmaps)
    torch.testing.assert_close(closest_pair(easy, PAIRS), heatmaps)


def test_sspcms_teachers_are_a_dual_and_its_student_learns_the_agreed_target(make_network, labeled, unlabeled) -> None:
    method = SSPCM(SSPCMConfig(patch_half_size=HALF), VIEW, make_network)
    for name in ("last_a", "last_b"):
        for parameter in method.networks[name].parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    easy = {name: seen(method.networks[name], unlabeled.images, True) for name in ("a", "b", "last_a", "last_b")}
    scores = (easy["a"][0].amax((-2, -1)) + easy["b"][0].amax((-2, -1))) / 2
    method.config = dataclasses.replace(method.config, confidence_threshold=float(scores.median()))
    weights = (scores >= scores.median()).float()
    assert 0 < weights.mean() < 1
    targets = {"a": easy["b"], "b": easy["a"], "c": naive_closest_pair(easy, PAIRS)}
    total, slopes = torch.zeros(()), {}
    for student, target in targets.items():
        hard = hard_view(unlabeled, target[0], method.config, VIEW)
        loss, slopes[student] = student_loss(method.networks[student], labeled, hard, target, 2.0, weights)
        total = total + loss
    losses = method.losses(method.trained, labeled, unlabeled, step=9, epoch=1)
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"].detach(), total)
    for student in targets:
        torch.testing.assert_close(gradients(method, student), slopes[student])


def test_sspcm_remembers_the_last_epoch_and_none_in_the_first(make_network, labeled, unlabeled) -> None:
    method = SSPCM(SSPCMConfig(), VIEW, make_network)
    for parameter in method.networks["last_a"].parameters():
        parameter.data += 1
    fresh = SSPCM(SSPCMConfig(), VIEW, make_network)
    for other in (method, fresh):
        other.found = other.losses(other.trained, labeled, unlabeled, step=0, epoch=0)["loss"]
    assert method.found == fresh.found
    method.after_epoch()
    torch.testing.assert_close(method.networks["last_a"].state_dict(), method.networks["a"].state_dict())
    assert set(method.predictors) == {"a", "b", "c"}


def test_pseudo_pose_weighs_true_and_pseudo_labels(make_network, labeled, unlabeled) -> None:
    pseudo = LabeledBatch(unlabeled.images, torch.rand(5, 4, 8, 6), (torch.rand(5, 4) > 0.5).float())
    unlabeled = dataclasses.replace(unlabeled, pseudo=pseudo)
    method = PseudoPose(PseudoPoseConfig(unsup_weight=0.3), VIEW, make_network)
    network = copy.deepcopy(method.networks["a"])
    predicted = network(torch.cat([labeled.images, unlabeled.images]))
    expected = (heatmap_mse(predicted[:, :5], labeled.heatmaps, labeled.keypoint_weights)
                + 0.3 * heatmap_mse(predicted[:, 5:], pseudo.heatmaps, pseudo.keypoint_weights))
    torch.testing.assert_close(method.losses(method.trained, labeled, unlabeled, step=0)["loss"], expected)


def test_data_distill_at_one_scale_is_the_flip_test(make_network, unlabeled) -> None:
    network, order = make_network(0).eval(), [1, 0, 2, 3]
    config = DataDistillConfig(scales=(1.0,))
    found = DataDistill.label_heatmaps(network, unlabeled.images, config, "last", order)
    plain = PseudoPose.label_heatmaps(network, unlabeled.images, config, "last", order)
    mirrored = PseudoPose.label_heatmaps(network, unlabeled.images.flip(-1), config, "last", order).flip(-1)[:, order]
    torch.testing.assert_close(found, (plain + mirrored) / 2, atol=1e-5, rtol=1e-4)


class Bright(torch.nn.Module):
    """Confident where the image is bright."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(images[:, :1], 4)[None]


@pytest.mark.parametrize("scale", [0.5, 0.7])
def test_what_is_seen_in_a_shrunken_image_is_put_back(scale: float) -> None:
    images = torch.zeros(1, 3, 64, 48)
    images[:, :, 50:58, 6:14] = 1
    found = DataDistill.label_heatmaps(Bright(), images, DataDistillConfig(scales=(scale,)), "last", None)
    assert (locate(found)[0] - torch.tensor([10.0, 54.0])).abs().max() <= 4


def test_a_network_that_follows_the_image_sees_alike_at_every_scale() -> None:
    """Shrinking and growing the image must not move what is seen."""
    images = torch.zeros(1, 3, 64, 48)
    images[:, :, 38:46, 10:18] = 1
    found = DataDistill.label_heatmaps(Bright(), images, DataDistillConfig(scales=(0.7, 1.0, 1.4)), "last", [0])
    straight, _ = locate(PseudoPose.label_heatmaps(Bright(), (images + images.flip(-1)) / 2, DataDistillConfig(),
                                                   "last", [0]))
    assert (locate(found)[0] - straight).abs().max() <= 4


def test_weight_0_is_supervised_training(make_network, labeled, unlabeled) -> None:
    supervised = Supervised(SupervisedConfig(), VIEW, make_network)
    frozen_statistics(supervised)
    expected = supervised.losses(supervised.trained, labeled, None, step=0)["loss"]
    for method in (Single(SingleConfig(unsup_weight=0), VIEW, make_network),
                   MeanTeacher(MeanTeacherConfig(unsup_weight=0), VIEW, make_network),
                   FixMatch(FixMatchConfig(unsup_weight=0), VIEW, make_network)):
        frozen_statistics(method)
        losses = method.losses(method.trained, labeled, unlabeled, step=0)
        torch.testing.assert_close(losses["loss"], expected)


def frozen_statistics(method) -> None:
    """BatchNorm reads its running statistics, so that the unlabeled half leaves the labeled half alone."""
    for network in method.networks.values():
        network.norm.train = lambda mode=True, norm=network.norm: norm
        network.norm.training = False
