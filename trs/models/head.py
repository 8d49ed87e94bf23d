"""SimpleBaseline's head: deconvolutions up to the heatmap's resolution, then one map a keypoint."""

from __future__ import annotations

from torch import nn


def build_head(in_channels: int, doublings: int, channels: int, keypoint_count: int) -> nn.Sequential:
    """[B, in_channels, h', w'] -> [B, keypoint_count, h' * 2^doublings, w' * 2^doublings].

    Each doubling is a 4x4 transposed convolution with stride 2, BatchNorm and ReLU; weights start from N(0, 0.001)
    (Xiao et al. 2018, `microsoft/human-pose-estimation.pytorch`).
    """
    layers: list[nn.Module] = []
    for _ in range(doublings):
        layers += [nn.ConvTranspose2d(in_channels, channels, 4, stride=2, padding=1, bias=False),
                   nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        in_channels = channels
    layers.append(nn.Conv2d(in_channels, keypoint_count, 1))
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
