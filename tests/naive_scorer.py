"""OKS-AP, PCK and PCKh as their definitions read, written as plainly as that goes: what every faster scorer must equal.

It takes the lists of dicts that COCO's files hold, and shares nothing with the library that it checks, nor with COCO's
own tools.

Definitions: https://cocodataset.org/#keypoints-eval and the reference implementation (cocodataset/cocoapi,
PythonAPI/pycocotools/cocoeval.py) for OKS-AP; Yang and Ramanan, "Articulated human detection with flexible mixtures of
parts" (PAMI 2013) for PCK; MPII's evaluation, as HRNet's `mpii.py` has it, for PCKh.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Record = Mapping[str, Any]
Numbers = dict[str, float | None]

# COCO draws its thresholds with linspace; 35 * 0.01 is a little more than 0.35, and a recall of 7 / 20 falls short.
OKS_THRESHOLDS = [float(threshold) for threshold in np.linspace(0.5, 0.95, 10)]
RECALL_THRESHOLDS = [float(threshold) for threshold in np.linspace(0, 1, 101)]
AREAS = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
POSES_PER_IMAGE = 20
EPSILON = sys.float_info.epsilon
"""What COCO adds to an area."""

PCK_OF_LONGER_SIDE, PCKH_OF_HEAD, HEAD_OF_DIAGONAL = 0.2, 0.5, 0.6
UNCOUNTED_JOINTS = ("pelvis", "thorax")
MPII_GROUPS = {
    "head": ["head_top"], "shoulder": ["left_shoulder", "right_shoulder"], "elbow": ["left_elbow", "right_elbow"],
    "wrist": ["left_wrist", "right_wrist"], "hip": ["left_hip", "right_hip"], "knee": ["left_knee", "right_knee"],
    "ankle": ["left_ankle", "right_ankle"]}


def coco_numbers(annotations: Sequence[Record], results: Sequence[Record], sigmas: Sequence[float],
                 image_ids: Sequence[int]) -> Numbers:
    """COCO's ten keypoint numbers; None where there is nobody to find.

    All annotations and results are of one kind, whatever their category. Images count in the order of their ids, the
    records of an image in the order of their lists: this decides between equal scores.
    """
    aps: dict[str, list[float | None]] = {}
    ars: dict[str, list[float | None]] = {}
    similarities = [similarities_in(annotations, results, sigmas, image_id) for image_id in sorted(set(image_ids))]
    for area in AREAS:
        images = [image_for(found, area) for found in similarities]
        curves = [curve(images, threshold) for threshold in OKS_THRESHOLDS]
        aps[area] = [found.average_precision for found in curves]
        ars[area] = [found.recall for found in curves]
    at_50, at_75 = OKS_THRESHOLDS.index(0.5), OKS_THRESHOLDS.index(0.75)
    return {"ap": mean(aps["all"]), "ap50": aps["all"][at_50], "ap75": aps["all"][at_75],
            "ap_medium": mean(aps["medium"]), "ap_large": mean(aps["large"]),
            "ar": mean(ars["all"]), "ar50": ars["all"][at_50], "ar75": ars["all"][at_75],
            "ar_medium": mean(ars["medium"]), "ar_large": mean(ars["large"])}


@dataclass(frozen=True)
class Similarities:
    """The people of an image, its best poses with the best first, and values[pose][person]."""

    people: list[Record]
    poses: list[Record]
    values: list[list[float]]


@dataclass(frozen=True)
class Image:
    """An image under one range of areas.

    crowd, ignored: of its people, in the order of the list.
    counts: of its poses, whether they are a mistake if they find nobody.
    """

    crowd: list[bool]
    ignored: list[bool]
    scores: list[float]
    counts: list[bool]
    similarities: list[list[float]]


@dataclass(frozen=True)
class Curve:
    """Precision over recall, as one number, and the recall at its end; None where there is nobody to find."""

    average_precision: float | None
    recall: float | None


def similarities_in(annotations: Sequence[Record], results: Sequence[Record], sigmas: Sequence[float], image_id: int
                    ) -> Similarities:
    people = [person for person in annotations if person["image_id"] == image_id]
    poses = [pose for pose in results if pose["image_id"] == image_id]
    best = best_first(poses, [pose["score"] for pose in poses])[:POSES_PER_IMAGE]
    return Similarities(people, best, [[object_keypoint_similarity(person, pose, sigmas) for person in people]
                                       for pose in best])


def image_for(found: Similarities, area: str) -> Image:
    return Image([bool(person["iscrowd"]) for person in found.people],
                 [bool(person["iscrowd"]) or not is_anything_labeled(person) or not is_of(area, person["area"])
                  for person in found.people],
                 [pose["score"] for pose in found.poses], [is_of(area, extent(pose)) for pose in found.poses],
                 found.values)


def object_keypoint_similarity(person: Record, pose: Record, sigmas: Sequence[float]) -> float:
    """The mean over the labeled keypoints of exp(-d^2 / (2 s^2 k^2)), where s^2 is the area and k is twice sigma.

    A person without labeled keypoints is as far away as its box, with the box's own size added on every side.
    """
    labels, points = points_of(person), points_of(pose)
    anything_labeled = is_anything_labeled(person)
    similarities: list[float] = []
    for (x, y, visibility), (pose_x, pose_y, _), sigma in zip(labels, points, sigmas, strict=True):
        if anything_labeled and visibility > 0:
            squared = (pose_x - x) ** 2 + (pose_y - y) ** 2
        elif anything_labeled:
            continue
        else:
            left, top, width, height = person["bbox"]
            squared = (outside(pose_x, left - width, left + 2 * width) ** 2
                       + outside(pose_y, top - height, top + 2 * height) ** 2)
        similarities.append(keypoint_similarity(squared, person["area"], sigma))
    return sum(similarities) / len(similarities)


def keypoint_similarity(squared: float, area: float, sigma: float) -> float:
    return math.exp(-squared / (2 * (area + EPSILON) * (2 * sigma) ** 2))


def curve(images: Sequence[Image], threshold: float) -> Curve:
    """What the poses find at an OKS of `threshold`."""
    to_find = sum(not ignored for image in images for ignored in image.ignored)
    if to_find == 0:
        return Curve(None, None)
    outcomes = [outcome for image in images for outcome in outcomes_of(image, threshold)]
    right, precisions, recalls = 0, [], []
    for number, is_right in enumerate(best_first([is_right for _, is_right in outcomes],
                                                 [score for score, _ in outcomes]), 1):
        right += is_right
        precisions.append(right / number)
        recalls.append(right / to_find)
    # The precision at a recall is the best that is reached there or later; it is 0 at a recall that is never reached.
    best_from = [max(precisions[start:]) for start in range(len(precisions))]
    at_recalls = [next((precision for precision, recall in zip(best_from, recalls, strict=True) if recall >= wanted),
                       0.0) for wanted in RECALL_THRESHOLDS]
    return Curve(sum(at_recalls) / len(at_recalls), recalls[-1] if recalls else 0.0)


def outcomes_of(image: Image, threshold: float) -> list[tuple[float, bool]]:
    """The score of each pose that counts, and whether it has found somebody.

    The best pose chooses first: among the people to find the most similar one who is free, the later of two who are
    equally similar. Who finds nobody there may take an ignored person, and then does not count; a crowd is never used
    up. Nor does a pose count that has found nobody and is itself of another size.
    """
    outcomes: list[tuple[float, bool]] = []
    taken: set[int] = set()
    for score, counts, similarity in zip(image.scores, image.counts, image.similarities, strict=True):
        near = [index for index, value in enumerate(similarity)
                if value >= threshold and (index not in taken or image.crowd[index])]
        to_find = [index for index in near if not image.ignored[index]]
        if to_find:
            taken.add(max(to_find, key=lambda index: (similarity[index], index)))
            outcomes.append((score, True))
        elif near:
            taken.add(max(near, key=lambda index: (similarity[index], index)))
        elif counts:
            outcomes.append((score, False))
    return outcomes


def is_of(area: str, size: float) -> bool:
    low, high = AREAS[area]
    return not (size < low or size > high)


def extent(pose: Record) -> float:
    """A pose's area: of its box, or, without one, of the rectangle around all of its keypoints."""
    if pose.get("bbox"):
        return pose["bbox"][2] * pose["bbox"][3]
    xs, ys = [x for x, _, _ in points_of(pose)], [y for _, y, _ in points_of(pose)]
    return (max(xs) - min(xs)) * (max(ys) - min(ys))


