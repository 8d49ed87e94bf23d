"""The heatmap codec: keypoints to heatmaps and back, side by side.

Legend: B batch, K keypoints, h w heatmap cells. Keypoints are given in the network's input, whose pixels are STRIDE
times finer; with the convention of `trs.data.geometry` a keypoint at x lies at x / STRIDE in the heatmap, and cell j
has its center at j + 0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from trs.constants import constant

STRIDE = 4


def encode(keypoints: Tensor, keypoint_weights: Tensor, size: tuple[int, int], sigma: float = 2.0
           ) -> tuple[Tensor, Tensor]:
    """Gaussians of peak 1 at the exact sub-cell position (DARK's unbiased encoding), for a whole batch at once.

    Args:
        keypoints: [B, K, 2] x, y in the input.
        keypoint_weights: [B, K].
        size: h, w.
        sigma: standard deviation in cells (SimpleBaseline: 2).

    Returns:
        heatmaps: [B, K, h, w] float32, zero where the weight is zero.
        keypoint_weights: [B, K], zero also where the Gaussian (to 3 sigma) lies wholly outside.
    """
    h, w = size
    center = keypoints / STRIDE
    limit = constant((w, h), center.dtype, center.device)
    inside = ((center > -3 * sigma) & (center < limit + 3 * sigma)).all(-1)
    weights = keypoint_weights * inside
    x = torch.arange(w, device=keypoints.device) + 0.5 - center[..., :1]
    y = torch.arange(h, device=keypoints.device) + 0.5 - center[..., 1:]
    along_x = torch.exp(-x.square() / (2 * sigma**2))
    along_y = torch.exp(-y.square() / (2 * sigma**2)) * (weights > 0)[..., None]
    return along_y[..., :, None] * along_x[..., None, :], weights


def locate(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the highest cell of each heatmap.

    Args:
        heatmaps: [..., h, w].

    Returns:
        keypoints: [..., 2] x, y of that cell's center in the input, in pixels.
        confidence: [...] its value.
    """
    w = heatmaps.shape[-1]
    confidence, index = heatmaps.flatten(-2).max(-1)
    cells = torch.stack([index % w, index // w], dim=-1)
    return (cells + 0.5) * STRIDE, confidence


def decode_quarter(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """`locate`, then a quarter of a cell towards the higher neighbor in x and in y (SimpleBaseline).

    A cell at the border is not shifted along that axis.
    """
    keypoints, confidence = locate(heatmaps)
    left, right, up, down, inside = _neighbors(heatmaps, keypoints)
    shift = torch.stack([torch.sign(right - left), torch.sign(down - up)], dim=-1) * inside
    return keypoints + 0.25 * STRIDE * shift, confidence


def decode_axes(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """`locate`, then one Newton step on the logarithm of the bare heatmap, axis by axis.

    Exact for a Gaussian, and worse than DARK on anything noisy. This is what 0.1 called DARK; it is here to read its
    runs. The step is at most one cell; a cell at the border is not moved along that axis.
    """
    keypoints, confidence = locate(heatmaps)
    left, right, up, down, inside = (value.clamp(min=1e-10).log() if value.is_floating_point() else value
                                     for value in _neighbors(heatmaps, keypoints))
    center = confidence.clamp(min=1e-10).log()
    before, after = torch.stack([left, up], dim=-1), torch.stack([right, down], dim=-1)
    slope = 0.5 * (after - before)
    curvature = (after + before - 2 * center[..., None]).clamp(max=-1e-6)
    step = (-slope / curvature).clamp(-1, 1)
    return keypoints + STRIDE * step * inside, confidence


def decode_dark(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """`locate`, then a Newton step with the full Hessian on the logarithm of the blurred heatmap.

    DARK (Zhang et al. 2020). Derivatives reach two cells; a keypoint nearer to the border, or at no maximum, is not
    moved. The step is at most as long as that reach, beyond which nothing was seen.
    """
    keypoints, confidence = locate(heatmaps)
    h, w = heatmaps.shape[-2:]
    smooth = _blur(heatmaps).clamp(min=1e-10).log().flatten(0, -3).flatten(1)
    x, y = (keypoints / STRIDE).long().flatten(0, -2).unbind(-1)
    inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)

    def at(dx: int, dy: int) -> Tensor:
        return smooth.gather(1, ((y + dy).clamp(0, h - 1) * w + (x + dx).clamp(0, w - 1))[:, None]).squeeze(1)

    step = _step_to_top(at, reach=2).clamp(-2, 2) * inside[:, None]
    return keypoints + STRIDE * step.view(keypoints.shape), confidence


def decode_udp(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """`locate`, then a Newton step with the full Hessian on the logarithm of the blurred heatmap.

    UDP (Huang et al. 2020). The step is at most one cell; at the border the map is continued by its outermost cells.
    """
    keypoints, confidence = locate(heatmaps)
    w = heatmaps.shape[-1]
    smooth = F.pad(_blur(heatmaps).clamp(min=1e-3).log().flatten(0, -3)[:, None], (1, 1, 1, 1),
                   mode="replicate").flatten(1)
    x, y = (keypoints / STRIDE).long().flatten(0, -2).unbind(-1)

    def at(dx: int, dy: int) -> Tensor:
        return smooth.gather(1, ((y + 1 + dy) * (w + 2) + x + 1 + dx)[:, None]).squeeze(1)

    step = _step_to_top(at, reach=1).clamp(-1, 1)
    return keypoints + STRIDE * step.view(keypoints.shape), confidence


def _step_to_top(at: Callable[[int, int], Tensor], reach: int) -> Tensor:
    """[N, 2] a Newton step with the full Hessian to the top of what lies around N places, 0 where it has none.

    Args:
        at: the values so many cells beside the places in x and in y.
        reach: cells to each side that the second derivatives along an axis look.
    """
    center = at(0, 0)
    slope = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], dim=-1) / 2
    xx = (at(reach, 0) - 2 * center + at(-reach, 0)) / reach**2
    yy = (at(0, reach) - 2 * center + at(0, -reach)) / reach**2
    xy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    hessian = torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -2)
    # A flat or saddle-shaped place has no maximum to step to.
    peaked = ((xx < -1e-6) & (hessian.det() > 1e-9))[:, None]
    safe = torch.where(peaked[..., None], hessian, -torch.eye(2, device=center.device))
    return torch.where(peaked, -torch.linalg.solve(safe, slope), 0.0)


def _blur(heatmaps: Tensor) -> Tensor:
    """A Gaussian blur that keeps what lies outside at zero, as wide as DARK's and UDP's.

    Their kernel of 11 cells, a standard deviation of 2, is made for maps 64 cells high.
    """
    deviation = 2.0 * heatmaps.shape[-2] / 64
    reach = max(1, round(2.5 * deviation))
    offsets = torch.arange(-reach, reach + 1, device=heatmaps.device)
    kernel = torch.exp(-offsets.square() / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).to(heatmaps.dtype)
    flat = heatmaps.flatten(0, -3)[:, None]
    blurred = F.conv2d(F.conv2d(flat, kernel[None, None, None], padding=(0, reach)), kernel[None, None, :, None],
                       padding=(reach, 0))
    return blurred.view(heatmaps.shape)


def _neighbors(heatmaps: Tensor, keypoints: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Values left, right, above and below the cell of each keypoint, and whether both exist along x and y."""
    h, w = heatmaps.shape[-2:]
    x, y = (keypoints / STRIDE).long().unbind(-1)
    flat = heatmaps.flatten(-2)

    def at(x: Tensor, y: Tensor) -> Tensor:
        return flat.gather(-1, (y.clamp(0, h - 1) * w + x.clamp(0, w - 1))[..., None]).squeeze(-1)

    inside = torch.stack([(x > 0) & (x < w - 1), (y > 0) & (y < h - 1)], dim=-1)
    return at(x - 1, y), at(x + 1, y), at(x, y - 1), at(x, y + 1), inside


DECODERS = {"quarter": decode_quarter, "axes": decode_axes, "dark": decode_dark, "udp": decode_udp}
