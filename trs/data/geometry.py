"""Boxes, crops and affine maps, and the one pixel convention of this library.

Coordinates are continuous: an image of width W spans [0, W], and the pixel in column j covers [j, j + 1] with its
center at j + 0.5 (as in detectron2's `structures/keypoints.py`). So every change of resolution is a pure scaling, a
mirror image maps x to W - x, and torch's `align_corners=False` grids need no correction. The two neighbors with
another convention are met at the border only: COCO's keypoints are pixel indices (+ 0.5 when read, - 0.5 when
written; see `trs/data/annotations/coco.py` and `trs/evaluation/oks.py`), and OpenCV's warps count pixel centers as
whole numbers (see `warp`).

Affine maps are 2x3 float64 matrices that take a column (x, y, 1) of the source to (x, y) of the destination.
"""

from __future__ import annotations

import cv2
import numpy as np

Matrix = np.ndarray

BOX_PADDING = 1.25
"""Context around a box (SimpleBaseline)."""


def _homogeneous(matrix: Matrix) -> Matrix:
    return np.vstack([matrix, [0.0, 0.0, 1.0]])


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The map that applies `inner` first, then `outer`."""
    composed: Matrix = outer @ _homogeneous(inner)
    return composed


def invert(matrix: Matrix) -> Matrix:
    """The inverse map."""
    return np.linalg.inv(_homogeneous(matrix))[:2]


def transform(points: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Map points [..., 2]."""
    mapped: np.ndarray = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped


def crop_matrix(box: np.ndarray, input_size: tuple[int, int], scale: float = 1.0, rotation: float = 0.0,
                flip: bool = False) -> Matrix:
    """The map from an image to the network's input that centers a box.

    The box grows to the input's aspect ratio and by `BOX_PADDING`, so the image is never stretched.

    Args:
        box: [4] x, y, width, height in the image.
        input_size: height and width of the input, in pixels.
        scale: > 1 shows more of the surroundings, the person smaller.
        rotation: degrees, clockwise as seen on the screen.
        flip: mirror the input left to right, after all else.
    """
    x, y, width, height = (float(value) for value in box)
    input_height, input_width = input_size
    pixels_per_unit = min(input_width / width, input_height / height) / (BOX_PADDING * scale)
    angle = np.deg2rad(rotation)
    linear = pixels_per_unit * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = np.array([input_width / 2, input_height / 2]) - linear @ [x + width / 2, y + height / 2]
    matrix = np.column_stack([linear, offset])
    return compose(np.array([[-1.0, 0.0, input_width], [0.0, 1.0, 0.0]]), matrix) if flip else matrix


def crop_areas(boxes: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """[N] areas, in the image's pixels, that the crops of boxes [N, 4] show."""
    input_height, input_width = input_size
    units = np.maximum(boxes[:, 2] / input_width, boxes[:, 3] / input_height) * BOX_PADDING
    areas: np.ndarray = units**2 * input_height * input_width
    return areas


def warp(image: np.ndarray, matrix: Matrix, size: tuple[int, int]) -> np.ndarray:
    """Resample an image [H, W, 3] by a map into [size[0], size[1], 3], black outside of it."""
    # OpenCV's coordinates are ours minus half a pixel, on both sides of the map.
    to_index = matrix.copy()
    to_index[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    warped: np.ndarray = cv2.warpAffine(image, to_index, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return warped
