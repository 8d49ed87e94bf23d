"""Every augmentation alone, in sequence, and what it does to the targets."""

from __future__ import annotations

import typing

import pytest
import torch

from trs.augment.affine import affine_theta, draw_affine, warp
from trs.augment.cutmix import draw_cutmix
from trs.augment.cutout import cutout
from trs.augment.hard_view import CHANGES, MIXES, LocatedKeypoints, augment, hard_view
from trs.augment.joint_cutout import joint_cutout
from trs.augment.mixing import SampleMix, draw_partners
from trs.augment.mixup import draw_mixup
from trs.augment.patch import draw_found, draw_half_sizes, erase
from trs.augment.rand_augment import OPERATIONS, rand_augment
from trs.augment.ssco import Patches, draw_patches, paste_patches, ssco
from trs.config import AugmentationName, ConsistencyConfig, ViewConfig
from trs.data.batch import UnlabeledBatch, denormalize, normalize
from trs.keyed_random import RandomStream, uniform

NAMES = typing.get_args(AugmentationName)
KEYS = torch.arange(1, 9) * 12345677
HALF = (20, 40)


@pytest.fixture
def images() -> torch.Tensor:
    """Eight images, 64 high and 48 wide, of uint8 values."""
    generator = torch.Generator().manual_seed(4)
    return normalize(torch.randint(0, 256, (8, 64, 48, 3), generator=generator, dtype=torch.uint8))


@pytest.fixture
def located() -> LocatedKeypoints:
    generator = torch.Generator().manual_seed(5)
    return LocatedKeypoints(torch.rand(8, 6, 2, generator=generator) * torch.tensor([48.0, 64.0]),
                 torch.rand(8, 6, generator=generator) > 0.2, KEYS)


def test_every_name_is_one_augmentation() -> None:
    assert set(NAMES) == CHANGES.keys() | MIXES.keys() and not CHANGES.keys() & MIXES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_it_changes_the_image_repeatably_and_leaves_the_original(name: AugmentationName, images, located) -> None:
    before = images.clone()
    config = ConsistencyConfig(augment=(name,), patch_half_size=HALF)
    once, again = (augment(images, located, config)[0] for _ in range(2))
    assert torch.equal(once, again) and torch.equal(images, before)
    assert once.shape == images.shape and once.isfinite().all()
    assert not torch.equal(once, images)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"mixup", "cutmix", "ssco"}))
def test_an_image_does_not_depend_on_its_batch(name: AugmentationName, images, located) -> None:
    config = ConsistencyConfig(augment=(name,), patch_half_size=HALF)
    whole = augment(images, located, config)[0]
    alone = augment(images[3:4], LocatedKeypoints(located.keypoints[3:4], located.found[3:4], KEYS[3:4]), config)[0]
    torch.testing.assert_close(alone, whole[3:4])


def test_a_sequence_is_one_after_the_other(images, located) -> None:
    config = ConsistencyConfig(augment=("cutmix", "joint_cutout"), patch_half_size=HALF)
    found, mixes = augment(images, located, config)
    expected = joint_cutout(draw_cutmix(KEYS)(images), located.keypoints, located.found, KEYS, HALF)
    assert torch.equal(found, expected) and len(mixes) == 1


def test_without_a_name_the_hard_view_is_the_affine_alone(images) -> None:
    unlabeled = UnlabeledBatch(images, KEYS)
    hard = hard_view(unlabeled, torch.rand(8, 6, 16, 12), ConsistencyConfig(), ViewConfig())
    theta = affine_theta(*draw_affine(KEYS, ViewConfig()), (64, 48))
    assert torch.equal(hard.images, warp(images, theta))
    heatmaps = torch.rand(2, 8, 6, 16, 12)
    torch.testing.assert_close(hard.of_heatmaps(heatmaps)[1], warp(heatmaps[1], theta, "bicubic"))


def test_paths_are_independent_and_the_first_is_the_only_one_of_a_single_path(images) -> None:
    unlabeled, heatmaps = UnlabeledBatch(images, KEYS), torch.rand(8, 6, 16, 12)
    one, three = (hard_view(unlabeled, heatmaps, ConsistencyConfig(augment=("cutout",), paths=paths), ViewConfig())
                  for paths in (1, 3))
    assert three.images.shape == (24, 3, 64, 48)
    assert torch.equal(three.images[:8], one.images)
    assert not torch.equal(three.images[8:16], three.images[16:])
    assert three.of_weights(torch.ones(8, 6)).shape == (24, 6)


def naive_erase(images, centers, half_sizes, valid):
    erased = images.clone()
    for b in range(len(images)):
        for m in range(centers.shape[1]):
            for y in range(images.shape[2]):
                for x in range(images.shape[3]):
                    dx, dy = abs(x + 0.5 - float(centers[b, m, 0])), abs(y + 0.5 - float(centers[b, m, 1]))
                    if valid[b, m] and dx <= half_sizes[b, m, 0] and dy <= half_sizes[b, m, 1]:
                        erased[b, :, y, x] = 0
    return erased


