"""From a row of people to what a network sees: the easy view for training, the plain crop for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from trs.config import ViewConfig
from trs.data import geometry
from trs.data.images import BadImage, read_image
from trs.data.person_table import PersonTable
from trs.errors import printable


@dataclass(frozen=True)
class EasyView:
    """The random choices of one easy view."""

    scale: float
    rotation: float
    flip: bool


def draw_easy_view(generator: np.random.Generator, view: ViewConfig, mirror: bool = True) -> EasyView:
    """Scale clip(1 + s n, 1 - s, 1 + s), rotation clip(r n, -2r, 2r) with some probability, and a mirror image.

    Without `mirror` all else is drawn alike.
    """
    scale = np.clip(1 + view.scale * generator.standard_normal(), 1 - view.scale, 1 + view.scale)
    rotation = np.clip(view.rotation * generator.standard_normal(), -2 * view.rotation, 2 * view.rotation)
    rotated = generator.random() < view.easy_rotation_probability
    flip = generator.random() < view.flip_probability and mirror
    return EasyView(float(scale), float(rotation) if rotated else 0.0, bool(flip))


def crop_person(people: PersonTable, row: int, input_size: tuple[int, int],
                choice: EasyView = EasyView(1.0, 0.0, False)) -> tuple[np.ndarray, np.ndarray]:
    """Read a person's image and crop it by its box.

    Returns:
        image: [H, W, 3] uint8 RGB, the network's input.
        matrix: [2, 3], the map from the image to the input.

    Raises:
        BadImage: the image cannot be used.
    """
    height, width = people.image_sizes[row]
    image = read_image(people.root, str(people.files[row]), (int(height), int(width)), people.frame)
    matrix = geometry.crop_matrix(people.boxes[row], input_size, choice.scale, choice.rotation, choice.flip)
    try:
        return geometry.warp(image, matrix, input_size), matrix
    except cv2.error as error:  # some versions crop from images of up to 32,766 pixels in a row
        raise BadImage(f"{printable(str(people.files[row]))} cannot be cropped: it has {image.shape[0]}x"
                       f"{image.shape[1]} pixels") from error


def crop_keypoints(people: PersonTable, row: int, matrix: np.ndarray, flip_order: list[int] | None
                   ) -> tuple[np.ndarray, np.ndarray]:
    """A person's keypoints [K, 2] in the input, and their weights [K]; mirrored if `flip_order` is given."""
    keypoints = geometry.transform(people.keypoints[row], matrix)
    weights = people.keypoint_weights[row]
    return (keypoints, weights) if flip_order is None else (keypoints[flip_order], weights[flip_order])
