"""Annotation files: COCO's, and whatever somebody may have made of them; to AP."""

from __future__ import annotations

import copy
import itertools
import json
import math
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests import naive_scorer
from tests.coco_variants import VARIANTS, Content, Results, clean_content, poses_near
from tests.fuzz import mutate
from tests.fuzz.formats import require_sound_table
from tests.fuzz.target import refused, require_line, require_scores
from trs.check.records import damaged, stray_boxes, stray_keypoints
from trs.config import Config, DataConfig
from trs.data.annotations.annotations import Annotations
from trs.data.annotations.detections import load_poses
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Findings
from trs.data.annotations.reading import Reading
from trs.data.datasets import load_datasets
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.evaluation.coco_eval import MAX_DETECTIONS, Numbers, coco_numbers
from trs.evaluation.score import score_file
from trs.evaluation.self_check import require_perfect_labels, require_sound

FEW = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""Most files have these keypoints alone, which is faster."""
_SEEDS = 20
_UNPRINTABLE = ("a\nb", "\x1b[2J\x1b[31m", "\u202e7", "\0", "long" * 500)
_UNREAD = ("info", "licenses")
"""What nobody reads there, so that damage to it shows nothing."""
_EXACT = 1e-9
_HUGE = 1e150
"""The square of a number beyond is none."""
_LISTS = ("keypoints", "bbox")


class AnnotationFiles:
    """Files of labels, scored against themselves and with poses a few pixels off."""

    most_bytes = 1 << 28

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, dict[str, bytes]()

    def check(self, random: Random) -> bool:
        """Damage a clean file, or one of `VARIANTS`, and score what is left of it."""
        clean, results, content, encoded = self._draw(random)
        self.written = {"labels.json": encoded, "results.json": json.dumps(results).encode()}
        for name, written in self.written.items():
            (self.folder / name).write_bytes(written)
        path = self.folder / "labels.json"
        try:
            read = load_people(path, self.folder, Reading())
        except InputError as error:
            return refused(error)
        require_sound_people(read)
        require_all_counted(read, path)
        whole = json.loads(path.read_bytes().decode("utf-8-sig"))
        require_written(read, whole)
        require_one_image_each(whole)
        if content is not None:
            require_others_unharmed(read, clean, content)
        assert read.truth is not None and read.images is not None
        if len(read.people):
            require_perfect(read, path)
            require_true_numbers(read, self.folder / "results.json", path)
        else:
            require_refusal(path, self.folder / "results.json")
        if random.random() < 0.1:
            self._check_training(random)
        return True

    def _check_training(self, random: Random) -> bool:
        """The file as a training's two sets, with some of the keypoints, some of the labels, some of the images."""
        keypoints = random.choice((None, None, ("left_hip", "right_hip"), ("nose", "left_shoulder")))
        data = DataConfig(
            root=str(self.folder), train_annotations="labels.json", val_annotations="labels.json", train_images=".",
            val_images=".", keypoints=keypoints, labeled_count=random.choice((None, 1, 3)),
            val_count=random.choice((None, 1, 3)), val_detections=random.choice((None, None, "results.json")))
        try:
            datasets = load_datasets(data)
            require_sound(datasets, Config(data=data))
        except InputError as error:
            return refused(error)
        require_line(datasets.notes)
        for people in (datasets.labeled, datasets.unlabeled, datasets.val):
            require_sound_table(people, len(datasets.skeleton))
        assert len(datasets.labeled) and len(datasets.val) and datasets.labeled.keypoint_weights.any(1).all()
        assert not datasets.unlabeled.keypoint_weights.any()
        return True

    def _draw(self, random: Random) -> tuple[Content, Results, Content | None, bytes]:
        """The clean file, poses for it, the damaged one if its text is whole, and its bytes."""
        clean = clean_file(random.randrange(_SEEDS), random.randrange(1, 4), random.random() < 0.8)
        results = poses_near(clean)
        content, times = clean, random.choice((1, 1, 1, 2, 2, 3, 5, 8))
        if random.random() < 0.25:
            variant = random.choice(VARIANTS)
            content, times = _as_variant(variant, content), random.choice((0, 1, 1, 2))
        content = mutate.damage_tree(random, content, times)
        if random.random() < 0.05:
            content = _called_oddly(random, content)
        encoded = mutate.as_json(random, content)
        try:
            return clean, results, json.loads(encoded), encoded
        except (ValueError, RecursionError):
            return clean, results, None, encoded


