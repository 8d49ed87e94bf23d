"""COCO's keypoint files, as many tools write them.

Format: https://cocodataset.org/#format-data. Whatever a file leaves out or writes in another way is put right here,
once: who learns, who is predicted and who is scored come from the same cleaned records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.annotations import Annotations
from trs.data.annotations.categories import Categories, Choice, categories_of, choose
from trs.data.annotations.fields import Identity, finite, flag, identity, named, numbers_or_nan
from trs.data.annotations.images import ListedImages, list_images
from trs.data.annotations.left_out import Findings, Mended, Reason
from trs.data.annotations.reading import Reading
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import AREA_OF_BOX, PersonTable
from trs.errors import InputError, printable

HULL_MARGIN = 0.05
"""A box that stands in is the hull of the labeled keypoints, widened by this share of it on each side."""
_THINNEST = 0.25
"""The shorter side of such a box is at least this share of the longer one."""


@dataclass(frozen=True, eq=False)
class Person:
    """A record, cleaned.

    id: as the file writes it, see `trs.data.annotations.fields.identity`.
    image: the row in the list of images.
    box: x, y, width, height.
    keypoints: [K, 3] x, y and whether it is labeled.
    """

    id: Identity | None
    image: int
    box: np.ndarray
    area: float
    score: float
    keypoints: np.ndarray
    crowd: bool = False


def people_of(annotations: Path, content: Any, images: Path, reading: Reading | None = None,
              wanted: tuple[str, ...] = ()) -> Annotations:
    """The people in the content of a COCO keypoint file.

    Args:
        annotations: the JSON file.
        content: what it holds.
        images: folder of its images.
        reading: what a person says of the file.
        wanted: canonical names of keypoints that the category must have, where there is such a category.

    Raises:
        InputError: a file that is not COCO's, with ids that are not unique, or of unknown keypoints.
    """
    reading, findings = reading or Reading(), Findings(annotations.name)
    listed = list_images(annotations, records_of(annotations, content, "images"), findings)
    records = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(records, list):
        raise InputError(f"{annotations} is not a COCO file: it has no list of records under 'annotations'")
    categories = categories_of(annotations, records_of(annotations, content, "categories"), reading)
    choice = _choose(annotations, categories, records, reading, wanted)
    if choice.note:
        findings.notes.append(choice.note)
    people = list(_clean(records, listed, categories, choice, findings))
    table = table_of(listed, images, people, len(choice.skeleton), reading, _ids(annotations, people, findings))
    truth = GroundTruth(table, np.array([person.crowd for person in people], bool), np.sort(listed.ids),
                        choice.skeleton.category_id)
    return Annotations(truth.people, choice.skeleton, truth, findings, choice.written, listed, tuple(choice.keys))


def records_of(path: Path, content: Any, key: str) -> list[dict[str, Any]]:
    """A list of records in the content of a COCO file, or InputError."""
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path} is not a COCO file: it has no list of records under {key!r}")
    return records


def _choose(path: Path, categories: Categories, records: list[Any], reading: Reading, wanted: tuple[str, ...]
            ) -> Choice:
    people, counts = Counter[Identity](), Counter[int]()
    for record in records:
        if isinstance(record, dict) and record.get("keypoints"):
            category = categories.find(record.get("category_id"))
            if category is not None:
                people[category.key] += 1
                counts[_count(record["keypoints"])] += 1
    return choose(path, categories, people, counts, reading, wanted)


def _count(keypoints: Any) -> int:
    """How many keypoints a record has, flat or nested."""
    if not isinstance(keypoints, list):
        return 0
    return len(keypoints) if isinstance(keypoints[0], list) else len(keypoints) // 3


def _clean(records: list[Any], listed: ListedImages, categories: Categories, choice: Choice, findings: Findings
           ) -> Iterator[Person]:
    """The records that are people or regions of the chosen categories; the others are counted."""
    for index, record in enumerate(records):
        found = _person(record, listed, categories, choice, findings, index)
        if isinstance(found, Person):
            yield found
        elif found is not None:
            findings.leave_out(found, named(record, index))


def _person(record: Any, listed: ListedImages, categories: Categories, choice: Choice, findings: Findings, index: int
            ) -> Person | Reason | None:
    """A record, cleaned, or why it is left out; None for a region that is nowhere, and has been counted."""
    if not isinstance(record, dict):
        return Reason.NO_RECORD
    category = categories.find(record.get("category_id"))
    if category is None:
        return Reason.UNDECLARED_CATEGORY
    if category.key not in choice.keys:
        return Reason.OTHER_CATEGORY
    image, crowd = listed.find(record.get("image_id")), flag(record.get("iscrowd"))
    if image is None:
        return Reason.UNKNOWN_IMAGE
    if crowd is None:
        return Reason.BAD_FLAG
    keypoints = keypoints_of(record.get("keypoints"), len(choice.skeleton))
    if isinstance(keypoints, Reason):
        if not crowd and keypoints is not Reason.NO_KEYPOINTS:
            return keypoints
        reason, keypoints = keypoints, np.zeros((len(choice.skeleton), 3))
    else:
        reason = Reason.UNLABELED
    labeled = bool(keypoints[:, 2].any())
    box = box_of(record.get("bbox"))
    if crowd or not labeled:
        findings.leave_out(Reason.CROWD if crowd else reason, named(record, index))
        return None if box is None else Person(identity(record.get("id")), image, box, _area(record, box), 1.0,
                                               keypoints, crowd)
    if box is None:
        box = hull(keypoints)
        if box is None:
            return Reason.NO_SIZE
        findings.mend(Mended.BOX, named(record, index))
    if not finite(record.get("area")) > 0:
        findings.mend(Mended.AREA, named(record, index))
    return Person(identity(record.get("id")), image, box, _area(record, box), 1.0, keypoints)


def keypoints_of(written: Any, count: int) -> np.ndarray | Reason:
    """[K, 3] x, y and 1 for labeled ones, from a flat or nested list; or why it is nobody's.

    Where nothing is labeled, whatever stands for the place is 0.
    """
    if written is None or written == []:
        return Reason.NO_KEYPOINTS
    values = numbers_or_nan(written)
    if len(values) == 2 * count and isinstance(written[0], list):  # pairs alone: what is there is labeled
        pairs = values.reshape(count, 2)
        values = np.column_stack([pairs, np.isfinite(pairs).all(1)]).ravel()
    if len(values) != 3 * count:
        return Reason.WRONG_COUNT
    keypoints = values.reshape(count, 3)
    labeled = keypoints[:, 2] > 0  # NaN is not
    if not np.isfinite(keypoints[labeled, :2]).all():
        return Reason.NOT_FINITE
    return np.column_stack([np.where(np.isfinite(keypoints[:, :2]), keypoints[:, :2], 0.0), labeled])


def box_of(written: Any) -> np.ndarray | None:
    """[4] x, y, width, height; a negative side is counted from the other end. None where there is no area."""
    box = numbers_or_nan(written)
    if box.shape != (4,) or not np.isfinite(box).all() or not box[2:].all():
        return None
    return np.concatenate([box[:2] + np.minimum(box[2:], 0), np.abs(box[2:])])


def hull(keypoints: np.ndarray) -> np.ndarray | None:
    """[4] a box around the labeled ones of keypoints [K, 3], a little wider; None where they are all in one place."""
    places = keypoints[keypoints[:, 2] > 0, :2]
    low, high = places.min(0), places.max(0)
    sides = (high - low) * (1 + 2 * HULL_MARGIN)
    sides = np.maximum(sides, _THINNEST * sides.max())
    return np.concatenate([(low + high - sides) / 2, sides]) if sides.max() > 0 else None


def _area(record: dict[str, Any], box: np.ndarray) -> float:
    area = finite(record.get("area"))
    return area if area > 0 else float(AREA_OF_BOX * box[2] * box[3])


def _ids(path: Path, people: list[Person], findings: Findings) -> np.ndarray:
    """[N] unique numbers for people: their ids where these are whole numbers, or else their places in the file.

    Raises:
        InputError: an id that occurs twice.
    """
    ids = [person.id for person in people]
    repeated = [id for id, count in Counter(ids).items() if count > 1 and id is not None]
    if repeated:
        raise InputError(f"{path}: annotation id {printable(str(repeated[0]))} occurs twice; ids must be unique")
    if all(isinstance(id, int) for id in ids):
        return np.array(ids, dtype=np.int64)
    findings.notes.append("the annotations' ids are not all whole numbers from 0: people are numbered by their place")
    return np.arange(len(ids))


def table_of(listed: ListedImages, images: Path, people: list[Person], keypoint_count: int, reading: Reading,
             ids: np.ndarray) -> PersonTable:
    """Put people into a table.

    Args:
        listed: the images of the file.
        images: their folder.
        people: in the table's order.
        keypoint_count: K of each person.
        reading: what a person says of the file.
        ids: [N] of the people.
    """
    rows = np.array([person.image for person in people], dtype=np.int64)
    keypoints = np.array([person.keypoints for person in people]).reshape(-1, keypoint_count, 3)
    return PersonTable(
        root=str(images), files=listed.files[rows], ids=ids, image_ids=listed.ids[rows], image_sizes=listed.sizes[rows],
        boxes=np.array([person.box for person in people]).reshape(-1, 4),
        scores=np.array([person.score for person in people], dtype=np.float64),
        # COCO counts pixels: index 0 is the center of the first pixel, 0.5 in continuous coordinates.
        keypoints=keypoints[..., :2] + 0.5,
        keypoint_weights=keypoints[..., 2].astype(np.float32),
        areas=np.array([person.area for person in people], dtype=np.float64),
        head_sizes=np.full(len(people), np.nan), frame="stored" if reading.exif == "stored" else "shown")