def pck(people: Sequence[Record], poses: Mapping[int, Sequence[float]]) -> float | None:
    """The share of all labeled keypoints that lie within 0.2 of the box's longer side.

    Args:
        people: COCO's annotations.
        poses: flat x, y, confidence by the annotation's id; who has none has found nothing.
    """
    found = [is_close for person in people
             for _, is_close in closeness(person, poses, PCK_OF_LONGER_SIDE * max(person["bbox"][2:]))]
    return mean(found)


def pckh(people: Sequence[Record], poses: Mapping[int, Sequence[float]], names: Sequence[str]) -> Numbers:
    """`pckh` and `GROUP_pckh`: labeled keypoints within half a head size; a group is the mean of its joints' shares.

    A group has none if nobody has one of its joints labeled. Pelvis and thorax do not count in the total. The head size
    is 0.6 of the diagonal of the head's box; people whose head's box is not known do not count.

    Args:
        people: annotations that have a `head_box` too, x and y of two corners, or None.
        poses: flat x, y, confidence by the annotation's id; who has none has found nothing.
        names: of the keypoints.
    """
    by_joint: dict[str, list[bool]] = {name: [] for name in names}
    for person in people:
        if person["head_box"] is not None:
            x1, y1, x2, y2 = person["head_box"]
            head_size = HEAD_OF_DIAGONAL * math.hypot(x2 - x1, y2 - y1)
            for index, is_close in closeness(person, poses, PCKH_OF_HEAD * head_size):
                by_joint[names[index]].append(is_close)
    counted = [is_close for name, found in by_joint.items() if name not in UNCOUNTED_JOINTS for is_close in found]
    groups = {f"{group}_pckh": mean([mean(by_joint[name]) for name in joints])
              for group, joints in MPII_GROUPS.items() if all(name in names for name in joints)}
    return {"pckh": mean(counted), **groups}


