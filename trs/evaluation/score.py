"""Poses of any tool, scored on a file of labels: the way that a training's own poses go."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trs.data.annotations.detections import load_poses
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Findings
from trs.data.annotations.reading import Reading
from trs.errors import InputError
from trs.evaluation.coco_eval import Numbers, coco_numbers
from trs.evaluation.protocol import sigmas_from
from trs.evaluation.self_check import require_perfect_labels

_MOST_LEFT_OUT = 0.5
"""Share of the labeled people, as a training allows it by default: the score of fewer is none of the file's."""
_MOST_DETECTIONS = 1_000_000
"""More poses than any tool finds in an image; arrays of so many indices fit into memory."""


class Scored(NamedTuple):
    """COCO's ten numbers, what they are, and what was left out of either file."""

    numbers: Numbers
    protocol: str
    notes: list[str]


def score_file(annotations: Path, results: Path, reading: Reading, max_detections: int) -> Scored:
    """Score a file of results.

    Args:
        annotations: labels in COCO's format.
        results: poses in COCO's result format.
        reading: what a person says of the labels.
        max_detections: poses of an image that count.

    Raises:
        InputError: a file that cannot be read, or that holds nothing to score.
    """
    if not 1 <= max_detections <= _MOST_DETECTIONS:
        raise InputError(f"from 1 to {_MOST_DETECTIONS} poses of an image must count, not {max_detections}")
    read = load_people(annotations, annotations.parent, reading)
    if read.truth is None or read.images is None:
        raise InputError(f"{annotations} is not a COCO file: OKS-AP needs the ids of its images")
    if not len(read.people):
        said = "".join(f"; {sentence}" for sentence in read.findings.sentences())
        raise InputError(f"{annotations} holds nobody to score: no person with a labeled keypoint and a box"
                         f"{said}")
    read.findings.require_few_faults(len(read.people), _MOST_LEFT_OUT, "half")
    sigmas, findings = read.skeleton.sigmas, Findings(results.name)
    require_perfect_labels(read.truth, sigmas, annotations.name)
    poses = load_poses(results, read.images, read.categories, len(read.skeleton), findings, read.findings.line())
    numbers = coco_numbers(read.truth, poses, sigmas, max_detections)
    protocol = (f"COCO OKS-AP of {len(poses):,} poses on {len(read.people):,} labeled people in "
                f"{len(read.truth.image_ids):,} images, the best {max_detections} poses of an image, OKS "
                f"sigmas: {sigmas_from(read.skeleton)}")
    return Scored(numbers, protocol, [*read.findings.line(), *findings.line()])
