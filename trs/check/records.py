"""Problems of an annotation file: damaged records, boxes and keypoints that cannot be where they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trs.check.report import EXAMPLES, Problem
from trs.data.annotations.left_out import Findings, Reason
from trs.data.person_table import PersonTable

_SLACK = 0.1
"""Share of its own side by which a box may leave its image: annotators and detectors draw a little over the edge."""

_HULL = 3.0
"""Pixels between a hull and its keypoints, rounded and counted in either convention."""
_REMEDIES = {
    Reason.NO_RECORD: "delete them", Reason.UNDECLARED_CATEGORY: "declare the category, or delete them",
    Reason.UNKNOWN_IMAGE: "list the image, or delete them",
    Reason.WRONG_COUNT: "export them again with all keypoints of the category",
    Reason.NOT_FINITE: "set their visibility to 0 where there is no place",
    Reason.UNCLEAR: "write 0, 1 or 2 behind x and y",
    Reason.NO_SIZE: "draw a box around them", Reason.NO_BOX: "delete them", Reason.NO_SCORE: "give them a score"}


def damaged(findings: Findings) -> Iterator[Problem]:
    """Records that are left out for a fault or put right, and what the file leaves open."""
    for reason, count in findings.left_out.items():
        if reason.is_fault:
            yield Problem(findings.file, f"{count:,} records are left out: {reason.value}", count,
                          tuple(findings.examples[reason]), _REMEDIES[reason])
    for what, count in findings.mended.items():
        yield Problem(findings.file, what.value, count, tuple(findings.examples[what]), "give them in the file")
    for note in findings.notes:
        yield Problem(findings.file, note, 1, (), "see whether it is meant so")
    if findings.idle:
        yield Problem(findings.file, "categories with keypoints have no people", len(findings.idle),
                      tuple(findings.idle[:EXAMPLES]), "none, if it is meant so")


def stray_boxes(file: str, people: PersonTable) -> Iterator[Problem]:
    """Boxes that leave their images: corners taken for sides, other units, or another image's."""
    sizes = people.image_sizes[:, ::-1]
    slack = _SLACK * people.boxes[:, 2:] + 1
    low, high = people.boxes[:, :2] + slack, people.boxes[:, :2] + people.boxes[:, 2:] - slack
    leave: np.ndarray = ((low < 0) | (high > sizes)).any(1) & sizes.all(1)
    if np.any(leave):
        yield _of_people(file, "boxes leave their images", people, leave, "write them as x, y, width, height in pixels")


def stray_keypoints(file: str, people: PersonTable) -> Iterator[Problem]:
    """Labels beside their images, and boxes around points that are not there."""
    sizes, labeled = people.image_sizes[:, None, ::-1], people.keypoint_weights > 0
    beside: np.ndarray = ((people.keypoints < 0) | (people.keypoints > sizes)).any(2) & labeled & sizes.all(2)
    if beside.any():
        yield _of_people(file, "people have labeled keypoints outside of their images", people, np.any(beside, axis=1),
                         "mend the labels, or set their visibility to 0")
    nearest, furthest = (limit(np.where(labeled[..., None], people.keypoints, none), axis=1)
                         for limit, none in ((np.min, np.inf), (np.max, -np.inf)))
    ends_there = (np.abs(people.boxes[:, :2] + people.boxes[:, 2:] - furthest) <= _HULL).all(1)
    elsewhere = (nearest > 0.25 * people.boxes[:, 2:]).all(1) & ~labeled.all(1)
    far = np.array((people.boxes[:, :2] <= 1).all(1) & elsewhere & ends_there)
    if far.any():
        yield _of_people(file, "boxes reach from the origin to a person who is elsewhere: hulls of points that are not "
                         "there", people, far, "leave the boxes out, the keypoints' hull will stand in")


def _of_people(file: str, problem: str, people: PersonTable, which: np.ndarray, remedy: str) -> Problem:
    count = int(which.sum())
    return Problem(file, f"{count:,} {problem}", count, tuple(map(str, people.ids[which][:EXAMPLES].tolist())), remedy)
