"""What is read from an annotation file, whatever its format."""

from __future__ import annotations

from typing import NamedTuple

from trs.data.annotations.images import ListedImages
from trs.data.annotations.left_out import Findings
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import PersonTable
from trs.skeleton import Skeleton


class Annotations(NamedTuple):
    """What an annotation file holds.

    people: those with a box and a labeled keypoint.
    skeleton: of their keypoints.
    truth: what poses are scored against; None where the file is not of COCO's format, which OKS-AP is measured on.
    findings: who is left out, and what was put right.
    written: the keypoints' names as the file writes them.
    images: that the file lists; None where it is not of COCO's format.
    categories: ids of those whose people these are, and their names, which other files may call them by.
    """

    people: PersonTable
    skeleton: Skeleton
    truth: GroundTruth | None
    findings: Findings
    written: tuple[str, ...]
    images: ListedImages | None = None
    categories: tuple[int | str, ...] = (1,)
