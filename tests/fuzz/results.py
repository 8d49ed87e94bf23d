"""Files of results: COCO's, and whatever another tool may have made of them; to AP, to boxes, to detections."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.coco_variants import RESULT_VARIANTS, Content, Results, poses_near
from tests.fuzz import mutate
from tests.fuzz.annotations import clean_file, naive_numbers, numbers_in, require_same
from tests.fuzz.target import refused, require_line
from trs.data.annotations.annotations import Annotations
from trs.data.annotations.boxes import read_boxes
from trs.data.annotations.detections import load_detections, load_poses
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Findings
from trs.data.annotations.reading import Reading
from trs.errors import InputError
from trs.evaluation.coco_eval import MAX_DETECTIONS
from trs.evaluation.score import score_file

_FILES = 8
"""Of labels; each is read once."""


class ResultFiles:
    """Poses and boxes of any tool on clean files of labels."""

    most_bytes = 1 << 28

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, dict[str, bytes]()
        self._clean: list[tuple[Content, bytes, Annotations]] = []
        for seed in range(_FILES):
            content = clean_file(seed, 2 + seed % 2, seed % 4 != 0)
            encoded = json.dumps(content).encode()
            (folder / "labels.json").write_bytes(encoded)
            self._clean.append((content, encoded, load_people(folder / "labels.json", folder, Reading())))

    def check(self, random: Random) -> bool:
        """Damage clean results, or one of `RESULT_VARIANTS`, and read them in each way that there is."""
        labels, encoded, read = random.choice(self._clean)
        clean = poses_near(labels)
        for record in clean:
            if random.random() < 0.3:
                record["bbox"] = [1.0, 2.0, 30.0, 40.0]
        content, times = clean, random.choice((1, 1, 1, 2, 2, 3, 5, 8))
        if random.random() < 0.25:
            content = random.choice(RESULT_VARIANTS).change(copy.deepcopy(clean), labels)
            times = random.choice((0, 1, 1, 2))
        damaged = mutate.as_json(random, mutate.damage_tree(random, content, times))
        self.written = {"labels.json": encoded, "results.json": damaged}
        for name, written in self.written.items():
            (self.folder / name).write_bytes(written)
        path = self.folder / "results.json"
        records = _records(damaged)
        boxes = self._check_boxes(path, read, records)
        poses = self._check_poses(path, read, records, clean)
        return boxes or poses

    def _check_boxes(self, path: Path, read: Annotations, records: list[Any]) -> bool:
        """Detections become finite boxes of people, each record once; so do boxes by file name."""
        try:
            found, findings = load_detections(self.folder / "labels.json", path, self.folder, len(read.skeleton), 0.5,
                                              read.categories)
            require_line(findings.line())
            assert len(found) + findings.left_out.total() == len(records), "detections are lost"
            for values in (found.boxes, found.scores, found.areas, found.keypoints):
                assert np.isfinite(values).all(), "a detection that is not finite"
            assert (found.boxes[:, 2:] > 0).all() and (found.areas > 0).all(), "a detection without an area"
            assert (found.scores >= 0.5).all() and not found.keypoint_weights.any()
            assert len(np.unique(found.ids)) == len(found)
            known = read_boxes(path, 0.5, read.categories)
            require_line(known.findings.line())
            assert len(known) + known.findings.left_out.total() == len(records), "boxes are lost"
            for name, boxes in known.boxes.items():
                assert all(np.isfinite(box).all() and (box[2:] > 0).all() for box in boxes), name
        except InputError as error:
            return refused(error)
        return True

    def _check_poses(self, path: Path, read: Annotations, records: list[Any], clean: Results) -> bool:
        """Poses are scored as the naive scorer says; each record is scored or counted as left out."""
        assert read.truth is not None and read.images is not None
        findings = Findings(path.name)
        try:
            poses = load_poses(path, read.images, read.categories, len(read.skeleton), findings)
        except InputError as error:
            refused(error)
            try:
                score_file(self.folder / "labels.json", path, Reading(), MAX_DETECTIONS)
            except InputError as again:
                return refused(again)
            raise AssertionError("scored, though it was refused when it was read") from error
        require_line(findings.line())
        assert len(poses) + findings.left_out.total() == len(records), "poses are lost"
        require_written(poses, records)
        require_others_unharmed(poses, clean, records)
        scored = score_file(self.folder / "labels.json", path, Reading(), MAX_DETECTIONS)
        require_line([scored.protocol, *scored.notes])
        require_same(scored.numbers, naive_numbers(read.truth, poses, read.skeleton.sigmas))
        return True


def _records(encoded: bytes) -> list[Any]:
    """The records in a file as they stand there; none where that is no JSON."""
    try:
        content = json.loads(encoded.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return []
    found = content.get("annotations") if isinstance(content, dict) else content
    return found if isinstance(found, list) else []


def require_written(poses: Results, records: list[Any]) -> None:
    """Every pose is finite, and that of some record: all of its places, one behind the other, and no others."""
    written = {tuple(_places(record.get("keypoints"))) for record in records if isinstance(record, dict)}
    for pose in poses:
        points = pose["keypoints"]
        places = [place for start in range(0, len(points), 3) for place in points[start:start + 2]]
        assert np.isfinite([*places, pose["score"]]).all(), "a pose that is not finite"
        assert tuple(places) in written, f"nobody has such a pose: {places}"


def _places(keypoints: Any) -> list[float]:
    """The places in a flat or nested list of pairs or triples."""
    pairs = isinstance(keypoints, list) and keypoints and isinstance(keypoints[0], list) and all(
        isinstance(point, list) and len(point) == 2 for point in keypoints)
    values = numbers_in(keypoints)
    return values if pairs else [value for start in range(0, len(values), 3) for value in values[start:start + 2]]


def require_others_unharmed(poses: Results, clean: Results, records: list[Any]) -> None:
    """A record that is as it was in the clean file is scored as it was there, if all are of one category."""
    if any(not isinstance(record, dict) or record.get("category_id", 1) != 1 or "file_name" in record
           for record in records):
        return
    found = [json.dumps([pose["image_id"], pose["score"], pose["keypoints"]]) for pose in poses]
    there = {json.dumps(record) for record in records}
    for record in clean:
        if json.dumps(record) in there:
            points = list(map(float, record["keypoints"]))
            assert json.dumps([record["image_id"], record["score"], points]) in found, "harmed by damage to others"
