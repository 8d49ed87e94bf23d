"""COCO's keypoint files.

Format: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.fields import file_name, number, numbers
from trs.data.person_table import AREA_OF_BOX, Annotations, PersonTable
from trs.errors import InputError
from trs.skeleton import Skeleton, from_category


@dataclass(frozen=True, eq=False)
class Person:
    """A person's record, and what was checked of it: the box xywh, and keypoints [K, 3] of x, y and visibility."""

    record: dict[str, Any]
    id: int
    box: np.ndarray
    area: float
    score: float
    keypoints: np.ndarray


def people_of(annotations: Path, content: Any, images: Path) -> Annotations:
    """The labeled people in the content of a COCO keypoint file.

    Crowds, boxes without area and people without a labeled keypoint are left out, as in COCO's own evaluation.

    Args:
        annotations: the JSON file.
        content: what it holds.
        images: folder of its images.

    Raises:
        InputError: a malformed file; the message names the file and the record.
    """
    listed, categories, records = (records_of(annotations, content, key)
                                   for key in ("images", "categories", "annotations"))
    images_by_id, skeleton = by_id(annotations, listed), _skeleton(annotations, categories)
    people = []
    for record in records:
        if record.get("iscrowd"):
            continue
        keypoints = numbers(annotations, record, "keypoints", (3 * len(skeleton),)).reshape(-1, 3)
        if (keypoints[:, 2] > 0).any():
            box = numbers(annotations, record, "bbox", (4,))
            if min(box[2:]) > 0:
                area = AREA_OF_BOX * box[2] * box[3] if record.get("area") is None else number(
                    annotations, record, "area")
                people.append(Person(record, number(annotations, record, "id"), box, area, 1.0, keypoints))
    repeated = [id for id, count in Counter(person.id for person in people).items() if count > 1]
    if repeated:
        raise InputError(f"{annotations}: annotation id {repeated[0]} occurs twice; ids must be unique")
    return Annotations(table_of(annotations, images, images_by_id, people, len(skeleton)), skeleton,
                       np.array(sorted(images_by_id), dtype=np.int64))


def table_of(source: Path, images: Path, listed: dict[int, dict[str, Any]], people: list[Person],
             keypoint_count: int) -> PersonTable:
    """Put people into a table.

    Args:
        source: the file that they come from.
        images: folder of the images.
        listed: the images' records by id.
        people: in the table's order.
        keypoint_count: K of each person.

    Raises:
        InputError: a person's image is not listed.
    """
    image_ids = [number(source, person.record, "image_id") for person in people]
    for person, image_id in zip(people, image_ids, strict=True):
        if image_id not in listed:
            raise InputError(f"{source}: record {person.record.get('id', '?')} refers to image {image_id}, "
                             f"which the list of images does not have")
    records = [listed[image_id] for image_id in image_ids]
    keypoints = np.array([person.keypoints for person in people]).reshape(-1, keypoint_count, 3)
    return PersonTable(
        root=str(images),
        files=np.array([record["file_name"] for record in records], dtype=np.str_),
        ids=np.array([person.id for person in people], dtype=np.int64),
        image_ids=np.array(image_ids, dtype=np.int64),
        image_sizes=np.array([(r["height"], r["width"]) for r in records], dtype=np.int64).reshape(-1, 2),
        boxes=np.array([person.box for person in people]).reshape(-1, 4),
        scores=np.array([person.score for person in people], dtype=np.float64),
        # COCO counts pixels: index 0 is the center of the first pixel, 0.5 in continuous coordinates.
        keypoints=keypoints[..., :2] + 0.5,
        keypoint_weights=(keypoints[..., 2] > 0).astype(np.float32),
        areas=np.array([person.area for person in people], dtype=np.float64),
        head_sizes=np.full(len(people), np.nan))


def records_of(path: Path, content: Any, key: str) -> list[dict[str, Any]]:
    """A list of records in the content of a COCO file, or InputError."""
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path} is not a COCO file: it has no list of records under {key!r}")
    return records


def _skeleton(path: Path, categories: list[dict[str, Any]]) -> Skeleton:
    for category in categories:
        if category.get("keypoints"):
            return from_category(category)
    raise InputError(f"{path}: no category lists its 'keypoints'; is this a keypoint annotation file?")


def by_id(path: Path, images: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The records of a COCO file's images, by their ids.

    Raises:
        InputError: a malformed record, named.
    """
    listed: dict[int, dict[str, Any]] = {}
    for record in images:
        missing = {"id", "file_name", "height", "width"} - record.keys()
        if missing:
            raise InputError(f"{path}: image {record.get('id', '?')} lacks {', '.join(sorted(missing))}")
        if record["id"] in listed:
            raise InputError(f"{path}: image id {record['id']} occurs twice; ids must be unique")
        file_name(path, record, "file_name")
        listed[record["id"]] = record
    return listed