def _called_oddly(random: Random, content: Any) -> Any:
    """The content with a name that no message may print in one of its records, which lacks something too."""
    records = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(records, list) or not records or not isinstance(record := random.choice(records), dict):
        return content
    lost, place = random.choice(("bbox", "area", "image_id", "keypoints")), records.index(record)
    odd = {**{key: value for key, value in record.items() if key != lost}, "id": random.choice(_UNPRINTABLE)}
    return {**content, "annotations": [*records[:place], odd, *records[place + 1:]]}


def _as_variant(variant: Any, content: Content) -> Content:
    try:
        return variant.change(content)
    except (IndexError, KeyError, TypeError, ValueError):  # one that is made for a file of all keypoints
        return content


@cache
def _clean_file(seed: int, image_count: int, few: bool) -> Content:
    content = {key: value for key, value in clean_content(seed, image_count).items() if key not in _UNREAD}
    if not few:
        return content
    names = content["categories"][0]["keypoints"]
    places = [names.index(name) for name in FEW]
    for record in content["annotations"]:
        written = record["keypoints"]
        record["keypoints"] = [number for place in places for number in written[3 * place:3 * place + 3]]
        record["num_keypoints"] = sum(number > 0 for number in record["keypoints"][2::3])
    content["categories"][0].update(keypoints=list(FEW), skeleton=[[2, 3], [2, 4], [3, 5], [4, 5]])
    return content


def clean_file(seed: int, image_count: int, few: bool) -> Content:
    """A file of people as `tests.coco_variants` has them, with some of the keypoints or all of them."""
    return copy.deepcopy(_clean_file(seed, max(2, image_count), few))


def require_sound_people(read: Annotations) -> None:
    """Everything in the tables is finite, boxes and areas are positive, ids are unique."""
    truth = read.truth
    assert truth is not None
    for people in (read.people, truth.records):
        require_sound_table(people, len(read.skeleton))
        assert np.isin(people.image_ids, truth.image_ids).all()
    assert read.people.keypoint_weights.any(1).all(), "somebody without a label"
    assert len(np.unique(truth.image_ids)) == len(truth.image_ids)
    assert all(math.isfinite(sigma) and sigma > 0 for sigma in read.skeleton.sigmas)
    assert len(read.written) == len(read.skeleton) == len(set(read.skeleton.names))


def require_all_counted(read: Annotations, path: Path) -> None:
    """Every record is used or counted as left out, never both; what is said of them are printable lines."""
    records = json.loads(path.read_bytes().decode("utf-8-sig"))["annotations"]
    used, left_out = len(read.people), read.findings.left_out.total()
    assert used + left_out == len(records), f"{used} people and {left_out} left out of {len(records)} records"
    require_line(read.findings.line())
    problems = [*damaged(read.findings), *stray_boxes(path.name, read.people), *stray_keypoints(path.name, read.people)]
    require_line(text for problem in problems for text in (problem.problem, problem.remedy, *problem.examples))


def require_others_unharmed(read: Annotations, clean: Content, content: Content) -> None:
    """Whoever's record is as it was in the clean file, images and categories too, is read as it was there."""
    if any(_text(content.get(key)) != _text(clean[key]) for key in ("images", "categories")):
        return
    there = [_text(record) for record in content["annotations"]]
    places = {(*points.ravel().tolist(), image): row for row, (image, points) in enumerate(zip(
        read.people.image_ids.tolist(), read.people.keypoints, strict=True))}
    moved = any("two corners" in note for note in read.findings.notes)
    for record in clean["annotations"]:
        if not record["num_keypoints"] or record["iscrowd"] or there.count(_text(record)) != 1:
            continue
        points = np.array(record["keypoints"], float).reshape(-1, 3)
        row = places.get((*(points[:, :2] + 0.5).ravel().tolist(), record["image_id"]))
        assert row is not None, f"the person {record['id']} is harmed by damage to others"
        assert (read.people.keypoint_weights[row] == (points[:, 2] > 0)).all()
        assert read.people.areas[row] == record["area"]
        assert moved or read.people.boxes[row].tolist() == record["bbox"]


