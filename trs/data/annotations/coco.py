"""COCO's files: annotated people, and pictures without labels with a detector's boxes.

Format: https://cocodataset.org/#format-data and #format-results.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.fields import file_name, number, numbers, read_json
from trs.data.person_table import AREA_OF_BOX, PersonTable
from trs.errors import InputError
from trs.skeleton import Skeleton, from_category


def people_of(annotations: Path, content: Any, images: Path) -> tuple[PersonTable, Skeleton]:
    """The labelled people in the content of a COCO keypoint file.

    Crowds, boxes without area and people without a labelled keypoint are left out, as in COCO's own evaluation.

    Args:
        annotations: the JSON file.
        content: what it holds.
        images: folder of its pictures.

    Raises:
        InputError: a malformed file; the message names the file and the record.
    """
    pictures = images_by_id(annotations, content)
    skeleton = _skeleton(annotations, content)
    records = [record for record in _records(annotations, content, "annotations")
               if not record.get("iscrowd") and any(_keypoints(annotations, record, len(skeleton))[:, 2] > 0)]
    records = [record for record in records if min(box_of(annotations, record)[2:]) > 0]
    ids = [number(annotations, record, "id") for record in records]
    if len(set(ids)) != len(ids):
        raise InputError(f"{annotations}: annotation id {_first_repeated(ids)} occurs twice; ids must be unique")
    keypoints = np.array([_keypoints(annotations, r, len(skeleton)) for r in records]).reshape(-1, len(skeleton), 3)
    return table_of(annotations, images, pictures, records, ids, np.ones(len(ids)), keypoints), skeleton


def image_ids(annotations: Path) -> np.ndarray:
    """[n] the ids of all pictures in a COCO file."""
    return np.array(sorted(images_by_id(annotations, read_json(annotations))), dtype=np.int64)


def table_of(source: Path, images: Path, pictures: dict[int, dict], records: list[dict], ids: list[int],
           scores: np.ndarray, keypoints: np.ndarray) -> PersonTable:
    image_ids = [number(source, record, "image_id") for record in records]
    for record, image_id in zip(records, image_ids, strict=True):
        if image_id not in pictures:
            raise InputError(f"{source}: record {record.get('id', '?')} refers to image {image_id}, "
                             f"which the list of images does not have")
    shown = [pictures[image_id] for image_id in image_ids]
    return PersonTable(
        root=str(images),
        files=np.array([picture["file_name"] for picture in shown], dtype=np.str_),
        ids=np.array(ids, dtype=np.int64),
        image_ids=np.array(image_ids, dtype=np.int64),
        image_sizes=np.array([(p["height"], p["width"]) for p in shown], dtype=np.int64).reshape(-1, 2),
        boxes=np.array([box_of(source, record) for record in records], dtype=np.float64).reshape(-1, 4),
        scores=scores.astype(np.float64),
        # COCO counts pixels: index 0 is the centre of the first pixel, 0.5 in continuous coordinates.
        keypoints=keypoints[..., :2] + 0.5,
        keypoint_weights=(keypoints[..., 2] > 0).astype(np.float32),
        areas=np.array([_area(source, record) for record in records], dtype=np.float64),
        head_sizes=np.full(len(ids), np.nan))


def _records(path: Path, content: Any, key: str) -> list[dict[str, Any]]:
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path} is not a COCO file: it has no list of records under {key!r}")
    return records


def _skeleton(path: Path, content: Any) -> Skeleton:
    for category in _records(path, content, "categories"):
        if category.get("keypoints"):
            return from_category(category)
    raise InputError(f"{path}: no category lists its 'keypoints'; is this a keypoint annotation file?")


def images_by_id(path: Path, content: Any) -> dict[int, dict[str, Any]]:
    pictures: dict[int, dict[str, Any]] = {}
    for picture in _records(path, content, "images"):
        missing = {"id", "file_name", "height", "width"} - picture.keys()
        if missing:
            raise InputError(f"{path}: image {picture.get('id', '?')} lacks {', '.join(sorted(missing))}")
        if picture["id"] in pictures:
            raise InputError(f"{path}: image id {picture['id']} occurs twice; ids must be unique")
        file_name(path, picture, "file_name")
        pictures[picture["id"]] = picture
    return pictures


def _area(path: Path, record: dict[str, Any]) -> float:
    if record.get("area") is not None:
        return float(number(path, record, "area"))
    width, height = box_of(path, record)[2:]
    return AREA_OF_BOX * width * height


def box_of(path: Path, record: dict[str, Any]) -> list[float]:
    return list(numbers(path, record, "bbox", (4,)))


def _keypoints(path: Path, record: dict[str, Any], count: int) -> np.ndarray:
    return numbers(path, record, "keypoints", (3 * count,)).reshape(count, 3)


def _first_repeated(values: Iterable[int]) -> int:
    seen: set[int] = set()
    return next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]