def keypoint_scores(people: Sequence[Record], poses: Mapping[int, Sequence[float]], sigmas: Sequence[float]
                    ) -> list[float | None]:
    """For each keypoint the share of the people who have it labeled in whose pose it is right.

    It is right if its similarity reaches a threshold; the score is a mean over COCO's ten thresholds.
    """
    right: list[list[float]] = [[] for _ in sigmas]
    for person in people:
        for index, (x, y, visibility) in enumerate(points_of(person)):
            if visibility > 0 and person["id"] in poses:
                pose_x, pose_y, _ = poses[person["id"]][3 * index:3 * index + 3]
                similarity = keypoint_similarity((pose_x - x) ** 2 + (pose_y - y) ** 2, person["area"], sigmas[index])
                right[index].append(sum(similarity >= threshold for threshold in OKS_THRESHOLDS) / len(OKS_THRESHOLDS))
            elif visibility > 0:
                right[index].append(0.0)
    return [mean(found) for found in right]


def closeness(person: Record, poses: Mapping[int, Sequence[float]], length: float) -> list[tuple[int, bool]]:
    """The index of each labeled keypoint, and whether the pose has it within this length."""
    found = []
    for index, (x, y, visibility) in enumerate(points_of(person)):
        if visibility > 0:
            pose = poses.get(person["id"])
            found.append((index, pose is not None
                          and math.hypot(pose[3 * index] - x, pose[3 * index + 1] - y) <= length))
    return found


def points_of(record: Record) -> list[tuple[float, float, float]]:
    flat = record["keypoints"]
    return [(flat[start], flat[start + 1], flat[start + 2]) for start in range(0, len(flat), 3)]


def is_anything_labeled(person: Record) -> bool:
    return any(visibility > 0 for _, _, visibility in points_of(person))


def outside(value: float, low: float, high: float) -> float:
    """How far a value lies outside of a range."""
    return max(0, low - value) + max(0, value - high)


def best_first(things: Sequence[Any], scores: Sequence[float]) -> list[Any]:
    """Sorted by score, the highest first; equal scores stay in their order."""
    return [things[index] for index in sorted(range(len(things)), key=lambda index: -scores[index])]


def mean(values: Sequence[float | None]) -> float | None:
    """None if one of them is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
