import copy

import torch
from torch import nn

from trs.ema import ema_update, follow


def test_fused_update_equals_the_formula() -> None:
    averages = [torch.randn(3, 4), torch.randn(5)]
    values = [torch.randn(3, 4), torch.randn(5)]
    expected = [0.9 * average + 0.1 * value for average, value in zip(averages, values, strict=True)]
    ema_update(averages, values, 0.9)
    torch.testing.assert_close(averages, expected)


def test_momentum_zero_copies_and_one_keeps() -> None:
    average, value = torch.zeros(4), torch.randn(4)
    ema_update([average], [value], 0.0)
    torch.testing.assert_close(average, value)
    ema_update([average], [value + 1], 1.0)
    torch.testing.assert_close(average, value)


def test_batchnorm_parameters_are_averaged_and_statistics_copied() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    reviewer = copy.deepcopy(network)
    before = copy.deepcopy(reviewer)
    nn.init.normal_(network[1].weight)
    network(torch.randn(8, 3, 5, 5))
    follow(reviewer, network, 0.75)
    torch.testing.assert_close(reviewer[1].weight, 0.75 * before[1].weight + 0.25 * network[1].weight)
    torch.testing.assert_close(reviewer[1].running_mean, network[1].running_mean)
    torch.testing.assert_close(reviewer[1].running_var, network[1].running_var)
    assert reviewer[1].num_batches_tracked == network[1].num_batches_tracked == 1
    assert network[1].weight.grad_fn is None and reviewer[1].weight.grad_fn is None
