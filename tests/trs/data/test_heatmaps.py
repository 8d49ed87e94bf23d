import cv2
import numpy as np
import pytest
import torch

from trs.data.heatmaps import STRIDE, decode_axes, decode_dark, decode_quarter, decode_udp, encode, locate

PLACES = torch.tensor([[[33.0, 41.0], [50.7, 22.2], [64.01, 90.99]], [[20.5, 100.1], [77.7, 77.7], [47.9, 60.0]]])


def naive(keypoints, weights, size):
    """One joint and one cell at a time."""
    heatmaps = torch.zeros(*keypoints.shape[:2], *size)
    for b in range(keypoints.shape[0]):
        for k in range(keypoints.shape[1]):
            x, y = (keypoints[b, k] / STRIDE).tolist()
            if weights[b, k] == 0 or not (-6 < x < size[1] + 6 and -6 < y < size[0] + 6):
                continue
            for row in range(size[0]):
                for column in range(size[1]):
                    squared = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2
                    heatmaps[b, k, row, column] = torch.exp(torch.tensor(-squared / (2 * 2.0**2)))
    return heatmaps


def test_encode_equals_a_naive_loop() -> None:
    keypoints = torch.cat([PLACES, torch.tensor([[[-30.0, 20.0]], [[10.0, 152.0]]])], dim=1)
    weights = torch.tensor([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    heatmaps, kept = encode(keypoints, weights, (32, 24))
    torch.testing.assert_close(heatmaps, naive(keypoints, weights, (32, 24)), atol=1e-6, rtol=0)
    # -30 px is 7.5 cells outside, beyond 3 sigma; 152 px is exactly at the limit of 128 + 24.
    assert torch.equal(kept, torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]))


@pytest.mark.parametrize(("decode", "error"), [(locate, 0.5), (decode_quarter, 0.25), (decode_axes, 0.005),
                                               (decode_udp, 0.03)])
def test_round_trip_to_a_part_of_a_cell(decode, error: float) -> None:
    heatmaps, _ = encode(PLACES, torch.ones(2, 3), (32, 24))
    found, peaks = decode(heatmaps)
    assert (found - PLACES).abs().max() <= error * STRIDE + 1e-4
    assert peaks.min() > 0.9


@pytest.mark.parametrize("decode", [locate, decode_quarter, decode_axes, decode_dark, decode_udp])
def test_mirroring_the_heatmap_mirrors_the_keypoint(decode) -> None:
    heatmaps, _ = encode(PLACES, torch.ones(2, 3), (32, 24))
    there, _ = decode(heatmaps)
    mirrored, _ = decode(heatmaps.flip(-1))
    torch.testing.assert_close(mirrored[..., 0], 96 - there[..., 0], atol=1e-3, rtol=0)


@pytest.mark.parametrize("decode", [decode_dark, decode_udp])
def test_a_tilted_ridge_is_followed_and_read_wrongly_axis_by_axis(decode) -> None:
    """A Gaussian whose axes are not the image's: only the full Hessian points at its center."""
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(48) + 0.5, indexing="ij")
    u, v = (x - 20.3) + (y - 30.8), (x - 20.3) - (y - 30.8)
    heatmap = torch.exp(-u**2 / 40 - v**2 / 8)[None, None]
    target = torch.tensor([20.3, 30.8]) * STRIDE
    full, axes = (float((decode(heatmap)[0][0, 0] - target).norm()) for decode in (decode, decode_axes))
    assert full < 0.2 < axes


@pytest.mark.parametrize("decode", [decode_dark, decode_udp])
def test_a_blurred_map_is_read_better_in_noise_than_its_bare_peak(decode) -> None:
    torch.manual_seed(0)
    places = torch.rand(50, 3, 2) * torch.tensor([96.0, 160.0]) + 48
    heatmaps, _ = encode(places, torch.ones(50, 3), (64, 48))
    noisy = heatmaps + 0.05 * torch.randn_like(heatmaps)
    blurred, quarter = ((decode(noisy)[0] - places).norm(dim=-1).mean() for decode in (decode, decode_quarter))
    assert blurred < 0.8 * quarter


