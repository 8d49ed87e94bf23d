"""What a detector or another tool has found in the images of a dataset: boxes, and poses.

Format: COCO's results, https://cocodataset.org/#format-results.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.coco import Person, box_of, records_of, table_of
from trs.data.annotations.fields import Identity, finite, identity, named, numbers_or_nan, read_json
from trs.data.annotations.images import ListedImages, list_images
from trs.data.annotations.keypoints import is_list_of_points
from trs.data.annotations.left_out import Findings, Reason
from trs.data.annotations.reading import Reading
from trs.data.person_table import PersonTable
from trs.errors import InputError, printable

_EXAMPLES = 5


def load_detections(image_list: Path, detections: Path, images: Path, keypoint_count: int, min_score: float,
                    categories: Collection[int | str] = (1,), reading: Reading | None = None
                    ) -> tuple[PersonTable, Findings]:
    """Read detected people, none of whose K keypoints is labeled.

    Args:
        image_list: COCO file with the key `images`.
        detections: a list of image_id, category_id, bbox, score.
        images: folder of the images.
        keypoint_count: K of the table.
        min_score: boxes below this score are left out.
        categories: ids of the people's categories, see `of_categories`.
        reading: what a person says of the list of images.

    Returns: the table, and who was left out.

    Raises:
        InputError: a missing file, or one that holds something else.
    """
    findings = Findings(detections.name)
    content = read_json(image_list)
    images_listed = content.get("images") if isinstance(content, dict) else None
    listed = list_images(image_list, records_of(image_list, images_listed, "images"), findings)
    unlabeled, people, records = np.zeros((keypoint_count, 3)), [], results_of(detections)
    find = listed.finder(records, findings)
    for index, record in of_categories(records, categories, findings):
        score, box, image = finite(record.get("score")), box_of(record.get("bbox")), find(record)
        if not score >= min_score:
            findings.leave_out(Reason.LOW_SCORE if score < min_score else Reason.NO_SCORE, named(record, index))
        elif box is None:
            findings.leave_out(Reason.NO_BOX, named(record, index))
        elif image is None:
            findings.leave_out(Reason.UNKNOWN_IMAGE, named(record, index))
        else:
            people.append(Person(index, image, box, nan, score, unlabeled))
    ids = np.array([person.id for person in people], dtype=np.int64)
    return table_of(listed, images, people, keypoint_count, reading or Reading(), ids), findings


def results_of(path: Path) -> list[Any]:
    """The records of a file of results, or of a whole file in COCO's format.

    Raises:
        InputError: it is missing, or holds something else.
    """
    content = read_json(path)
    records = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(records, list):
        raise InputError(f"{path} must hold a list of records in COCO's result format")
    return records


def of_categories(records: list[Any], categories: Collection[int | str], findings: Findings
                  ) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of these categories, each with its place; of one category in all, those, whatever its id is.

    Detectors count their categories in ways of their own: from 0, from 1, by names, in capitals or not.
    """
    wanted: set[Identity | None] = {None, *map(_called, categories)}
    there = {_called(record.get("category_id")) for record in records if isinstance(record, dict)} - {None}
    if len(there) == 1:
        wanted |= there
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            findings.leave_out(Reason.NO_RECORD, named(record, index))
        elif _called(record.get("category_id")) not in wanted:
            findings.leave_out(Reason.OTHER_CATEGORY, named(record, index))
        else:
            yield index, record


def _called(category: Any) -> Identity | None:
    key = identity(category)
    return key.casefold() if isinstance(key, str) else key


def load_poses(path: Path, listed: ListedImages, categories: Collection[int | str], keypoint_count: int,
               findings: Findings, notes: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Read poses that any tool has predicted, to be scored.

    Poses that are not finite, or of other images, are counted, and score nothing.

    Args:
        path: a file in COCO's result format.
        listed: the images of the annotation file.
        categories: ids of the categories whose people are scored, and their names.
        keypoint_count: K of each pose.
        findings: of the file.
        notes: sentences on the annotation file, which may tell why no pose is one of its people's.

    Returns: records of COCO's result format with the image's id as `listed` has it.

    Raises:
        InputError: the file is missing, or holds no pose of these images and keypoints.
    """
    records, poses, unscored = results_of(path), list[dict[str, Any]](), 0
    find = listed.finder(records, findings)
    for index, record in of_categories(records, categories, findings):
        image, keypoints = find(record), _pose(record.get("keypoints"), keypoint_count)
        score = finite(record.get("score", 1.0))
        unscored += "score" not in record
        if image is None:
            findings.leave_out(Reason.UNKNOWN_IMAGE, named(record, index))
        elif isinstance(keypoints, Reason):
            findings.leave_out(keypoints, named(record, index))
        elif score != score:
            findings.leave_out(Reason.NO_SCORE, named(record, index))
        else:
            poses.append({"image_id": listed.ids[image].item(), "score": score, "keypoints": keypoints.tolist()})
    if unscored:
        findings.notes.append(f"{unscored:,} of {len(records):,} poses have no score, which counts as 1")
    if records and not poses:
        said = [findings.reasons(), *_expected(records, categories, keypoint_count, findings), *notes]
        raise InputError(f"{path}: none of its {len(records):,} records is a pose that can be scored, left out: "
                         f"{'; '.join(said)}")
    return poses


def _expected(records: list[Any], categories: Collection[int | str], keypoint_count: int, findings: Findings
              ) -> Iterator[str]:
    """What the poses that are left out should be, and what they are."""
    there = [record for record in records if isinstance(record, dict)]
    if Reason.OTHER_CATEGORY in findings.left_out:
        found = (record["category_id"] for record in there if record.get("category_id") is not None)
        yield f"the category that is scored is called {_listed(categories)}, those found {_listed(found)}"
    if Reason.WRONG_COUNT in findings.left_out:
        numbers = (len(numbers_or_nan(record.get("keypoints"))) for record in there)
        yield f"the category has {keypoint_count} keypoints, the records hold lists of {_listed(numbers)} numbers"


def _listed(values: Iterable[Any]) -> str:
    """Values of a file, each once, not endless."""
    found = list(dict.fromkeys(printable(str(value)) for value in values))
    return ", ".join(found[:_EXAMPLES]) + (", ..." if len(found) > _EXAMPLES else "")


def _pose(written: Any, count: int) -> np.ndarray | Reason:
    """[3K] x, y and whatever stands behind them, all places finite; or why it is no pose."""
    if not written:
        return Reason.NO_KEYPOINTS
    values = numbers_or_nan(written)
    if not is_list_of_points(written, count):
        return Reason.WRONG_COUNT
    if len(values) == 2 * count and isinstance(written[0], list):
        values = np.column_stack([values.reshape(count, 2), np.ones(count)]).ravel()
    if len(values) != 3 * count:
        return Reason.WRONG_COUNT
    pose = values.reshape(count, 3)
    if not np.isfinite(pose[:, :2]).all():
        return Reason.NOT_FINITE
    return np.asarray(np.nan_to_num(values))
