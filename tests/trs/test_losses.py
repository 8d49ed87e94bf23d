import torch

from trs.losses import heatmap_mse


def naive(predicted, target, weights):
    """Half the mean over images, keypoints and cells, one keypoint at a time; summed over levels."""
    total = 0.0
    levels, batch, keypoints, height, width = predicted.shape
    for level in range(levels):
        for b in range(batch):
            for k in range(keypoints):
                error = ((predicted[level, b, k] - target[b, k]) ** 2).sum().item()
                total += 0.5 * weights[b, k].item() * error / (batch * keypoints * height * width)
    return total


def test_equals_a_naive_loop() -> None:
    predicted, target = torch.rand(2, 3, 4, 5, 6), torch.rand(3, 4, 5, 6)
    weights = (torch.rand(3, 4) > 0.5).float()
    torch.testing.assert_close(heatmap_mse(predicted, target, weights).item(), naive(predicted, target, weights))


def test_two_targets_have_the_gradient_of_twice_their_mean() -> None:
    student = torch.rand(2, 3, 4, 5, 6, requires_grad=True)
    first, second = torch.rand(2, 3, 4, 5, 6), torch.rand(2, 3, 4, 5, 6)
    (separate,) = torch.autograd.grad(heatmap_mse(student, first) + heatmap_mse(student, second), student)
    (together,) = torch.autograd.grad(2 * heatmap_mse(student, (first + second) / 2), student)
    torch.testing.assert_close(separate, together)


def test_unlabeled_keypoints_give_no_gradient() -> None:
    predicted = torch.rand(1, 2, 3, 4, 4, requires_grad=True)
    weights = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    heatmap_mse(predicted, torch.rand(2, 3, 4, 4), weights).backward()
    moved = predicted.grad[0].abs().sum((-2, -1)) > 0
    assert torch.equal(moved, weights.bool())


def test_bfloat16_predictions_are_compared_in_float32() -> None:
    assert heatmap_mse(torch.rand(1, 2, 3, 4, 4).bfloat16(), torch.rand(2, 3, 4, 4)).dtype == torch.float32
