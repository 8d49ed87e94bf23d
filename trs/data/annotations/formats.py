"""People from an annotation file of any known format; which one it is follows from what the file holds."""

from __future__ import annotations

from pathlib import Path

from trs.data.annotations import aic, coco, mpii
from trs.data.annotations.annotations import Annotations
from trs.data.annotations.fields import read_json
from trs.data.annotations.reading import Reading


def load_people(annotations: Path, images: Path, reading: Reading | None = None, wanted: tuple[str, ...] = ()
                ) -> Annotations:
    """Read the labeled people of COCO's, CrowdPose's or LSPET's JSON, MPII's list or .mat, or AI Challenger's JSON.

    Args:
        annotations: the file.
        images: folder of its images.
        reading: what a person says of the file.
        wanted: names of keypoints that the people must have, where a file of COCO's format has several categories.

    Raises:
        InputError: a missing, unknown or malformed file; the message names the file and the record.
    """
    reading = reading or Reading()
    if annotations.suffix == ".mat":
        return mpii.load_release(annotations, images, reading)
    content = read_json(annotations)
    if isinstance(content, list) and mpii.is_list(content):
        return mpii.people_of(annotations, content, images, reading)
    if isinstance(content, list) and aic.is_list(content):
        return aic.people_of(annotations, content, images, reading)
    return coco.people_of(annotations, content, images, reading, wanted)