def test_erasing_equals_a_loop_over_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 2, 20, 14, generator=generator)
    centers = torch.rand(3, 4, 2, generator=generator) * torch.tensor([16.0, 24.0]) - 2
    half_sizes = torch.randint(1, 5, (3, 4, 2), generator=generator)
    valid = torch.rand(3, 4, generator=generator) > 0.3
    assert torch.equal(erase(images, centers, half_sizes, valid), naive_erase(images, centers, half_sizes, valid))


@pytest.mark.parametrize("change", [
    lambda images, located: joint_cutout(images, located.keypoints, located.found, located.keys, HALF),
    lambda images, located: cutout(images, located.keys, HALF),
    lambda images, located: ssco(images, located.keypoints, located.found, located.keys, HALF)])
def test_patches_reach_every_row_and_column_of_an_upright_image(change) -> None:
    """The public code clips rectangles by the swapped sizes: the lowest quarter of an upright image is never hit."""
    keys = torch.arange(400) * 7919
    generator = torch.Generator().manual_seed(1)
    keypoints = torch.rand(400, 6, 2, generator=generator) * torch.tensor([48.0, 64.0])
    located = LocatedKeypoints(keypoints, torch.ones(400, 6) > 0, keys)
    images = torch.rand(400, 3, 64, 48, generator=generator) + 1
    touched = (change(images, located) != images).any(1).float().mean(0)
    assert touched.min() > 0.01


def naive_paste(images, patches):
    pasted = images.clone()
    height, width = images.shape[2:]
    for b in range(len(images)):
        for m in range(patches.to.shape[1]):
            if not patches.valid[b, m]:
                continue
            (tx, ty), (ox, oy) = (place[b, m].floor().int().tolist() for place in (patches.to, patches.origin))
            half_width, half_height = patches.half_sizes[b, m].tolist()
            for dy in range(-half_height, half_height + 1):
                for dx in range(-half_width, half_width + 1):
                    inside = (0 <= tx + dx < width and 0 <= ox + dx < width
                              and 0 <= ty + dy < height and 0 <= oy + dy < height)
                    if inside:
                        pasted[b, :, ty + dy, tx + dx] = images[patches.source[b], :, oy + dy, ox + dx]
    return pasted


def test_pasting_equals_a_loop_over_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        images = torch.rand(4, 3, 20, 14, generator=generator)
        patches = Patches(torch.randint(0, 4, (4,), generator=generator),
                          torch.rand(4, 2, 2, generator=generator) * torch.tensor([18.0, 24.0]) - 2,
                          torch.rand(4, 2, 2, generator=generator) * torch.tensor([18.0, 24.0]) - 2,
                          torch.randint(1, 5, (4, 2, 2), generator=generator),
                          torch.rand(4, 2, generator=generator) > 0.2)
        assert torch.equal(paste_patches(images, patches, largest=4), naive_paste(images, patches))


def test_where_nothing_is_found_nothing_is_hidden(images, located) -> None:
    nothing = torch.zeros_like(located.found)
    assert torch.equal(joint_cutout(images, located.keypoints, nothing, KEYS, HALF), images)
    assert torch.equal(ssco(images, located.keypoints, nothing, KEYS, HALF), images)


def test_a_patch_needs_a_joint_to_hide_and_one_to_take(located) -> None:
    found = located.found.clone()
    found[::2] = False
    patches = draw_patches(located.keypoints, found, KEYS, HALF, 64)
    there = found.any(1) & found.any(1)[patches.source]
    assert 0 < there.sum() < found.any(1).sum()
    assert torch.equal(patches.valid, there[:, None].expand(-1, 2))


def test_where_a_teacher_sees_nothing_nothing_is_hidden(images) -> None:
    unlabeled, nothing = UnlabeledBatch(images, KEYS), torch.zeros(8, 6, 16, 12)
    for name in ("joint_cutout", "ssco", "keypoint_mix"):
        hidden = hard_view(unlabeled, nothing, ConsistencyConfig(augment=(name,)), ViewConfig())
        assert torch.equal(hidden.images, hard_view(unlabeled, nothing, ConsistencyConfig(), ViewConfig()).images)


def test_found_keypoints_are_drawn_evenly_and_others_never() -> None:
    keys = torch.arange(4000) * 7919
    found = torch.tensor([True, False, True, True, False]).expand(4000, 5)
    chosen, valid = draw_found(keys, found, 3, stream=7)
    assert valid.all()
    share = torch.bincount(chosen.flatten(), minlength=5) / chosen.numel()
    torch.testing.assert_close(share, torch.tensor([1, 0, 1, 1, 0]) / 3, atol=0.02, rtol=0)