def require_written(read: Annotations, content: Content) -> None:
    """Every labeled place stands in some record as it is, one number behind the other: nothing is made up or moved."""
    written = {pair for record in content["annotations"] if isinstance(record, dict)
               for pair in itertools.pairwise(numbers_in(record.get("keypoints")))}
    written = {(x + 0.5, y + 0.5) for x, y in written}  # continuous coordinates
    for points, weights in zip(read.people.keypoints, read.people.keypoint_weights, strict=True):
        for x, y in points[weights > 0].tolist():
            assert (x, y) in written, f"nobody has a keypoint at {x} {y}"


def require_one_image_each(content: Content) -> None:
    """An id in the list of images is that of one of them; a record may stand there twice, and "" is no id."""
    ids: dict[str, Any] = {}
    for image in content["images"]:
        if isinstance(image.get("id"), int | str) and not isinstance(image["id"], bool) and image["id"] != "":
            assert ids.setdefault(str(image["id"]), image) == image, f"the id {image['id']!r} of two images"


def numbers_in(value: Any) -> list[float]:
    """The numbers in a list of any nesting, also as text; NaN for anything else."""
    if isinstance(value, list):
        return [number for one in value for number in numbers_in(one)]
    try:
        return [float(value)]
    except (TypeError, ValueError, OverflowError):
        return [math.nan]


def _text(value: Any) -> str:
    return json.dumps(value)


def require_perfect(read: Annotations, path: Path) -> None:
    """The labels match themselves, in our scorer and in the naive one."""
    assert read.truth is not None
    require_perfect_labels(read.truth, read.skeleton.sigmas, path.name)


def require_true_numbers(read: Annotations, results: Path, path: Path) -> None:
    """Poses are scored as the naive scorer scores them on the cleaned records."""
    assert read.truth is not None and read.images is not None
    try:
        poses = load_poses(results, read.images, read.categories, len(read.skeleton), Findings(results.name))
    except InputError as error:
        refused(error)
        require_refusal(path, results)
        return
    if read.findings.faults > len(read.people):
        require_refusal(path, results)
        return
    scored = score_file(path, results, Reading(), MAX_DETECTIONS)
    require_line([scored.protocol, *scored.notes])
    require_same(scored.numbers, naive_numbers(read.truth, poses, read.skeleton.sigmas))
    assert scored.numbers == coco_numbers(read.truth, poses, read.skeleton.sigmas)


def require_same(found: Numbers, expected: Numbers) -> None:
    """Numbers are the naive scorer's."""
    require_scores(found)
    for name, value in expected.items():
        other = found[name]
        assert (value is None) == (other is None), f"{name}: {other}, and naively {value}"
        assert value is None or other is None or abs(value - other) <= _EXACT, f"{name}: {other}, and naively {value}"


def naive_numbers(truth: GroundTruth, poses: Results, sigmas: tuple[float, ...]) -> Numbers:
    """What the naive scorer says of poses."""
    records = records_of(truth.records, truth.crowds)
    if any(abs(number) > _HUGE for record in (*records, *poses) for key in _LISTS for number in record.get(key, ())):
        # Python's numbers raise where they overflow, NumPy's become infinite.
        records, poses = ([{**record, **{key: list(np.array(record[key], float)) for key in _LISTS if key in record}}
                           for record in group] for group in (records, poses))
    with np.errstate(all="ignore"):
        return naive_scorer.coco_numbers(records, poses, sigmas, truth.image_ids.tolist())


def records_of(people: PersonTable, crowds: np.ndarray) -> list[dict[str, Any]]:
    """A table's people as records of COCO's."""
    points = np.concatenate([people.keypoints - 0.5, people.keypoint_weights[..., None]], -1)
    return [{"id": number, "image_id": image, "iscrowd": crowd, "area": area, "bbox": box,
             "keypoints": np.ravel(pose).tolist()} for number, image, crowd, area, box, pose in zip(
        people.ids.tolist(), people.image_ids.tolist(), crowds.tolist(), people.areas.tolist(), people.boxes.tolist(),
        points, strict=True)]


def require_refusal(path: Path, results: Path) -> None:
    """The two files are refused when they are scored."""
    try:
        score_file(path, results, Reading(), MAX_DETECTIONS)
    except InputError as error:
        refused(error)
    else:
        raise AssertionError("scored, though it was refused when it was read")
