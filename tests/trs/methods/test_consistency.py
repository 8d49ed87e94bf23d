"""What the consistency methods have in common."""

import pytest
import torch
from torch import nn

from trs.augment.affine import warp_levels
from trs.augment.hard_view import hard_view
from trs.config import ConsistencyConfig, ViewConfig
from trs.methods.consistency import agreement, confident, consistency_loss, easy_heatmaps, peer_distance


def test_targets_are_clamped_to_confidences_between_0_and_1_and_need_no_gradient(make_network, unlabeled) -> None:
    networks = nn.ModuleDict({"a": make_network(0), "b": make_network(1)})
    for parameter in networks.parameters():
        parameter.data *= 20
    easy = easy_heatmaps(networks, unlabeled.images, in_train_mode={"a"})
    assert set(easy) == {"a", "b"}
    assert all(maps.min() == 0 and maps.max() == 1 and not maps.requires_grad for maps in easy.values())


def test_batchnorm_reads_the_batch_in_train_mode_alone(make_network, unlabeled) -> None:
    networks = nn.ModuleDict({"a": make_network(0), "b": make_network(1)})
    easy_heatmaps(networks, unlabeled.images, in_train_mode={"a"})
    assert networks["a"].norm.num_batches_tracked == 1
    assert networks["b"].norm.num_batches_tracked == 0
    assert networks.training and networks["b"].norm.training


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_keypoints_below_the_confidence_are_left_out_on_every_path(unlabeled, threshold: float) -> None:
    target = torch.rand(2, 5, 4, 8, 6) * torch.linspace(0.1, 1, 20).view(5, 4, 1, 1)
    hard = hard_view(unlabeled, target[0], ConsistencyConfig(paths=3), ViewConfig())
    student = torch.rand(2, 15, 4, 8, 6)
    weights = confident(target[0], threshold)
    expected = 0.0
    for path, (_, theta) in enumerate(hard.paths):
        squared = (student[:, 5 * path:5 * path + 5] - warp_levels(target, theta, "bicubic")).square()
        expected += 0.5 * (squared * (target[0].amax((-2, -1)) >= threshold)[..., None, None]).mean((1, 2, 3, 4)).sum()
    torch.testing.assert_close(consistency_loss(student, hard, target, weights), expected)
    assert confident(target[0], 0.0) is None


def test_peers_are_as_far_apart_as_a_loop_says() -> None:
    """In pixels of the input, of which a cell has four on each side; within two cells they agree."""
    one, other = torch.zeros(2, 3, 8, 6), torch.zeros(2, 3, 8, 6)
    generator = torch.Generator().manual_seed(0)
    apart, near = [], []
    for image in range(2):
        for keypoint in range(3):
            (y, x), (v, u) = (torch.tensor([torch.randint(0, size, (), generator=generator) for size in (8, 6)])
                              for _ in range(2))
            one[image, keypoint, y, x] = other[image, keypoint, v, u] = 1
            apart.append(4 * float(((y - v) ** 2 + (x - u) ** 2) ** 0.5))
            near.append(max(abs(int(y - v)), abs(int(x - u))) <= 2)
    assert float(peer_distance(one, other)) == pytest.approx(sum(apart) / 6)
    assert float(agreement(one, other)) == pytest.approx(sum(near) / 6)