def test_half_sizes_scale_with_the_image() -> None:
    keys = torch.arange(2000) * 7919
    full = draw_half_sizes(keys, 1, (10, 19), 256, stream=3)
    assert (full.min(), full.max()) == (10, 19)
    small = draw_half_sizes(keys, 1, (10, 19), 64, stream=3)
    assert (small.min(), small.max()) == (2, 5)  # 10 / 4 and 19 / 4, rounded


def test_partners_are_others_and_everybody_is_one() -> None:
    partners = draw_partners(KEYS)
    assert sorted(partners.tolist()) == list(range(8)) and (partners != torch.arange(8)).all()
    assert not torch.equal(partners, draw_partners(KEYS + 1))


def test_mixup_averages_images_and_heatmaps_alike(images) -> None:
    blend = draw_mixup(KEYS)
    own = blend.own[:, None, None, None]
    torch.testing.assert_close(blend(images), own * images + (1 - own) * images[blend.partner])
    heatmaps = torch.rand(2, 8, 6, 16, 12)
    torch.testing.assert_close(blend(heatmaps), own * heatmaps + (1 - own) * heatmaps[:, blend.partner])


def test_cutmix_takes_the_same_rectangle_of_images_and_heatmaps() -> None:
    box = torch.tensor([[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.0, 0.0]])
    blend = SampleMix(torch.tensor([1, 0]), box, torch.zeros(2))
    for height, width in ((64, 48), (16, 12)):
        samples = torch.stack([torch.zeros(1, height, width), torch.ones(1, height, width)])
        mixed = blend(samples)
        expected = torch.zeros(1, height, width)
        expected[:, height // 2:, width // 4:3 * width // 4] = 1
        assert torch.equal(mixed[0], expected)
        assert torch.equal(mixed[1], samples[1])


@pytest.mark.parametrize(("height", "width"), [(64, 48), (16, 12)])
def test_a_cell_belongs_to_a_rectangle_by_its_center(height: int, width: int) -> None:
    """Whatever the size of the cells: no border lies on a center."""
    x0, y0, x1, y1 = 0.26, 0.13, 0.66, 0.87
    mixed = SampleMix(torch.tensor([1, 0]), torch.tensor([[x0, y0, x1, y1], [0.0] * 4]), torch.zeros(2))(
        torch.stack([torch.zeros(1, height, width), torch.ones(1, height, width)]))
    for row in range(height):
        for column in range(width):
            x, y = (column + 0.5) / width, (row + 0.5) / height
            assert mixed[0, 0, row, column] == (x0 <= x < x1 and y0 <= y < y1)


def test_targets_are_mixed_and_moved_as_the_images_are(images) -> None:
    heatmaps = torch.rand(2, 8, 6, 16, 12)
    hard = hard_view(UnlabeledBatch(images, KEYS), heatmaps[0], ConsistencyConfig(augment=("mixup", "cutmix")),
                     ViewConfig())
    ((mixes, theta),) = hard.paths
    assert len(mixes) == 2
    assert torch.equal(hard.images, warp(mixes[1](mixes[0](images)), theta))
    expected = mixes[1](mixes[0](heatmaps))
    moved = torch.stack([warp(level, theta, "bicubic") for level in expected])
    assert torch.equal(hard.of_heatmaps(heatmaps), moved)


def test_cutmix_rectangles_are_uniform_in_area_before_they_are_cut_off() -> None:
    keys = torch.arange(5000) * 7919
    box = draw_cutmix(keys).box
    assert box.min() >= 0 and box.max() <= 1
    sides = box[:, 2:] - box[:, :2]
    uncut = ((box > 0) & (box < 1)).all(1)
    assert 0.05 < sides.prod(1).mean() < 0.45 and uncut.float().mean() > 0.1
    areas = uniform(keys, 1, RandomStream.CUTMIX_AREA).squeeze(1)
    torch.testing.assert_close(sides.prod(1)[uncut], areas[uncut], atol=1e-5, rtol=0)


def test_a_blend_trusts_a_keypoint_if_it_can_trust_both(images) -> None:
    hard = hard_view(UnlabeledBatch(images, KEYS), torch.rand(8, 6, 16, 12), ConsistencyConfig(augment=("mixup",)),
                     ViewConfig())
    weights = (torch.rand(8, 6) > 0.5).float()
    assert torch.equal(hard.of_weights(weights), weights * weights[draw_partners(KEYS)])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_color_operations_keep_uint8_images(operation) -> None:
    images = torch.randint(0, 256, (2, 3, 16, 12), dtype=torch.uint8)
    changed = operation(images)
    assert changed.shape == images.shape and changed.dtype == torch.uint8


def test_rand_augment_works_on_the_colors_that_were_read(images) -> None:
    """It must undo and redo the normalization: a gray ramp stays gray."""
    ramp = torch.arange(64, dtype=torch.uint8)[:, None, None].expand(64, 48, 3).expand(8, 64, 48, 3)
    changed = denormalize(rand_augment(normalize(ramp), KEYS)).int()
    assert (changed.amax(-1) - changed.amin(-1)).max() <= 1
