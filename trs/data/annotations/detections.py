"""People that a detector found in the images of a dataset, as a table.

Format: COCO's results, https://cocodataset.org/#format-results.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trs.data.annotations.coco import Person, by_id, records_of, table_of
from trs.data.annotations.fields import number, numbers, read_json
from trs.data.person_table import AREA_OF_BOX, PersonTable
from trs.errors import InputError


def load_detections(image_list: Path, detections: Path, images: Path, keypoint_count: int,
                    min_score: float) -> PersonTable:
    """Read detected people, none of whose K keypoints is labeled.

    Args:
        image_list: COCO file with the key `images`.
        detections: a list of image_id, category_id, bbox, score.
        images: folder of the images.
        keypoint_count: K of the table.
        min_score: boxes below this score are left out.

    Raises:
        InputError: a missing or malformed file; the message names the file and the record.
    """
    images_by_id = by_id(image_list, records_of(image_list, read_json(image_list), "images"))
    content = read_json(detections)
    if not isinstance(content, list):
        raise InputError(f"{detections} must hold a list of detections in COCO's result format")
    unlabeled, people = np.zeros((keypoint_count, 3)), []
    for index, record in enumerate(record for record in content if record.get("category_id", 1) == 1):
        score = number(detections, record, "score")
        if score >= min_score:
            box = numbers(detections, record, "bbox", (4,))
            if min(box[2:]) > 0:
                people.append(Person(record, index, box, AREA_OF_BOX * box[2] * box[3], score, unlabeled))
    return table_of(detections, images, images_by_id, people, keypoint_count)
