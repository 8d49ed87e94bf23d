"""Images to look at: skeletons and heatmaps over an image, and many images on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trs.data import geometry
from trs.files import write_bytes
from trs.skeleton import Skeleton

# Orange and sky blue stay apart in every kind of color blindness; what lies on neither side is nearly white.
LEFT, RIGHT, CENTER = (230, 159, 0), (86, 180, 233), (240, 240, 240)
_OUTLINE = (20, 20, 20)
_LINES_PER_SIDE = 110
"""A limb is this many times thinner than the image's shorter side."""
_SHIFT = 4
"""OpenCV takes coordinates in units of 2**-_SHIFT pixels."""
FARTHEST = 2.0**20
"""Pixels from the corner: what lies farther away is drawn there. No image has so many, OpenCV's integers hold it."""
_GLOW_OPACITY = 0.7
_TITLE_HEIGHT = 36


def draw_skeleton(image: np.ndarray, keypoints: np.ndarray, skeleton: Skeleton,
                  min_confidence: float = 0.2) -> np.ndarray:
    """A copy of an image with a person's limbs and joints: orange on their left, blue on their right.

    Args:
        image: [H, W, 3] uint8 RGB.
        keypoints: [K, 3] x, y in the image (continuous, see `trs.data.geometry`) and confidence; what is NaN is not
            drawn.
        skeleton: names and limbs of the K keypoints.
        min_confidence: keypoints below this are left out, with the limbs that end there.
    """
    drawn = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / _LINES_PER_SIDE))
    # OpenCV counts pixel centers as whole numbers.
    near = np.nan_to_num(keypoints[:, :2]).clip(-FARTHEST, FARTHEST) - 0.5
    places = [(round(x * 2**_SHIFT), round(y * 2**_SHIFT)) for x, y in near.tolist()]
    sure = (keypoints[:, 2] >= min_confidence) & ~np.isnan(keypoints).any(1)
    limbs = [(start, end, _color(skeleton.names[start], skeleton.names[end]))
             for start, end in skeleton.limbs if sure[start] and sure[end]]
    for width, outlined in ((thickness + 2, True), (thickness, False)):
        for start, end, color in limbs:
            cv2.line(drawn, places[start], places[end], _OUTLINE if outlined else color, width, cv2.LINE_AA, _SHIFT)
        for index in np.flatnonzero(sure):
            color = _OUTLINE if outlined else _color(skeleton.names[index])
            cv2.circle(drawn, places[index], width * 2**_SHIFT, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    return drawn


def _color(*names: str) -> tuple[int, int, int]:
    """The side that these keypoints name; center if they name none or both."""
    left = any(name.startswith("left_") for name in names)
    right = any(name.startswith("right_") for name in names)
    return CENTER if left == right else LEFT if left else RIGHT


def overlay_heatmap(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """A copy of an image that glows where a heatmap is high, by its root, so that an unsure keypoint shows too.

    Args:
        image: [H, W, 3] uint8 RGB.
        heatmap: [h, w] or [K, h, w], of which the highest shows; spans the whole image; 0 to 1, clipped.
    """
    height, width = image.shape[:2]
    highest = heatmap.reshape(-1, *heatmap.shape[-2:]).max(axis=0).clip(0, 1).astype(np.float32)
    strength = np.sqrt(cv2.resize(highest, (width, height), interpolation=cv2.INTER_LINEAR))
    glow = cv2.applyColorMap((255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = _GLOW_OPACITY * strength[..., None]
    overlaid: np.ndarray = ((1 - opacity) * image + opacity * glow).round().astype(np.uint8)
    return overlaid


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """An image [H, W, 3] so many times as large, smoothly."""
    grown = np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]])
    return geometry.warp(image, grown, (factor * image.shape[0], factor * image.shape[1]))


def sheet(columns: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> np.ndarray:
    """Columns of images side by side, each under its title, on a white sheet.

    Args:
        columns: of equally many images, all [H, W, 3] uint8 of one size.
        titles: one a column.

    Returns: [_TITLE_HEIGHT + rows * H, columns * W, 3] uint8.
    """
    body = grid([column[row] for row in range(len(columns[0])) for column in columns], len(columns))
    width = body.shape[1] // len(columns)
    head = Image.new("RGB", (body.shape[1], _TITLE_HEIGHT), "white")
    draw = ImageDraw.Draw(head)
    for number, title in enumerate(titles):
        draw.text((width * (number + 0.5), _TITLE_HEIGHT / 2), title, fill=_OUTLINE, anchor="mm",
                  font=ImageFont.load_default(size=_TITLE_HEIGHT // 2))
    return np.concatenate([np.asarray(head), body])


def grid(images: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Images row by row on one black sheet.

    Args:
        images: each [H, W, 3] uint8, of any size; cells are as large as the largest, images lie at their top left.
        columns: images in a row.

    Returns: [rows * largest H, columns * largest W, 3] uint8.
    """
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    sheet = np.zeros((math.ceil(len(images) / columns) * height, columns * width, 3), np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * height, number % columns * width
        sheet[top:top + image.shape[0], left:left + image.shape[1]] = image
    return sheet


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write an image [H, W, 3] uint8 RGB; it appears whole or not at all."""
    write_bytes(path, cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
