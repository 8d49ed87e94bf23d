import math

import pytest
import torch

from trs.augment.affine import affine_theta, draw_affine, warp, warp_levels
from trs.config import ViewConfig
from trs.data.heatmaps import STRIDE, decode_axes, encode

SIZE = (128, 96)


def moved(point, scale, rotation):
    """Where the hard view shows an easy view's point, by school geometry."""
    angle = math.radians(rotation)
    x, y = point[0] - SIZE[1] / 2, point[1] - SIZE[0] / 2
    return (SIZE[1] / 2 + scale * (math.cos(angle) * x - math.sin(angle) * y),
            SIZE[0] / 2 + scale * (math.sin(angle) * x + math.cos(angle) * y))


def center_of_mass(heatmaps):
    """[B, K, h, w] -> [B, K, 2] in the input's pixels."""
    h, w = heatmaps.shape[-2:]
    mass = heatmaps.sum((-2, -1))
    x = (heatmaps.sum(-2) * (torch.arange(w) + 0.5)).sum(-1) / mass
    y = (heatmaps.sum(-1) * (torch.arange(h) + 0.5)).sum(-1) / mass
    return STRIDE * torch.stack([x, y], dim=-1)


@pytest.mark.parametrize(("scale", "rotation"), [(1.0, 0.0), (1.0, 90.0), (0.8, -35.0), (1.25, 60.0)])
def test_a_rectangular_image_is_rotated_and_not_sheared(scale: float, rotation: float) -> None:
    points = torch.tensor([[[40.0, 70.0], [60.0, 58.0], [48.0, 64.0]]])
    heatmaps, _ = encode(points, torch.ones(1, 3), (SIZE[0] // STRIDE, SIZE[1] // STRIDE))
    theta = affine_theta(torch.tensor([scale]), torch.tensor([rotation]), SIZE)
    found = center_of_mass(warp(heatmaps, theta))
    expected = torch.tensor([[moved(point, scale, rotation) for point in points[0].tolist()]])
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)


def test_images_and_heatmaps_move_alike() -> None:
    """A bright blob in the image and the heatmap's peak over it end in the same place."""
    point = torch.tensor([[[30.0, 50.0]]])
    heatmaps, _ = encode(point, torch.ones(1, 1), (SIZE[0] // STRIDE, SIZE[1] // STRIDE))
    y, x = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    image = torch.exp(-((x - 30) ** 2 + (y - 50) ** 2) / (2 * 8**2))[None, None]
    theta = affine_theta(torch.tensor([1.1]), torch.tensor([25.0]), SIZE)
    warped = warp(image, theta)[0, 0]
    center = torch.stack([(warped * x).sum(), (warped * y).sum()]) / warped.sum()
    found, _ = decode_axes(warp_levels(heatmaps[None], theta)[0])
    torch.testing.assert_close(found[0, 0], center, atol=0.6, rtol=0)


def test_identity_changes_nothing() -> None:
    image = torch.rand(2, 3, 16, 12)
    torch.testing.assert_close(warp(image, affine_theta(torch.ones(2), torch.zeros(2), (16, 12))), image)


def test_outside_is_zero() -> None:
    image = torch.ones(1, 1, 32, 32)
    corner = warp(image, affine_theta(torch.ones(1), torch.tensor([45.0]), (32, 32)))[0, 0, 0, 0]
    assert corner == 0


def test_the_drawn_ranges_are_those_of_the_config() -> None:
    keys = torch.arange(5000)
    view = ViewConfig(scale=0.2, rotation=20, hard_rotation_probability=0.8)
    scale, rotation = draw_affine(keys, view)
    assert 0.8 - 1e-6 <= scale.min() < 0.81 and 1.19 < scale.max() <= 1.2 + 1e-6
    assert -40 - 1e-4 <= rotation.min() < -39 and 39 < rotation.max() <= 40 + 1e-4
    assert abs((rotation != 0).float().mean() - 0.8) < 0.02


def test_autocast_leaves_the_places_exact() -> None:
    """In bfloat16 the grid would be wrong by up to half a pixel."""
    images, theta = torch.randn(1, 3, 256, 192), affine_theta(torch.tensor([1.1]), torch.tensor([23.0]), (256, 192))
    with torch.autocast("cpu", torch.bfloat16):
        found = warp(images, theta)
    assert torch.equal(found, warp(images, theta))


def test_a_bicubic_warp_keeps_the_peaks_that_a_bilinear_one_takes() -> None:
    """Against the heatmap that is rendered where the point has gone."""
    keys, size = torch.arange(200), (16, 16)
    scale, rotation = draw_affine(keys, ViewConfig())
    theta = affine_theta(scale, rotation, size)
    points = 32 + 12 * (torch.rand(200, 1, 2, generator=torch.Generator().manual_seed(0)) - 0.5)
    angle = rotation * math.pi / 180
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], -2)
    gone = 32 + scale[:, None, None] * ((points - 32) @ turn.mT)
    heatmaps, weights = encode(points, torch.ones(200, 1), size, 1.0)
    # A warp by `scale` grows the Gaussian, whose peak stays what it was.
    peaks = encode(gone, weights, size, 1.0)[0].amax((-2, -1))
    lost = {by: float((1 - warp(heatmaps, theta, by).amax((-2, -1)) / peaks).mean()) for by in ("bilinear", "bicubic")}
    assert lost["bilinear"] > 0.07 and abs(lost["bicubic"]) < 0.02
    torch.testing.assert_close(warp(heatmaps, affine_theta(torch.ones(200), torch.zeros(200), size), "bicubic"),
                               heatmaps, atol=1e-5, rtol=0)
