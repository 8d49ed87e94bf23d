"""Where people are in images, by the image's file name: for images that no training knows.

From a COCO file (`images` and `annotations`) or a detector's results (a list of records with `bbox` and `score`), whose
images are named by `file_name`, or by `image_id`, the number in COCO's file names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.fields import number, numbers, read_json
from trs.errors import InputError

FindBoxes = Callable[[str], np.ndarray]
"""Finds the boxes [N, 4] xywh in the image with this file name, or in the frame of a video with this number."""


def read_boxes(path: Path, min_score: float) -> FindBoxes:
    """Read the boxes of people in a file.

    Args:
        path: a COCO file, or a detector's results.
        min_score: detected boxes below it are left out.

    Raises:
        InputError: the file is missing or malformed; the message names the record.
    """
    content = read_json(path)
    records, names = content, {}
    if isinstance(content, dict):
        records, images = content.get("annotations"), content.get("images")
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise InputError(f"{path} is not a COCO file: it has no list of images under 'images'")
        names = {number(path, image, "id"): Path(str(image.get("file_name"))).name for image in images}
        if len(set(names.values())) < len(names):
            raise InputError(f"{path} has images of one name in several folders; name them apart")
    if not isinstance(records, list):
        raise InputError(f"{path} holds no boxes: neither a COCO file's 'annotations' nor a detector's list of results")
    found: dict[str, list[list[float]]] = {}
    for record in records:
        if _is_person(record) and (record.get("score") is None or number(path, record, "score") >= min_score):
            box = list(numbers(path, record, "bbox", (4,)))
            if min(box[2:]) > 0:
                found.setdefault(_image_key(path, record, names), []).append(box)
    return lambda name: np.array(found.get(name, found.get(_number_in(name), [])), dtype=np.float64).reshape(-1, 4)


def whole_image(image: np.ndarray) -> np.ndarray:
    """[1, 4] one box around an image [H, W, 3]."""
    return np.array([[0.0, 0.0, image.shape[1], image.shape[0]]])


def _is_person(record: Any) -> bool:
    return isinstance(record, dict) and record.get("category_id", 1) == 1 and not record.get("iscrowd")


def _image_key(path: Path, record: dict[str, Any], names: dict[Any, str]) -> str:
    """What the image of a record is found by: its file's name, or its number."""
    if "file_name" in record:
        return Path(str(record["file_name"])).name
    image_id = number(path, record, "image_id")
    return names.get(image_id, str(int(image_id)))


def _number_in(name: str) -> str:
    """The number in COCO's file names: 139 of 000000000139.jpg."""
    digits = Path(name).stem.rpartition("_")[2]
    return str(int(digits)) if digits.isdecimal() else ""
