"""Small random ground truths and results with all that a scorer may stumble over, one for each seed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.naive_scorer import Numbers, coco_numbers

COCO_SIGMAS = {"nose": 0.026, "left_eye": 0.025, "right_eye": 0.025, "left_ear": 0.035, "right_ear": 0.035,
               "left_shoulder": 0.079, "right_shoulder": 0.079, "left_elbow": 0.072, "right_elbow": 0.072,
               "left_wrist": 0.062, "right_wrist": 0.062, "left_hip": 0.107, "right_hip": 0.107, "left_knee": 0.087,
               "right_knee": 0.087, "left_ankle": 0.089, "right_ankle": 0.089}
"""COCO's keypoints and their sigmas (https://cocodataset.org/#keypoints-eval)."""
CASES = 1000
BORDERS = (32.0**2, 96.0**2, 1e10)
FAR = 1e5
"""Pixels after which a keypoint is worth exactly nothing."""


@dataclass(frozen=True)
class Case:
    """A ground truth in COCO's format, results, and what of them counts.

    categories: ids of those whose people count; all have the same keypoints.
    image_ids: of the images that count.
    """

    seed: int
    names: tuple[str, ...]
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    results: list[dict[str, Any]]
    image_ids: list[int]

    @property
    def sigmas(self) -> list[float]:
        return [COCO_SIGMAS[name] for name in self.names]

    @property
    def truth(self) -> dict[str, Any]:
        """The content of the ground truth's file."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}


@functools.lru_cache(maxsize=CASES)
def case(seed: int) -> Case:
    """The case of this seed; who gets it must not change it."""
    random = Random(seed)
    names = tuple(COCO_SIGMAS)[: random.choice((1, 3, 5, 5, 17))]
    images = _images(random)
    categories = [{"id": number, "name": f"kind {number}", "keypoints": list(names), "skeleton": []}
                  for number in random.choice(((1,), (1,), (7,), (3, 1, 90)))]
    annotations, results = [], []
    crowded = random.random() < 0.08
    for image in images:
        people = [] if random.random() < 0.2 else [_person(random, len(names)) for _ in range(random.randint(1, 4))]
        poses = [_pose_of(random, person) for person in people for _ in range(random.choice((0, 1, 1, 1, 2)))]
        if random.random() < 0.3:
            people += [_twin(random, person) for person in people[:2]]
        if crowded and random.random() < 0.5:
            people += [_person(random, len(names)) for _ in range(22 - len(people))]
            poses += [_pose_of(random, person) for person in people]
        poses += [_pose_of(random, _person(random, len(names))) for _ in range(random.choice((0, 0, 1, 2)))]
        if crowded and random.random() < 0.3:
            poses += [_pose_of(random, random.choice(people) if people else _person(random, len(names)))
                      for _ in range(25)]
        random.shuffle(people)
        random.shuffle(poses)
        annotations += [{**person, "image_id": image["id"]} for person in people]
        results += [{**pose, "image_id": image["id"]} for pose in poses]
    if random.random() < 0.5:
        random.shuffle(annotations)
        random.shuffle(results)
    first = random.choice((1, 5, 10**6))
    for number, record in enumerate(annotations):
        record["id"] = first + 3 * number
        record["category_id"] = random.choice(categories)["id"]
    for record in results:
        record["category_id"] = random.choice(categories)["id"]
    image_ids = [image["id"] for image in images]
    return Case(seed, names, images, annotations, categories, [] if random.random() < 0.02 else results,
                image_ids[1:] if len(images) > 1 and random.random() < 0.15 else image_ids)


@functools.lru_cache(maxsize=CASES)
def naive_numbers(seed: int) -> Numbers:
    """What the naive scorer gives the case of this seed."""
    one = case(seed)
    return coco_numbers(one.annotations, one.results, one.sigmas, one.image_ids)


def _images(random: Random) -> list[dict[str, Any]]:
    """One to five images, whose ids neither begin with 1 nor are in order."""
    first, step = random.choice((1, 2, 40, 10**9)), random.choice((1, 7))
    ids = [first + step * number for number in range(random.randint(1, 5))]
    random.shuffle(ids)
    return [{"id": number, "file_name": f"{number}.jpg", "width": 640, "height": 480} for number in ids]


def _person(random: Random, keypoint_count: int) -> dict[str, Any]:
    """Somebody of any size, whole or not; sometimes a crowd, sometimes without labeled keypoints."""
    size = random.choice((random.uniform(4, 32), random.uniform(32, 96), random.uniform(96, 300)))
    x, y = round(random.uniform(0, 640 - size), 2), round(random.uniform(0, 480 - size), 2)
    width, height = round(size * random.uniform(0.5, 1), 2), round(size, 2)
    area = round(random.uniform(0.4, 0.8) * width * height, 2)
    if random.random() < 0.1:
        border = random.choice(BORDERS)
        area = random.choice((border, border, border * (1 - 1e-12), border * (1 + 1e-12)))
    share = random.choice((0.0, 0.3, 0.8, 0.8, 1.0, 1.0, 1.0))
    keypoints = []
    for _ in range(keypoint_count):
        if random.random() < share:
            keypoints += [round(random.uniform(x, x + width), 2), round(random.uniform(y, y + height), 2),
                          random.choice((1, 2))]
        else:
            keypoints += [0, 0, 0]
    return {"iscrowd": int(random.random() < 0.08), "bbox": [x, y, width, height], "area": area,
            "keypoints": keypoints, "num_keypoints": sum(visibility > 0 for visibility in keypoints[2::3])}


def _twin(random: Random, person: dict[str, Any]) -> dict[str, Any]:
    """Somebody in the same pose: the same person labeled twice, a larger one, one of whom less is labeled."""
    kind = random.choice(("same", "larger", "crowd", "other box"))
    if kind == "larger":
        return {**person, "area": person["area"] * 2}
    if kind == "crowd":
        return {**person, "iscrowd": 1}
    if kind == "other box":
        x, y, width, height = person["bbox"]
        return {**person, "bbox": [x - width, y, width, height]}
    return dict(person)


def _pose_of(random: Random, person: dict[str, Any]) -> dict[str, Any]:
    """A pose of somebody: exact, near, or with some keypoints exact and the others as wrong as can be.

    The last are worth exact fractions, so that a similarity may equal a threshold.
    """
    kind = random.choice(("exact", "near", "near", "near", "off", "fraction", "fraction", "point", "square"))
    x0, y0, width, height = person["bbox"]
    spread = {"near": random.uniform(0.005, 0.1), "off": 0.5}.get(kind, 0.0) * max(width, height)
    labels = person["keypoints"]
    wrong = random.choice((0.25, 0.5))
    keypoints: list[float] = []
    for start in range(0, len(labels), 3):
        x, y, visibility = labels[start:start + 3]
        if visibility == 0:
            x, y = round(random.uniform(x0, x0 + width), 2), round(random.uniform(y0, y0 + height), 2)
        if kind == "fraction" and random.random() < wrong:
            x += FAR
        if kind == "point":
            x, y = x0, y0
        if kind == "square":  # its extent lies on a border between two ranges of areas
            x, y = x0 + 32 * (start % 2), y0 + 32 * (start % 2)
        keypoints += [x + random.gauss(0, spread) if spread else x, y + random.gauss(0, spread) if spread else y,
                      round(random.random(), 3)]
    score = random.choice((round(random.random(), 1), random.random(), round(random.random(), 1), 0.5, 0.0))
    return {"keypoints": keypoints, "score": score}


MPII_JOINTS = ("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax",
               "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
               "left_wrist")
"""MPII's joints in the order of its point numbers."""


