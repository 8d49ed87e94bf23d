"""Where people are in pictures, by the picture's file name: for pictures that no training knows.

From a COCO file (`images` and `annotations`) or a detector's results (a list of records with `bbox` and `score`), whose
pictures are named by `file_name`, or by `image_id`, the number in COCO's file names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.coco import box_of, images_by_id, table_of
from trs.data.annotations.fields import number, numbers, read_json
from trs.data.person_table import PersonTable
from trs.errors import InputError

FindBoxes = Callable[[str], np.ndarray]
"""The boxes [N, 4] xywh of the picture with this file name, or of the frame of a video with this number."""


def read_boxes(path: Path, min_score: float) -> FindBoxes:
    """The boxes of people in a file.

    Args:
        path: a COCO file, or a detector's results.
        min_score: detected boxes below it are left out.

    Raises:
        InputError: the file is missing or malformed; the message names the record.
    """
    content = read_json(path)
    records, names = content, {}
    if isinstance(content, dict):
        records, pictures = content.get("annotations"), content.get("images")
        if not isinstance(pictures, list) or not all(isinstance(picture, dict) for picture in pictures):
            raise InputError(f"{path} is not a COCO file: it has no list of pictures under 'images'")
        names = {number(path, picture, "id"): Path(str(picture.get("file_name"))).name for picture in pictures}
        if len(set(names.values())) < len(names):
            raise InputError(f"{path} has pictures of one name in several folders; name them apart")
    if not isinstance(records, list):
        raise InputError(f"{path} holds no boxes: neither a COCO file's 'annotations' nor a detector's list of results")
    found: dict[str, list[list[float]]] = {}
    for record in records:
        if _counts(record) and (record.get("score") is None or number(path, record, "score") >= min_score):
            box = list(numbers(path, record, "bbox", (4,)))
            if min(box[2:]) > 0:
                found.setdefault(_picture(path, record, names), []).append(box)
    return lambda name: np.array(found.get(name, found.get(_number_in(name), [])), dtype=np.float64).reshape(-1, 4)


def whole_picture(image: np.ndarray) -> np.ndarray:
    """[1, 4] one box around a picture [H, W, 3]."""
    return np.array([[0.0, 0.0, image.shape[1], image.shape[0]]])


def _counts(record: Any) -> bool:
    return isinstance(record, dict) and record.get("category_id", 1) == 1 and not record.get("iscrowd")


def _picture(path: Path, record: dict[str, Any], names: dict[Any, str]) -> str:
    """What the picture of a record is found by: its file's name, or its number."""
    if "file_name" in record:
        return Path(str(record["file_name"])).name
    image_id = number(path, record, "image_id")
    return names.get(image_id, str(int(image_id)))


def _number_in(name: str) -> str:
    """000000000139.jpg -> 139."""
    digits = Path(name).stem.rpartition("_")[2]
    return str(int(digits)) if digits.isdecimal() else ""


def load_detections(image_list: Path, detections: Path, images: Path, keypoint_count: int,
                    min_score: float) -> PersonTable:
    """People that a detector found in pictures without labels.

    Args:
        image_list: COCO file with the key `images`.
        detections: COCO result file: a list of image_id, category_id, bbox, score.
        images: folder of the pictures.
        keypoint_count: K of the table, whose keypoints are all unlabelled.
        min_score: boxes below this score are left out.

    Raises:
        InputError: a missing or malformed file; the message names the file and the record.
    """
    pictures = images_by_id(image_list, read_json(image_list))
    found = read_json(detections)
    if not isinstance(found, list):
        raise InputError(f"{detections} must hold a list of detections in COCO's result format")
    people = [record for record in found if record.get("category_id", 1) == 1]
    kept = [(index, record) for index, record in enumerate(people)
            if number(detections, record, "score") >= min_score and min(box_of(detections, record)[2:]) > 0]
    ids, records = [index for index, _ in kept], [record for _, record in kept]
    scores = np.array([float(record["score"]) for record in records])
    return table_of(detections, images, pictures, records, ids, scores, np.zeros((len(ids), keypoint_count, 3)))
