"""Annotation files of other formats than COCO's: MPII's list and its Matlab files, AI Challenger's list; to people."""

from __future__ import annotations

import copy
import io
import json
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import scipy.io

from tests.fuzz import mutate
from tests.fuzz.target import require_line, require_sentence
from trs.data.annotations.formats import load_people
from trs.data.annotations.reading import Reading
from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.skeleton import AIC, MPII

_LARGEST_AREA = 1e10
"""Where COCO's range of all areas ends."""
_NUMBERS = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200, 0, -1, -16, 15, 16, 99, 2**40, 0.5, 5e-324, 1e-9, "9", [])
_READINGS = (Reading(), Reading(exif="shown"), Reading(exif="stored"))


class OtherFiles:
    """Lists of records, Matlab files, and a list with a Matlab file beside it."""

    most_bytes = 1 << 28

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, dict[str, bytes]()
        self._lists = (mpii_list(), mpii_list(), aic_list())
        heads = np.zeros((2, 2, 3))
        heads[1] = 30
        self._heads, self._release = {"headboxes_src": heads.tolist()}, {"RELEASE": release()}

    def check(self, random: Random) -> bool:
        """Damage a file of one of these kinds, and read its people."""
        way = random.random()
        if way < 0.75:
            name, listed = "valid.json", random.choice(self._lists)
            content = mutate.as_json(random, mutate.damage_tree(random, listed, random.choice((1, 1, 2, 4))))
            self.written = {name: content}
            if way < 0.2:
                self.written["gt_valid.mat"] = _damaged_matlab(random, self._heads)
        else:
            name = "release.mat"
            self.written = {name: _damaged_matlab(random, self._release)}
        (self.folder / "gt_valid.mat").unlink(missing_ok=True)
        for file, written in self.written.items():
            (self.folder / file).write_bytes(written)
        try:
            read = load_people(self.folder / name, self.folder, random.choice(_READINGS))
        except InputError as error:
            require_sentence(error)
            assert any(file in str(error) for file in self.written), f"a message that names no file: {error}"
            return False
        require_line(read.findings.line())
        require_sound_table(read.people, len(read.skeleton))
        if read.truth is None and name == "valid.json":
            self._require_all_counted(read.people, read.findings.left_out.total())
        return True

    def _require_all_counted(self, people: PersonTable, left_out: int) -> None:
        records = json.loads(self.written["valid.json"].decode("utf-8-sig"))
        count = sum(len(record["human_annotations"].keys() | record["keypoint_annotations"].keys())
                    if "keypoint_annotations" in records[0] else 1 for record in records)
        assert len(people) + left_out == count, f"{len(people)} people and {left_out} left out of {count}"


def mpii_list() -> list[dict[str, Any]]:
    """Three people as HRNet's list has them, one of them without a labeled joint."""
    joints = [[float(10 + 3 * place), float(20 + 2 * place)] for place in range(len(MPII))]
    records = [{"image": f"{name}.jpg", "center": [50.0, 60.0], "scale": 0.5, "joints": copy.deepcopy(joints),
                "joints_vis": [1] * len(MPII)} for name in ("a", "a", "b")]
    records[1]["joints_vis"] = [0] * len(MPII)
    return records


def aic_list() -> list[dict[str, Any]]:
    """Two images of AI Challenger's, with two people and one."""
    points = [30, 40, 1, 31, 41, 2] + [0, 0, 3] * (len(AIC) - 2)
    return [{"image_id": "abc", "human_annotations": {"human1": [10, 20, 40, 80], "human2": [0, 0, 30, 30]},
             "keypoint_annotations": {"human1": points, "human2": points[::]}},
            {"image_id": "def", "human_annotations": {"human1": [1, 2, 3, 4]},
             "keypoint_annotations": {"human1": points[::]}}]


def release() -> dict[str, Any]:
    """Images of MPII's official file, one of them of its test part."""
    def person(shift: float) -> dict[str, Any]:
        points = [{"x": 5.0 + shift, "y": 7.0, "id": 9, "is_visible": 1},
                  {"x": 6.0, "y": 8.0 + shift, "id": 0, "is_visible": 0}]
        return {"x1": 1.0, "y1": 2.0, "x2": 4.0, "y2": 6.0, "annopoints": {"point": points}, "scale": 0.5,
                "objpos": {"x": 20.0, "y": 30.0}}

    return {"annolist": [{"image": {"name": "a.jpg"}, "annorect": [person(0.0), person(1.0)]},
                         {"image": {"name": "test.jpg"}, "annorect": person(2.0)},
                         {"image": {"name": "b.jpg"}, "annorect": person(3.0)}], "img_train": [1, 0, 1]}


def _damaged_matlab(random: Random, plain: dict[str, Any]) -> bytes:
    """A Matlab file of damaged values, or a whole one with damaged bytes, or both."""
    damaged = mutate.damage_tree(random, plain, random.choice((0, 1, 1, 2, 4)))
    if "RELEASE" in plain and random.random() < 0.4:
        damaged = {"RELEASE": _with_an_odd_number(random)}
    try:  # NumPy crashes where one list stands at two places, as it cannot in a file
        content = _as_matlab(json.loads(json.dumps(damaged)), compressed=random.random() < 0.5)
    except Exception:  # SciPy writes no such values
        content = _as_matlab(plain, compressed=False)
    return mutate.damage_bytes(random, content) if damaged is plain or random.random() < 0.4 else content


def _with_an_odd_number(random: Random) -> dict[str, Any]:
    """The release with another number at one place, which is deep inside."""
    found = release()
    person = random.choice(found["annolist"][0]["annorect"])
    where = random.choice((person, person["objpos"], *person["annopoints"]["point"] * 2))
    where[random.choice([key for key, value in where.items() if not isinstance(value, dict)])] = random.choice(_NUMBERS)
    return found


def _as_matlab(plain: Any, compressed: bool) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scipy.io.savemat(stream, plain, do_compression=compressed)
    return stream.getvalue()


def require_sound_table(people: PersonTable, keypoints: int) -> None:
    """Everything in a table is finite, boxes and areas are positive, ids are unique, head sizes are known or NaN."""
    count = len(people)
    assert all(len(values) == count for values in vars(people).values() if isinstance(values, np.ndarray))
    for values in (people.boxes, people.areas, people.keypoints, people.keypoint_weights, people.scores):
        assert np.isfinite(values).all(), "a number in the table is not finite"
    assert (people.boxes[:, 2:] > 0).all(), "a box without an area"
    assert ((people.areas > 0) & (people.areas <= _LARGEST_AREA)).all(), "an area that nobody has, or nobody counts"
    assert np.isfinite(people.boxes[:, :2] + people.boxes[:, 2:]).all(), "a box that ends nowhere"
    assert set(np.unique(people.keypoint_weights).tolist()) <= {0.0, 1.0}
    assert len(np.unique(people.ids)) == count, "ids that are not unique"
    assert people.keypoints.shape == (count, keypoints, 2)
    assert people.image_sizes.dtype == np.int64 and (people.image_sizes >= 0).all()
    assert people.files.dtype.kind == "U" or count == 0
    heads = people.head_sizes[~np.isnan(people.head_sizes)]
    assert (np.isfinite(heads) & (heads > 0)).all(), "a head without a size"