@dataclass(frozen=True)
class JointCase:
    """People with MPII's joints, whose records have a `head_box` too, and poses by the people's ids."""

    seed: int
    people: list[dict[str, Any]]
    poses: dict[int, list[float]]


@functools.lru_cache(maxsize=CASES)
def joint_case(seed: int) -> JointCase:
    """One to three people, all in whole numbers, so that a distance may equal a threshold."""
    random = Random(seed)
    people, poses = [], {}
    for number in range(random.randint(1, 3)):
        person = _joints(random, seed * 3 + number + 1)
        people.append(person)
        if random.random() < 0.85:
            poses[person["id"]] = _moved(random, person)
    return JointCase(seed, people, poses)


def _joints(random: Random, number: int) -> dict[str, Any]:
    width, height = 5 * random.randint(4, 60), 5 * random.randint(4, 60)
    share = random.choice((0.2, 0.8, 1.0))
    keypoints = []
    for _ in MPII_JOINTS:
        labeled = random.random() < share
        keypoints += [random.randint(3, 3 + width), random.randint(5, 5 + height), 1] if labeled else [0, 0, 0]
    if not any(keypoints[2::3]):
        keypoints[:3] = [4, 6, 1]
    side = random.randint(1, 6)
    return {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": [3, 5, width, height],
            "area": width * height / 2, "keypoints": keypoints, "num_keypoints": sum(keypoints[2::3]),
            "head_box": None if random.random() < 0.15 else [10, 20, 10 + 30 * side, 20 + 40 * side]}


def _moved(random: Random, person: dict[str, Any]) -> list[float]:
    """A pose whose joints are right, as far away as counts, a pixel further, or anywhere."""
    longer, head = max(person["bbox"][2:]), 1 if person["head_box"] is None else person["head_box"][2] - 10
    pose: list[float] = []
    for start in range(0, len(person["keypoints"]), 3):
        x, y = person["keypoints"][start:start + 2]
        # A head's box of 30 by 40 has a diagonal of 50 and a head size of 30, of which a half is as 9 and 12.
        right, down = random.choice(((0, 0), (longer // 5, 0), (0, -longer // 5), (longer // 5 + 1, 0), (head // 2, 0),
                                     (-head // 2 - 1, 0), (3 * head // 10, 4 * head // 10), (0, head), (999, 999)))
        pose += [x + right, y + down, 1.0]
    return pose
