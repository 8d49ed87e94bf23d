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
from trs.data.annotations.keypoints import keypoints_of
from trs.data.annotations.left_out import Findings, Mended, Reason
from trs.data.annotations.reading import Reading
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import AREA_OF_BOX, LARGEST_AREA, LEAST_AREA, PersonTable
from trs.errors import InputError, printable

HULL_MARGIN = 0.12
"""A box that stands in is the hull of the labeled keypoints, widened by this share of it on each side: COCO's boxes are
1.5 times the hulls (median of 110 people of val2017 with ten keypoints or more)."""
_SLACK = 2.0
"""Pixels by which a keypoint or a box may leave where it belongs."""
_MOST, _MANY, _MUCH_TOO_LARGE = 0.9, 5, 0.7
_FAR_OUT, _SOME = 0.1, 0.25
"""By this share of an image boxes leave it that were not drawn over its edge; so many of a file's are no slip."""
_SPARSEST, _FULLEST = 0.005, 20.0
"""Areas lie between these shares of their boxes; COCO's between 0.03 and 0.95."""
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
    crowd: whether the record is a crowd.
    boxed: whether the box is the record's own.
    place: of the record in its file.
    """

    id: Identity | None
    image: int
    box: np.ndarray
    area: float
    score: float
    keypoints: np.ndarray
    crowd: bool = False
    boxed: bool = True
    place: int = 0


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
    people, nowhere = [], 0
    for index, record in enumerate(records):
        found = _person(record, listed, categories, choice, findings, index)
        if isinstance(found, Person):
            people.append(found)
        elif isinstance(found, Unclear):  # whether somebody is a crowd is not to be guessed
            raise InputError(f"{annotations}: record {named(record, index)}: iscrowd must be 0 or 1, not "
                             f"{printable(repr(record['iscrowd']))}")
        elif found is None:
            nowhere += 1
        else:
            findings.leave_out(found, named(record, index))
            # Whoever is there and cannot be read is nobody to find, and a pose on him is no mistake.
            people += [] if not found.is_fault else _region(record, listed, len(choice.skeleton))
    if nowhere:
        findings.notes.append(f"{nowhere:,} of those left out have no box: a pose on them counts as wrong")
    _require_pixels(annotations, people)
    people, estimated = _with_areas(_corners_apart(people, listed, findings))
    for place in estimated:
        findings.mend(Mended.AREA, named(records[place], place))
    table = table_of(listed, images, people, len(choice.skeleton), reading, _ids(annotations, people, findings))
    truth = GroundTruth(table, np.array([person.crowd for person in people], bool), np.sort(listed.ids),
                        choice.skeleton.category_id)
    return Annotations(table.take(~truth.ignored), choice.skeleton, truth, findings, choice.written, listed,
                       categories.called(choice.keys))


def _region(record: Any, listed: ListedImages, count: int) -> list[Person]:
    """Where a record lies whose keypoints cannot be used, if that can be told."""
    image = listed.find(record.get("image_id")) if isinstance(record, dict) else None
    box = box_of(record.get("bbox")) if image is not None else None
    return [] if image is None or box is None else [
        Person(identity(record.get("id")), image, box, nan, 1.0, np.zeros((count, 3)))]


def records_of(path: Path, records: Any, key: str) -> list[dict[str, Any]]:
    """What a COCO file holds under a key, if it is a list of records, or InputError."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path} is not a COCO file: it has no list of records under {key!r}")
    return records


def _require_pixels(path: Path, people: list[Person]) -> None:
    """Raises InputError if all labeled keypoints lie in one pixel: as shares of the image they would be nobody's."""
    places = [person.keypoints[person.keypoints[:, 2] > 0, :2] for person in people]
    all_of_them = np.concatenate([*places, np.zeros((0, 2))])
    if len(all_of_them) > 1 and (np.abs(all_of_them) <= 1).all() and np.ptp(all_of_them, axis=0).any():
        raise InputError(f"{path}: the keypoints are shares of their images, not pixels: multiply them by width and "
                         "height")


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
    boxed = box is not None and _holds(box, keypoints)
    if crowd or not keypoints[:, 2].any():
        findings.leave_out(Reason.CROWD if crowd else nobody, named(record, index))
        return None if box is None else Person(identity(record.get("id")), image, box, area, 1.0, keypoints, crowd)
    if box is None or not boxed:
        box = hull(keypoints, area)
        if box is None:
            return Reason.NO_SIZE
        findings.mend(Mended.BOX, named(record, index))
    return Person(identity(record.get("id")), image, box, area, 1.0, keypoints, boxed=boxed, place=index)


def _with_areas(people: list[Person]) -> tuple[list[Person], list[int]]:
    """The people with areas that may be theirs: in other units, or as shares of the images, they would make every pose
    wrong, or right. A file of more than a few has such areas throughout or not at all.

    Returns: with NaN for an area that is none, and the places of these people's records.
    """
    labeled = [person for person in people if person.keypoints[:, 2].any()]
    shares = np.array([person.area / max(person.box[2:].prod(), 0.0 if box is None else box[2:].prod())
              for person in labeled if not isnan(person.area) for box in (hull(person.keypoints, nan),)])
    believed = len(shares) < _MANY or ((shares >= _SPARSEST) & (shares <= _FULLEST)).mean() > 1 - _MOST
    found, estimated = [], []
    for person in people:
        if person.keypoints[:, 2].any() and (isnan(person.area) or not believed):
            estimated.append(person.place)
            person = dataclasses.replace(person, area=nan)
        found.append(person)
    return found, estimated


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

    It did if the boxes, read as corners, lie in their images and hold their people's keypoints, and, read as sides,
    half of them leave their images, or, of more than a few, most are much too large: no file of boxes does both.

    Raises:
        InputError: only some of the boxes are corners.
    """
    labeled = [person for person in people if person.keypoints[:, 2].any() and person.boxed]
    boxes = np.array([person.box for person in labeled]).reshape(-1, 4)
    asides = boxes[:, 2:] - boxes[:, :2]
    if not labeled:
        return people
    sizes = listed.sizes[[person.image for person in labeled]][:, ::-1]
    inside = (boxes[:, :2] >= -_SLACK).all(1) & ((boxes[:, 2:] <= sizes + _SLACK) | (sizes == 0)).all(1)
    hold = inside & (asides > 0).all(1) & [_hold_all(person) for person in labeled]
    over = np.where(sizes > 0, boxes[:, :2] + boxes[:, 2:] - sizes, 0.0)
    outside = (over > _SLACK).any(1).mean()
    large = len(labeled) >= _MANY and np.median((asides / boxes[:, 2:]).prod(1)) <= _MUCH_TOO_LARGE
    if hold.mean() < _MOST or (outside < 0.5 and not large):
        corners = (hold & (over > _FAR_OUT * sizes).any(1)).mean()
        if corners > _SOME:
            raise InputError(f"{findings.file}: {corners:.0%} of the boxes can only be two corners, and the others are "
                             "x, y, width and height: write all of them in one way")
        return people
    findings.notes.append(f"boxes are read as two corners: as x, y, width, height {outside:.0%} of them would leave "
                          "their images")
    return [dataclasses.replace(person, box=np.concatenate([person.box[:2], aside]))
            if person.boxed and (aside > 0).all() else person
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
