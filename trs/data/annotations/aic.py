"""AI Challenger's keypoint file: a list of images, each with people named `human1`, `human2`, ...

Format: Wu et al., "Large-scale datasets for going deeper in image understanding" (AI Challenger, 2017). A keypoint's
third number is 1 for visible, 2 for hidden, 3 for not labeled. AI Challenger in COCO's layout is read by
`trs.data.annotations.coco`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.annotations import Annotations
from trs.data.annotations.fields import checked, file_name, identity, is_list_of, numbers
from trs.data.annotations.left_out import Findings, Reason
from trs.data.annotations.reading import Reading
from trs.data.person_table import AREA_OF_BOX, PersonTable, are_credible, undeclared_sizes
from trs.errors import InputError, printable
from trs.skeleton import AIC

_NOT_LABELED = 3


def is_list(content: Any) -> bool:
    """Whether this is the content of such a file."""
    return is_list_of(content, "keypoint_annotations")


def people_of(annotations: Path, content: list[dict[str, Any]], images: Path, reading: Reading) -> Annotations:
    """The labeled people in the file's content, numbered in its order.

    Raises:
        InputError: a malformed record, named.
    """
    files, image_ids, boxes, keypoints, findings = [], [], [], [], Findings(annotations.name)
    for number, image in enumerate(checked(annotations, content)):
        record = {"id": number, "file_name": f"{image.get('image_id')}.jpg"}
        boxes_by_name, points_by_name = (image.get(key) for key in ("human_annotations", "keypoint_annotations"))
        if not isinstance(boxes_by_name, dict) or not isinstance(points_by_name, dict):
            raise InputError(f"{annotations}: record {number} needs its people by name under 'human_annotations' and "
                             "'keypoint_annotations'")
        if identity(image.get("image_id")) is None:
            raise InputError(f"{annotations}: record {number} names no image under 'image_id'")
        for person in points_by_name:
            if person not in boxes_by_name:
                findings.leave_out(Reason.NO_BOX, printable(f"{number} {person}"))
        for person, box in boxes_by_name.items():
            x0, y0, x1, y1 = numbers(annotations, {"id": f"{number} {person}", "box": box}, "box", (4,))
            points = points_by_name.get(person)
            files.append(file_name(annotations, record, "file_name"))
            image_ids.append(number)
            boxes.append((x0, y0, x1 - x0, y1 - y0))
            keypoints.append(numbers(annotations, {"id": f"{number} {person}", "keypoints": points}, "keypoints",
                                     (3 * len(AIC),)))
    table = np.array(keypoints, dtype=np.float64).reshape(-1, len(AIC), 3)
    weights = (table[..., 2] != _NOT_LABELED) & (table[..., 2] > 0)
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    with np.errstate(over="ignore"):
        areas: np.ndarray = corners[:, 2:].prod(1)
    people = PersonTable(
        root=str(images), files=np.array(files, dtype=np.str_), ids=np.arange(len(files)),
        image_ids=np.array(image_ids, dtype=np.int64), image_sizes=undeclared_sizes(len(files)),
        boxes=corners, scores=np.ones(len(files)),
        # Pixel indices, as in COCO's files.
        keypoints=table[..., :2] + 0.5, keypoint_weights=weights.astype(np.float32),
        areas=AREA_OF_BOX * areas, head_sizes=np.full(len(files), np.nan),
        frame=reading.stored_frame)
    labeled = weights.any(1)
    findings.count(Reason.UNLABELED, ~labeled)
    whole = (people.boxes[:, 2:].min(1) > 0) & are_credible(areas)
    findings.count(Reason.NO_SIZE, labeled & ~whole)
    return Annotations(people.take(labeled & whole), AIC, None, findings, AIC.names)
