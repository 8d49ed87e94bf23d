"""COCO's keypoint files, as many tools write them.

Format: https://cocodataset.org/#format-data. Whatever a file leaves out or writes in another way is put right here,
once: who learns, who is predicted and who is scored come from the same cleaned records.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from math import isnan, nan
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
from trs.data.person_table import AREA_OF_BOX, LARGEST_AREA, LEAST_AREA, PersonTable
from trs.errors import InputError, printable

HULL_MARGIN = 0.05
"""A box that stands in is the hull of the labeled keypoints, widened by this share of it on each side."""
_SLACK = 2.0
"""Pixels by which a keypoint or a box may leave where it belongs."""
_MANY, _MUCH_TOO_LARGE = 5, 0.7
_THINNEST = 0.25
"""The shorter side of such a box is at least this share of the longer one."""


@dataclass(frozen=True, eq=False)
class Person:
    """A record, cleaned.

    id: as the file writes it, see `trs.data.annotations.fields.identity`.
    image: the row in the list of images.
    box: x, y, width, height.
    area: in pixels squared; NaN where a share of the box stands in.
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
    if not isinstance(content, dict):
        raise InputError(f"{annotations} is not a COCO file: it is a {type(content).__name__}, no object")
    listed = list_images(annotations, records_of(annotations, content.get("images"), "images"), findings)
    categories = categories_of(annotations, records_of(annotations, content.get("categories"), "categories"), reading)
    records = content.get("annotations")
    if not isinstance(records, list):
        raise InputError(f"{annotations} is not a COCO file: it has no list of records under 'annotations'")
    counts: dict[Identity, Counter[int]] = {}
    for record in records:
        if isinstance(record, dict) and record.get("keypoints"):
            category, written = categories.find(record.get("category_id")), record["keypoints"]
            if category is not None:
                nested = isinstance(written, list) and isinstance(written[0], list)
                count = len(written) if nested else len(written) // 3 if isinstance(written, list) else 0
                counts.setdefault(category.key, Counter())[count] += 1
    choice = choose(annotations, categories, counts, reading, wanted)
    findings.notes += [choice.note] if choice.note else []
    findings.idle += choice.idle
    people = []
    for index, record in enumerate(records):
        found = _person(record, listed, categories, choice, findings, index)
        if isinstance(found, Person):
            people.append(found)
        elif isinstance(found, Unclear):  # whether somebody is a crowd is not to be guessed
            raise InputError(f"{annotations}: record {named(record, index)}: iscrowd must be 0 or 1, not "
                             f"{printable(repr(record['iscrowd']))}")
        elif found is not None:
            findings.leave_out(found, named(record, index))
    people = _corners_apart(people, listed, findings)
    table = table_of(listed, images, people, len(choice.skeleton), reading, _ids(annotations, people, findings))
    truth = GroundTruth(table, np.array([person.crowd for person in people], bool), np.sort(listed.ids),
                        choice.skeleton.category_id)
    return Annotations(table.take(~truth.ignored), choice.skeleton, truth, findings, choice.written, listed,
                       tuple(choice.keys))


def records_of(path: Path, records: Any, key: str) -> list[dict[str, Any]]:
    """What a COCO file holds under a key, if it is a list of records, or InputError."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path} is not a COCO file: it has no list of records under {key!r}")
    return records


class Unclear:
    """A record whose flag cannot be read."""


def _person(record: Any, listed: ListedImages, categories: Categories, choice: Choice, findings: Findings, index: int
            ) -> Person | Reason | Unclear | None:
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
        return Unclear()
    keypoints, nobody = keypoints_of(record.get("keypoints"), len(choice.skeleton)), Reason.UNLABELED
    if isinstance(keypoints, Reason):
        if keypoints.is_fault and not crowd:
            return keypoints
        nobody, keypoints = keypoints, np.zeros((len(choice.skeleton), 3))
    box, area = box_of(record.get("bbox")), finite(record.get("area"))
    area = area if LEAST_AREA <= area <= LARGEST_AREA else nan
    if crowd or not keypoints[:, 2].any():
        findings.leave_out(Reason.CROWD if crowd else nobody, named(record, index))
        return None if box is None else Person(identity(record.get("id")), image, box, area, 1.0, keypoints, crowd)
    if box is None or not _holds(box, keypoints):
        box = hull(keypoints, area)
        if box is None:
            return Reason.NO_SIZE
        findings.mend(Mended.BOX, named(record, index))
    if isnan(area):
        findings.mend(Mended.AREA, named(record, index))
    return Person(identity(record.get("id")), image, box, area, 1.0, keypoints)


def keypoints_of(written: Any, count: int) -> np.ndarray | Reason:
    """[K, 3] x, y and 1 for labeled ones, from a flat or nested list; or why it is nobody's.

    Where nothing is labeled, whatever stands for the place is 0.
    """
    if written is None or written == []:
        return Reason.NO_KEYPOINTS
    values = numbers_or_nan(written)
    nested = [len(row) for row in written if isinstance(row, list)] if isinstance(written, list) else []
    if nested and nested not in ([2] * count, [3] * count):
        return Reason.WRONG_COUNT
    if len(values) == 2 * count:  # pairs alone: whatever is not at the origin is labeled
        pairs = values.reshape(count, 2)
        values = np.column_stack([pairs, np.isfinite(pairs).all(1) & pairs.any(1)]).ravel()
    if len(values) != 3 * count:
        return Reason.WRONG_COUNT
    keypoints = values.reshape(count, 3)
    labeled = keypoints[:, 2] > 0  # NaN is not
    if not np.isfinite(keypoints[labeled, :2]).all():
        return Reason.NOT_FINITE
    return np.column_stack([np.where(np.isfinite(keypoints[:, :2]), keypoints[:, :2], 0.0), labeled])


def box_of(written: Any) -> np.ndarray | None:
    """[4] x, y, width, height; a negative side is counted from the other end. None where there is no credible area."""
    box = numbers_or_nan(written)
    if box.shape != (4,) or not np.isfinite(box).all():
        return None
    if not LEAST_AREA <= abs(box[2].item() * box[3].item()) <= LARGEST_AREA:
        return None
    return np.concatenate([box[:2] + np.minimum(box[2:], 0), np.abs(box[2:])])


def _holds(box: np.ndarray, keypoints: np.ndarray) -> bool:
    """Whether a labeled one of keypoints [K, 3] is near a box: if none is, the box is another's, or in other units."""
    places, slack = keypoints[keypoints[:, 2] > 0, :2], box[2:] / 2 + _SLACK
    return bool(((places >= box[:2] - slack) & (places <= box[:2] + box[2:] + slack)).all(1).any())


