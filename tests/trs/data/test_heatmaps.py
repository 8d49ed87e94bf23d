import pytest
import torch

from trs.data.heatmaps import STRIDE, decode_dark, decode_quarter, decode_udp, encode, locate

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


@pytest.mark.parametrize(("decode", "error"), [(locate, 0.5), (decode_quarter, 0.25), (decode_dark, 0.005),
                                               (decode_udp, 0.03)])
def test_round_trip_to_a_part_of_a_cell(decode, error: float) -> None:
    heatmaps, _ = encode(PLACES, torch.ones(2, 3), (32, 24))
    found, peaks = decode(heatmaps)
    assert (found - PLACES).abs().max() <= error * STRIDE + 1e-4
    assert peaks.min() > 0.9


@pytest.mark.parametrize("decode", [locate, decode_quarter, decode_dark, decode_udp])
def test_mirroring_the_heatmap_mirrors_the_keypoint(decode) -> None:
    heatmaps, _ = encode(PLACES, torch.ones(2, 3), (32, 24))
    there, _ = decode(heatmaps)
    mirrored, _ = decode(heatmaps.flip(-1))
    torch.testing.assert_close(mirrored[..., 0], 96 - there[..., 0], atol=1e-3, rtol=0)


def test_udp_follows_a_tilted_ridge_that_dark_reads_axis_by_axis() -> None:
    """A Gaussian whose axes are not the image's: only the full Hessian points at its center."""
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(48) + 0.5, indexing="ij")
    u, v = (x - 20.3) + (y - 30.8), (x - 20.3) - (y - 30.8)
    heatmap = torch.exp(-u**2 / 40 - v**2 / 8)[None, None]
    target = torch.tensor([20.3, 30.8]) * STRIDE
    udp, dark = (float((decode(heatmap)[0][0, 0] - target).norm()) for decode in (decode_udp, decode_dark))
    assert udp < 0.2 < dark


def test_udp_looks_through_noise_better_than_the_bare_peak() -> None:
    torch.manual_seed(0)
    places = torch.rand(50, 3, 2) * torch.tensor([96.0, 160.0]) + 48
    heatmaps, _ = encode(places, torch.ones(50, 3), (64, 48))
    noisy = heatmaps + 0.05 * torch.randn_like(heatmaps)
    udp, quarter = ((decode(noisy)[0] - places).norm(dim=-1).mean() for decode in (decode_udp, decode_quarter))
    assert udp < 0.8 * quarter


def test_udp_at_the_border_stays_in_the_image() -> None:
    heatmaps = torch.zeros(1, 5, 32, 24)
    for number, (row, column) in enumerate(((0, 0), (0, 23), (31, 0), (31, 23), (0, 11))):
        heatmaps[0, number, row, column] = 1
    found = decode_udp(heatmaps)[0]
    assert (found >= 0).all() and (found <= torch.tensor([96.0, 128.0])).all()


@pytest.mark.parametrize("decode", [decode_quarter, decode_dark])
def test_a_peak_at_the_border_stays_in_the_image(decode) -> None:
    for row, column in ((0, 0), (0, 23), (31, 0), (31, 23), (0, 11)):
        heatmaps = torch.zeros(1, 1, 32, 24)
        heatmaps[0, 0, row, column] = 1
        found, _ = decode(heatmaps)
        torch.testing.assert_close(found[0, 0], torch.tensor([column + 0.5, row + 0.5]) * STRIDE)


@pytest.mark.parametrize("decode", [decode_quarter, decode_dark, decode_udp])
def test_flat_or_negative_heatmaps_decode_to_finite_numbers(decode) -> None:
    for value in (0.0, -1.0):
        found, peaks = decode(torch.full((1, 2, 16, 12), value))
        assert found.isfinite().all() and (peaks == value).all()


def test_udp_reads_a_blurred_map_where_one_cell_decides_little() -> None:
    place = torch.tensor([[[100.0, 120.0]]])
    heatmaps, _ = encode(place, torch.ones(1, 1), (64, 48))
    row, column = divmod(int(heatmaps.argmax()), 48)
    heatmaps[..., row, column + 1] *= 0.7
    udp, dark = (float((decode(heatmaps)[0] - place).norm()) / STRIDE for decode in (decode_udp, decode_dark))
    assert udp < 0.05 and dark > 0.5


def test_udp_makes_no_step_on_a_saddle() -> None:
    y, x = torch.meshgrid(torch.arange(64.0) - 32, torch.arange(48.0) - 24, indexing="ij")
    heatmap = (0.3 + 0.01 * (x**2 - y**2) + 0.02 * x).clamp(0, 0.9)
    heatmap[32, 24] = 1
    assert torch.equal(decode_udp(heatmap[None, None])[0], locate(heatmap[None, None])[0])
