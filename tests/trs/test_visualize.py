"""Drawn skeletons and heatmaps lie where their coordinates say, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from trs.skeleton import Skeleton
from trs.visualize import CENTER, LEFT, RIGHT, draw_skeleton, grid, overlay_heatmap

SKELETON = Skeleton(("nose", "left_wrist", "left_elbow", "right_wrist", "right_elbow"), ((1, 2), (3, 4), (1, 3)),
                    (0.1,) * 5)
KEYPOINTS = np.array([[100.5, 20.5, 0.9], [30.5, 60.5, 0.9], [30.5, 120.5, 0.9], [160.5, 60.5, 0.9],
                      [160.5, 120.5, 0.9]])


@pytest.fixture
def image() -> np.ndarray:
    return np.full((180, 200, 3), 77, np.uint8)


def _touched(image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Columns and rows of the pixels that changed, [N, 2]."""
    rows, columns = np.nonzero((image != drawn).any(axis=2))
    return np.column_stack([columns, rows])


def test_keypoints_and_limbs_show_their_side(image: np.ndarray) -> None:
    drawn = draw_skeleton(image, KEYPOINTS, SKELETON)
    colors = {(100, 20): CENTER, (30, 60): LEFT, (30, 90): LEFT, (160, 60): RIGHT, (160, 90): RIGHT, (95, 60): CENTER}
    assert {place: tuple(drawn[place[1], place[0]].tolist()) for place in colors} == colors


def test_nothing_far_away_changes(image: np.ndarray) -> None:
    alone = KEYPOINTS * [1, 1, 0]
    alone[0, 2] = 1
    touched = _touched(image, draw_skeleton(image, alone, SKELETON))
    offsets = touched + 0.5 - alone[0, :2]
    assert len(touched) > 4 and np.abs(offsets).max() < 8
    assert offsets.mean(axis=0) == pytest.approx([0, 0], abs=0.05), "centerd on the keypoint to a fraction of a pixel"


def test_positions_are_finer_than_a_pixel(image: np.ndarray) -> None:
    moved = KEYPOINTS + np.array([0.5, 0, 0])
    assert (draw_skeleton(image, KEYPOINTS, SKELETON) != draw_skeleton(image, moved, SKELETON)).any()


def test_the_input_is_not_modified(image: np.ndarray) -> None:
    keypoints, before = KEYPOINTS.copy(), image.copy()
    drawn = draw_skeleton(image, keypoints, SKELETON)
    overlay_heatmap(image, np.ones((5, 5)))
    assert (image == before).all() and (keypoints == KEYPOINTS).all()
    assert (drawn != before).any() and drawn.shape == before.shape and drawn.dtype == np.uint8


def test_low_confidence_is_left_out_with_its_limbs(image: np.ndarray) -> None:
    unsure = KEYPOINTS.copy()
    unsure[1, 2] = 0.19
    drawn = draw_skeleton(image, unsure, SKELETON)
    kept = KEYPOINTS[[0, 2, 3, 4]]
    only = Skeleton(tuple(SKELETON.names[i] for i in (0, 2, 3, 4)), ((2, 3),), (0.1,) * 4)
    assert (drawn == draw_skeleton(image, kept, only)).all()
    assert (draw_skeleton(image, unsure, SKELETON, min_confidence=0.95) == image).all()


def test_limbs_thicken_with_the_image() -> None:
    widths = []
    for scale in (1, 4):
        image = np.zeros((180 * scale, 200 * scale, 3), np.uint8)
        drawn = draw_skeleton(image, KEYPOINTS * [scale, scale, 1], SKELETON)
        across_the_arm = drawn[90 * scale, :80 * scale]
        widths.append(int((across_the_arm == LEFT).all(axis=1).sum()))
    assert widths[1] > 2 * widths[0] > 0


def test_keypoints_outside_of_the_image_are_harmless(image: np.ndarray) -> None:
    outside = KEYPOINTS + np.array([1000, -1000, 0])
    assert (draw_skeleton(image, outside, SKELETON) == image).all()


@pytest.mark.parametrize("place", [1e308, -1e308, 2.0**40, np.inf])
def test_what_lies_beyond_all_numbers_is_harmless(image: np.ndarray, place: float) -> None:
    assert (draw_skeleton(image, np.array([[place, place, 0.9]] * 5), SKELETON) == image).all()


def test_what_is_no_number_is_not_drawn(image: np.ndarray) -> None:
    unsure = KEYPOINTS * [[1, 1, 0], *[[1, 1, 1]] * 4]
    assert (draw_skeleton(image, np.vstack([np.full(3, np.nan), KEYPOINTS[1:]]), SKELETON)
            == draw_skeleton(image, unsure, SKELETON)).all()
    unknown = np.vstack([[np.nan, np.nan, 0.9], KEYPOINTS[1:]])
    assert (draw_skeleton(image, unknown, SKELETON) == draw_skeleton(image, unsure, SKELETON)).all()


def test_a_heatmap_glows_where_it_is_warm(image: np.ndarray) -> None:
    heatmap = np.zeros((18, 20))
    heatmap[3, 15] = 1
    touched = _touched(image, overlay_heatmap(image, heatmap)) + 0.5
    # Cell (3, 15) spans x 150 to 160 and y 30 to 40; interpolation reaches one cell further.
    assert touched.mean(axis=0) == pytest.approx([155, 35], abs=0.5)
    assert (np.abs(touched - [155, 35]) <= 10).all()


def test_of_several_heatmaps_the_highest_shows(image: np.ndarray) -> None:
    heatmaps = np.random.default_rng(0).uniform(-0.5, 1.5, (3, 9, 10))
    assert (overlay_heatmap(image, heatmaps) == overlay_heatmap(image, heatmaps.max(axis=0).clip(0, 1))).all()


def test_a_grid_puts_images_row_by_row() -> None:
    images = [np.full((4, 3, 3), 10, np.uint8), np.full((2, 5, 3), 20, np.uint8), np.full((4, 5, 3), 30, np.uint8)]
    sheet = grid(images, columns=2)
    expected = np.zeros((8, 10), np.uint8)
    expected[:4, :3], expected[:2, 5:], expected[4:, :5] = 10, 20, 30
    assert (sheet == expected[..., None]).all() and sheet.shape == (8, 10, 3)