def hull(keypoints: np.ndarray, area: float) -> np.ndarray | None:
    """[4] a box around the labeled ones of keypoints [K, 3], a little wider.

    Where they are all in one place it is as large as a person of this area; None if that is not known (NaN) either, or
    if they are farther apart than anybody's.
    """
    places = keypoints[keypoints[:, 2] > 0, :2]
    low, high = places.min(0), places.max(0)
    if not (np.abs(places) < LARGEST_AREA).all():
        return None
    sides = (high - low) * (1 + 2 * HULL_MARGIN)
    if sides.any():
        sides = np.maximum(sides, _THINNEST * sides.max())
        if not LEAST_AREA <= sides[0] * sides[1] <= LARGEST_AREA:
            return None
    elif isnan(area):
        return None
    else:
        sides = np.full(2, np.sqrt(area / AREA_OF_BOX))
    return np.concatenate([(low + high - sides) / 2, sides])


def _corners_apart(people: list[Person], listed: ListedImages, findings: Findings) -> list[Person]:
    """The people with boxes of x, y, width and height also where a file wrote two corners.

    It did if every box, read as corners, holds its person's keypoints, and, read as sides, half of them leave their
    images, or, of more than a few, most are much too large: no file of boxes does both.
    """
    labeled = [person for person in people if person.keypoints[:, 2].any()]
    boxes = np.array([person.box for person in labeled]).reshape(-1, 4)
    asides = boxes[:, 2:] - boxes[:, :2]
    if not labeled or not (asides > 0).all() or not all(_hold_all(person) for person in labeled):
        return people
    sizes = listed.sizes[[person.image for person in labeled]][:, ::-1]
    outside = ((boxes[:, :2] + boxes[:, 2:] > sizes + _SLACK).any(1) & sizes.all(1)).mean()
    if outside < 0.5 and (len(labeled) < _MANY or np.median((asides / boxes[:, 2:]).prod(1)) > _MUCH_TOO_LARGE):
        return people
    findings.notes.append(f"boxes are read as two corners: as x, y, width, height {outside:.0%} of them would leave "
                          "their images")
    return [dataclasses.replace(person, box=np.concatenate([person.box[:2], aside])) if (aside > 0).all() else person
            for person in people for aside in (person.box[2:] - person.box[:2],)]


def _hold_all(person: Person) -> bool:
    """Whether a person's box, read as two corners, holds all labeled keypoints."""
    places = person.keypoints[person.keypoints[:, 2] > 0, :2]
    slack = _SLACK + 0.1 * (person.box[2:] - person.box[:2])
    return bool(((places >= person.box[:2] - slack) & (places <= person.box[2:] + slack)).all())


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
    boxes = np.array([person.box for person in people]).reshape(-1, 4)
    areas = np.array([person.area for person in people], dtype=np.float64)
    keypoints = np.array([person.keypoints for person in people]).reshape(-1, keypoint_count, 3)
    return PersonTable(
        root=str(images), files=listed.files[rows], ids=ids, image_ids=listed.ids[rows], image_sizes=listed.sizes[rows],
        boxes=boxes,
        scores=np.array([person.score for person in people], dtype=np.float64),
        # COCO counts pixels: index 0 is the center of the first pixel, 0.5 in continuous coordinates.
        keypoints=keypoints[..., :2] + 0.5,
        keypoint_weights=keypoints[..., 2].astype(np.float32),
        areas=np.where(np.isnan(areas), AREA_OF_BOX * boxes[:, 2:].prod(1), areas),
        head_sizes=np.full(len(people), np.nan), frame="stored" if reading.exif == "stored" else "shown")
