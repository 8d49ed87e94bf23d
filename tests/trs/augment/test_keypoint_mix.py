import pytest
import torch

from trs.augment.keypoint_mix import draw_mix, keypoint_mix, mix_patches


def naive(images, centers, valid, half_sizes):
    """One image, one patch and one pixel at a time."""
    mixed = images.clone()
    height, width = images.shape[2:]
    for b in range(len(images)):
        half = int(half_sizes[b])
        corners = []
        for m in range(centers.shape[1]):
            if valid[b, m]:
                x, y = (int(value) for value in centers[b, m].floor())
                corners.append((min(max(y - half, 0), height - 2 * half - 1),
                                min(max(x - half, 0), width - 2 * half - 1)))
        if not corners:
            continue
        side = 2 * half + 1
        mean = sum(images[b, :, y:y + side, x:x + side] for y, x in corners) / len(corners)
        for y, x in corners:
            mixed[b, :, y:y + side, x:x + side] = mean
    return mixed


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equals_a_naive_loop(memory_format: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        images = torch.rand(3, 3, 40, 30, generator=generator).contiguous(memory_format=memory_format)
        centers = torch.rand(3, 4, 2, generator=generator) * torch.tensor([30.0, 40.0])
        valid = torch.rand(3, 4, generator=generator) > 0.3
        half_sizes = torch.randint(1, 8, (3,), generator=generator)
        mixed = mix_patches(images, centers, valid, half_sizes, largest=7)
        torch.testing.assert_close(mixed, naive(images, centers, valid, half_sizes), atol=1e-6, rtol=1e-6)


def test_patches_at_every_edge_stay_inside() -> None:
    images = torch.rand(1, 3, 40, 30)
    centers = torch.tensor([[[0.0, 0.0], [29.9, 39.9], [0.0, 39.9], [29.9, 0.0]]])
    valid, half = torch.ones(1, 4, dtype=torch.bool), torch.tensor([5])
    torch.testing.assert_close(mix_patches(images, centers, valid, half, 5), naive(images, centers, valid, half))


def test_one_keypoint_changes_nothing_and_none_neither() -> None:
    images, keypoints = torch.rand(2, 3, 40, 30), torch.rand(2, 6, 2) * 30
    keys = torch.tensor([1, 2])
    nobody = torch.zeros(2, 6, dtype=torch.bool)
    torch.testing.assert_close(keypoint_mix(images, keypoints, nobody, keys, 5, (10, 19)), images)
    one = nobody.clone()
    one[:, 3] = True
    torch.testing.assert_close(keypoint_mix(images, keypoints, one, keys, 5, (10, 19)), images)
    assert keypoint_mix(images, keypoints, ~nobody, keys, 0, (10, 19)) is images


def test_draws_found_keypoints_without_replacement() -> None:
    found = torch.rand(500, 9) > 0.4
    chosen, valid, _ = draw_mix(torch.arange(500), found, 5, (10, 19), 256)
    assert chosen.shape == (500, 5)
    assert all(len(set(row.tolist())) == 5 for row in chosen)
    assert torch.equal(found.gather(1, chosen), valid)
    assert torch.equal(valid.sum(1), found.sum(1).clamp(max=5))


def test_every_keypoint_is_drawn_equally_often() -> None:
    chosen, _, _ = draw_mix(torch.arange(9000), torch.ones(9000, 9, dtype=torch.bool), 3, (10, 19), 256)
    share = torch.bincount(chosen.flatten(), minlength=9) / 9000
    torch.testing.assert_close(share, torch.full((9,), 1 / 3), atol=0.02, rtol=0)


@pytest.mark.parametrize(("height", "low", "high"), [(256, 10, 19), (128, 5, 10), (16, 1, 1)])
def test_patch_sizes_scale_with_the_image(height: int, low: int, high: int) -> None:
    _, _, half = draw_mix(torch.arange(2000), torch.ones(2000, 3, dtype=torch.bool), 2, (10, 19), height)
    assert (int(half.min()), int(half.max())) == (low, high)


def test_an_image_smaller_than_the_patch_is_survived() -> None:
    images = torch.rand(2, 3, 12, 9)
    found = torch.ones(2, 5, dtype=torch.bool)
    mixed = keypoint_mix(images, torch.rand(2, 5, 2) * 9, found, torch.arange(2), 5, (300, 400))
    assert mixed.shape == images.shape and mixed.isfinite().all()
