"""Where people are in images, by the image's file name: for images that no training knows.

From a COCO file (`images` and `annotations`) or a detector's results (a list of records with `bbox` and `score`), whose
images are named by `file_name`, or by `image_id`: the number in COCO's file names, or the name itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from trs.data.annotations.coco import box_of, records_of
from trs.data.annotations.detections import of_categories, results_of
from trs.data.annotations.fields import finite, flag, identity, named, read_json
from trs.data.annotations.images import ListedImages, list_images
from trs.data.annotations.left_out import Findings, Reason
from trs.errors import InputError, printable

FindBoxes = Callable[[str], np.ndarray]
"""Finds the boxes [N, 4] xywh in the image with this file name, or in the frame of a video with this number."""

_SLACK = 2.0
"""Pixels by which a box may leave its image."""


@dataclass(frozen=True, eq=False)
class KnownBoxes:
    """The boxes of people in a file; calling it finds those in an image, see `FindBoxes`.

    boxes: by what the file calls the image.
    findings: who was left out.
    """

    boxes: dict[str, list[np.ndarray]]
    findings: Findings

    def __len__(self) -> int:
        return sum(len(boxes) for boxes in self.boxes.values())

    def __call__(self, name: str) -> np.ndarray:
        """[N, 4] boxes in the image with this file name."""
        path = PurePosixPath(name)
        keys = (name, path.stem, _number_in(path.stem))
        found = next((self.boxes[key] for key in keys if key in self.boxes), [])
        return np.array(found, dtype=np.float64).reshape(-1, 4)


def read_boxes(path: Path, min_score: float, categories: Collection[int | str] = (1,)) -> KnownBoxes:
    """Read the boxes of people in a file.

    Args:
        path: a COCO file, or a detector's results.
        min_score: detected boxes below it are left out.
        categories: ids of the people's categories, see `trs.data.annotations.detections.of_categories`.

    Raises:
        InputError: the file is missing, holds no boxes, or a flag that cannot be read.
    """
    content, listed, findings = read_json(path), None, Findings(path.name)
    if isinstance(content, dict):
        listed = list_images(path, records_of(path, content.get("images"), "images"), findings)
        names = [PurePosixPath(file).name for file in listed.files.tolist()]
        if len(set(names)) < len(names):
            raise InputError(f"{path} has images of one name in several folders; name them apart")
    boxes: dict[str, list[np.ndarray]] = {}
    records = results_of(path)
    for index, record in of_categories(records, categories, findings):
        crowd = flag(record.get("iscrowd"))
        if crowd is None:  # as in annotations: whether somebody is a crowd is not to be guessed
            raise InputError(f"{path}: record {named(record, index)}: iscrowd must be 0 or 1, not "
                             f"{printable(repr(record['iscrowd']))}")
        box, key, score = box_of(record.get("bbox")), _image_key(record, listed), record.get("score")
        if crowd:
            findings.leave_out(Reason.CROWD, named(record, index))
        elif score is not None and not finite(score) >= min_score:
            findings.leave_out(Reason.LOW_SCORE if finite(score) < min_score else Reason.NO_SCORE, named(record, index))
        elif box is None:
            findings.leave_out(Reason.NO_BOX, named(record, index))
        elif key is None:
            findings.leave_out(Reason.UNKNOWN_IMAGE, named(record, index))
        else:
            boxes.setdefault(key, []).append(box)
    if records and not boxes:
        raise InputError(f"{path}: none of its {len(records):,} records is a box that can be used, left out: "
                         f"{findings.reasons()}")
    return KnownBoxes(boxes, findings)


def are_corners(boxes: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether boxes would all lie in their images as x1, y1, x2, y2, and half of them do not as x, y, width, height.

    Args:
        boxes: [N, 4] as they are written.
        sizes: [N, 2] height and width of the image of each.
    """
    ends = sizes[:, ::-1] + _SLACK
    fit = (boxes[:, 2:] > boxes[:, :2]).all() and (boxes[:, :2] >= -_SLACK).all() and (boxes[:, 2:] <= ends).all()
    return bool(fit and (boxes[:, :2] + boxes[:, 2:] > ends).any(1).mean() >= 0.5)


def whole_image(image: np.ndarray) -> np.ndarray:
    """[1, 4] one box around an image [H, W, 3]."""
    return np.array([[0.0, 0.0, image.shape[1], image.shape[0]]])


def _image_key(record: dict[str, Any], listed: ListedImages | None) -> str | None:
    """What the image of a record is found by: its file's name, or its number; None where that is not told."""
    if isinstance(record.get("file_name"), str):
        return PurePosixPath(record["file_name"].replace("\\", "/")).name
    if listed is not None and (row := listed.find(record.get("image_id"))) is not None and listed.files[row]:
        return PurePosixPath(str(listed.files[row]).replace("\\", "/")).name
    key = identity(record.get("image_id"))
    return None if key is None else str(key)


def _number_in(stem: str) -> str:
    """The number in COCO's file names: 139 of COCO_val2014_000000000139."""
    digits = stem.rpartition("_")[2]
    return str(int(digits)) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else ""
