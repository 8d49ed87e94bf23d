"""People from an annotation file of any known format, told by what the file holds."""

from __future__ import annotations

from pathlib import Path

from trs.data.annotations import aic, coco, mpii
from trs.data.annotations.fields import read_json
from trs.data.person_table import PersonTable
from trs.skeleton import Skeleton


def load_people(annotations: Path, images: Path) -> tuple[PersonTable, Skeleton]:
    """The labelled people of COCO's, CrowdPose's or LSPET's JSON, MPII's list or .mat, or AI Challenger's JSON.

    Args:
        annotations: the file.
        images: folder of its pictures.

    Raises:
        InputError: a missing, unknown or malformed file; the message names the file and the record.
    """
    if annotations.suffix == ".mat":
        return mpii.load_release(annotations, images)
    content = read_json(annotations)
    for reads, people_of in ((mpii.is_list, mpii.people_of), (aic.is_list, aic.people_of)):
        if reads(content):
            return people_of(annotations, content, images)
    return coco.people_of(annotations, content, images)


def is_coco(annotations: Path) -> bool:
    """Whether an annotation file that `load_people` has read is of COCO's format, which OKS-AP is measured on."""
    if annotations.suffix == ".mat":
        return False
    with annotations.open() as file:  # the other formats are lists
        return file.read(64).lstrip().startswith("{")