def naive_dark(heatmap: np.ndarray) -> np.ndarray:
    """[2] x and y in cells, for one map of 64 x 48, as the paper tells it; None of it is the library's."""
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    padded = np.zeros((heatmap.shape[0] + 10, heatmap.shape[1] + 10))
    padded[5:-5, 5:-5] = heatmap
    blurred = cv2.GaussianBlur(padded, (11, 11), 0)[5:-5, 5:-5]
    blurred = np.log(np.maximum(blurred * heatmap.max() / blurred.max(), 1e-10))
    place = np.array([column, row], float)
    if 1 < column < heatmap.shape[1] - 2 and 1 < row < heatmap.shape[0] - 2:
        along_y, along_x = np.gradient(blurred)
        (yy, _), (xy, xx) = np.gradient(along_y), np.gradient(along_x)
        hessian = np.array([[xx[row, column], xy[row, column]], [xy[row, column], yy[row, column]]])
        place -= np.linalg.solve(hessian, [along_x[row, column], along_y[row, column]])
    return place + 0.5


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_dark_is_the_papers(noise: float) -> None:
    torch.manual_seed(1)
    places = torch.rand(60, 3, 2) * torch.tensor([192.0, 256.0])
    heatmaps, _ = encode(places, torch.ones(60, 3), (64, 48))
    heatmaps = heatmaps + noise * torch.randn_like(heatmaps)
    expected = [[naive_dark(heatmap.double().numpy()) for heatmap in one] for one in heatmaps]
    torch.testing.assert_close(decode_dark(heatmaps)[0].double(), torch.tensor(np.array(expected)) * STRIDE,
                               atol=0.01, rtol=0)


def test_udp_at_the_border_stays_in_the_image() -> None:
    heatmaps = torch.zeros(1, 5, 32, 24)
    for number, (row, column) in enumerate(((0, 0), (0, 23), (31, 0), (31, 23), (0, 11))):
        heatmaps[0, number, row, column] = 1
    found = decode_udp(heatmaps)[0]
    assert (found >= 0).all() and (found <= torch.tensor([96.0, 128.0])).all()


@pytest.mark.parametrize("decode", [decode_quarter, decode_axes, decode_dark])
def test_a_peak_at_the_border_stays_in_the_image(decode) -> None:
    for row, column in ((0, 0), (0, 23), (31, 0), (31, 23), (0, 11)):
        heatmaps = torch.zeros(1, 1, 32, 24)
        heatmaps[0, 0, row, column] = 1
        found, _ = decode(heatmaps)
        torch.testing.assert_close(found[0, 0], torch.tensor([column + 0.5, row + 0.5]) * STRIDE)


@pytest.mark.parametrize("decode", [decode_quarter, decode_axes, decode_dark, decode_udp])
def test_flat_or_negative_heatmaps_decode_to_finite_numbers(decode) -> None:
    for value in (0.0, -1.0):
        found, peaks = decode(torch.full((1, 2, 16, 12), value))
        assert found.isfinite().all() and (peaks == value).all()


@pytest.mark.parametrize("decode", [decode_dark, decode_udp])
def test_one_cell_of_a_blurred_map_decides_little(decode) -> None:
    place = torch.tensor([[[100.0, 120.0]]])
    heatmaps, _ = encode(place, torch.ones(1, 1), (64, 48))
    row, column = divmod(int(heatmaps.argmax()), 48)
    heatmaps[..., row, column + 1] *= 0.7
    blurred, axes = (float((decode(heatmaps)[0] - place).norm()) / STRIDE for decode in (decode, decode_axes))
    assert blurred < 0.1 and axes > 0.5


@pytest.mark.parametrize("decode", [decode_dark, decode_udp])
def test_no_step_is_made_on_a_saddle(decode) -> None:
    y, x = torch.meshgrid(torch.arange(64.0) - 32, torch.arange(48.0) - 24, indexing="ij")
    heatmap = (0.3 + 0.01 * (x**2 - y**2) + 0.02 * x).clamp(0, 0.9)
    heatmap[32, 24] = 1
    assert torch.equal(decode(heatmap[None, None])[0], locate(heatmap[None, None])[0])
