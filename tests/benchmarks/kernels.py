"""EMA, heatmaps, Keypoint-Mix, SSPCM's pairs against the loops they replace: `python -m tests.benchmarks.kernels`."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models import resnet18

from tests.benchmarks.ratios import Ratio, main, measure
from trs.augment.keypoint_mix import draw_mix, keypoint_mix
from trs.data.heatmaps import STRIDE, encode, locate
from trs.ema import follow
from trs.methods.sspcm import PAIRS, closest_pair

KEYPOINTS, SIZE, SIGMA = 17, (64, 48), 2.0


def ema(rounds: int | None) -> Iterator[Ratio]:
    """A reviewer of ResNet18's size."""
    network = resnet18(weights=None)
    reviewer, looped = copy.deepcopy(network), copy.deepcopy(network)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)

    @torch.no_grad()
    def loop() -> None:
        for average, value in zip(looped.parameters(), network.parameters(), strict=True):
            average.mul_(0.999).add_(value, alpha=0.001)
        for average, value in zip(looped.buffers(), network.buffers(), strict=True):
            average.copy_(value)

    fused = functools.partial(follow, reviewer, network, 0.999)
    yield measure("EMA: a loop over the parameters", 1.5, loop, fused, rounds or 31)
    yield measure("EMA: torch's AveragedModel", 1.0, lambda: averaged.update_parameters(network), fused, rounds or 31)


def loop_over_joints(keypoints: Tensor, weights: Tensor) -> Tensor:
    """One heatmap at a time, as in SimpleBaseline's data loader, at the exact position."""
    heatmaps = torch.zeros(*weights.shape, *SIZE)
    columns, rows = torch.arange(SIZE[1]) + 0.5, torch.arange(SIZE[0])[:, None] + 0.5
    for index in range(weights.shape[0]):
        for joint in range(weights.shape[1]):
            if weights[index, joint] > 0:
                x, y = keypoints[index, joint] / STRIDE
                heatmaps[index, joint] = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SIGMA**2))
    return heatmaps


def heatmaps(rounds: int | None) -> Iterator[Ratio]:
    """A batch of 32 COCO people at 256x192."""
    keypoints = torch.rand(32, KEYPOINTS, 2) * torch.tensor([192.0, 256.0])
    weights = (torch.rand(32, KEYPOINTS) > 0.3).float()
    difference = (encode(keypoints, weights, SIZE, SIGMA)[0] - loop_over_joints(keypoints, weights)).abs().max()
    assert difference <= 1e-6, difference
    yield measure("heatmaps: a loop over the joints", 4.0, lambda: loop_over_joints(keypoints, weights),
                  lambda: encode(keypoints, weights, SIZE, SIGMA), rounds or 7)


def loop_over_images(images: Tensor, centers: Tensor, valid: Tensor, half_sizes: Tensor) -> Tensor:
    """One image and one patch at a time."""
    mixed, (height, width) = images.clone(), images.shape[2:]
    for index in range(len(images)):
        half = int(half_sizes[index])
        side = 2 * half + 1
        corners = [(min(max(int(y) - half, 0), height - side), min(max(int(x) - half, 0), width - side))
                   for (x, y), kept in zip(centers[index].tolist(), valid[index].tolist(), strict=True) if kept]
        if corners:
            patches = [images[index, :, top:top + side, left:left + side] for top, left in corners]
            mean = torch.stack(patches).mean(0)
            for top, left in corners:
                mixed[index, :, top:top + side, left:left + side] = mean
    return mixed


def keypoint_mixing(rounds: int | None) -> Iterator[Ratio]:
    """A batch of 32 images of 256x192, five keypoints each."""
    images, keys = torch.rand(32, 3, 256, 192), torch.arange(32)
    keypoints = torch.rand(32, KEYPOINTS, 2) * torch.tensor([192.0, 256.0])
    found = torch.ones(32, KEYPOINTS, dtype=torch.bool)

    def loop() -> Tensor:
        chosen, valid, half_sizes = draw_mix(keys, found, 5, (10, 19), 256)
        return loop_over_images(images, keypoints.gather(1, chosen[..., None].expand(-1, -1, 2)), valid, half_sizes)

    def batched() -> Tensor:
        return keypoint_mix(images, keypoints, found, keys, 5, (10, 19))

    torch.testing.assert_close(loop(), batched())
    yield measure("Keypoint-Mix: a loop over images and patches", 10.0, loop, batched, rounds or 7)


def loop_over_pairs(easy: dict[str, Tensor]) -> Tensor:
    """One keypoint of one image at a time, as in the public SSPCM code."""
    places = {name: locate(heatmaps[0])[0] for name, heatmaps in easy.items()}
    distances = torch.stack([(places[one] - places[other]).norm(dim=-1) for one, other in PAIRS])
    best, target = distances.argmin(0), torch.zeros_like(easy["a"])
    for index in range(best.shape[0]):
        for keypoint in range(best.shape[1]):
            one, other = PAIRS[best[index, keypoint]]
            target[:, index, keypoint] = (easy[one][:, index, keypoint] + easy[other][:, index, keypoint]) / 2
    return target


def closest_pairs(rounds: int | None) -> Iterator[Ratio]:
    """Four networks' heatmaps of 32 COCO people at 256x192."""
    easy = {name: torch.rand(1, 32, KEYPOINTS, *SIZE) for name in ("a", "b", "last_a", "last_b")}
    assert torch.equal(closest_pair(easy, PAIRS), loop_over_pairs(easy))
    yield measure("SSPCM's pairs: a loop over images and keypoints", 1.0, lambda: loop_over_pairs(easy),
                  lambda: closest_pair(easy, PAIRS), rounds or 7)


KERNELS = ema, heatmaps, keypoint_mixing, closest_pairs

if __name__ == "__main__":
    main(__doc__, *KERNELS)
