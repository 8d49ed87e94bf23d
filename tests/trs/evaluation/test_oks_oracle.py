"""AP, PCK, PCKh, OKS and keypoints' scores equal the naive scorer's, and those of scorers with a bug each do not."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import scipy.io

from tests.naive_scorer import Numbers, coco_numbers, keypoint_scores, object_keypoint_similarity, pck, pckh
from tests.scorer_cases import (
    CASES,
    COCO_SIGMAS,
    MPII_JOINTS,
    Case,
    JointCase,
    case,
    joint_case,
)
from tests.trs.evaluation.share_worker import scores
from trs.config import Config, files
from trs.data.annotations.reading import Reading
from trs.data.person_table import PersonTable
from trs.data.synthetic import draw_dataset
from trs.skeleton import MPII

ROOT = Path(__file__).resolve().parents[3]
FEWER = 250
"""Cases for pycocotools, which takes its time."""
HALF = np.array([0.5, 0.5, 0.0])
"""COCO counts pixels from 0 and Matlab from 1, see `trs.data.geometry`."""
MODULES = {"truth": "trs.data.ground_truth", "coco": "trs.data.annotations.coco", "mpii": "trs.data.annotations.mpii",
           "ap": "trs.evaluation.coco_eval", "oks": "trs.evaluation.oks", "pck": "trs.evaluation.pck"}
"""What a score is made by, from the file to the number."""


@dataclass(frozen=True)
class Patch:
    """A change of a module's text: a bug that somebody might write.

    module: of MODULES.
    """

    bug: str
    module: str
    text: str
    instead: str
    library: str = "hotcoco"

    def __str__(self) -> str:
        return self.bug


def library(patch: Patch | None = None, without: str | None = None) -> SimpleNamespace:
    """The modules that score, read anew, one of them with a patch; without hotcoco it is pycocotools that counts."""
    return SimpleNamespace(**{
        name: read(dotted, patch if patch is not None and patch.module == name else None, without)
        for name, dotted in MODULES.items()})


def read(dotted: str, patch: Patch | None, without: str | None) -> ModuleType:
    spec = importlib.util.find_spec(dotted)
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).read_text()
    if patch is not None:
        assert source.count(patch.text) == 1, f"{dotted} has changed: {patch.text!r} is not there, or not once"
        source = source.replace(patch.text, patch.instead)
    module = ModuleType(f"read_anew.{dotted}")
    # Dataclasses look for their module by its name.
    with mock.patch.dict(sys.modules, {module.__name__: module, **({without: None} if without else {})}):
        exec(compile(source, spec.origin, "exec"), vars(module))
    return module


def ap_of(scorer: SimpleNamespace, one: Case) -> dict[str, float | None]:
    """COCO's numbers of a case, from the content of its file."""
    found = scorer.coco.people_of(Path("truth.json"), copy.deepcopy(one.truth), Path())
    truth = scorer.truth.GroundTruth(**vars(found.truth)).of_images(np.array(one.image_ids))
    return scorer.ap.coco_numbers(truth, copy.deepcopy(one.results), found.skeleton.sigmas)


def as_read(annotations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records as the loader is told to read them: of an area beyond any image a share of the box stands in.

    COCO's own evaluation would count these people nowhere; `tests/test_naive_scorer.py` compares them as they are.
    """
    return [{**record, "area": 0.53 * record["bbox"][2] * record["bbox"][3]} if record["area"] > 1e10 else record
            for record in annotations]


@functools.lru_cache(maxsize=1000)
def numbers_as_read(seed: int) -> Numbers:
    """The naive scorer's numbers of a case."""
    one = case(seed)
    return coco_numbers(as_read(one.annotations), one.results, one.sigmas, one.image_ids)


def first_wrong_ap(scorer: SimpleNamespace, seeds: Sequence[int]) -> str | None:
    for seed in seeds:
        ours, expected = ap_of(scorer, case(seed)), numbers_as_read(seed)
        if ours != pytest.approx(expected, abs=1e-9):
            return f"seed {seed}: {ours}, not {expected}"
    return None


@functools.lru_cache(maxsize=1)
def joint_cases() -> list[JointCase]:
    return [joint_case(seed) for seed in range(CASES)]


def mpii_table(scorer: SimpleNamespace, folder: Path) -> PersonTable:
    """All people of `joint_cases` through MPII's own files."""
    people = [person for one in joint_cases() for person in one.people]
    points = np.array([person["keypoints"] for person in people], float).reshape(len(people), len(MPII_JOINTS), 3)
    heads = np.array([person["head_box"] or [np.nan] * 4 for person in people])
    scipy.io.savemat(folder / "gt_valid.mat", {"headboxes_src": heads.reshape(-1, 2, 2).transpose(1, 2, 0)})
    content = [{"image": f"{person['id']}.jpg", "center": [50, 50], "scale": 1.0, "joints": joints[:, :2].tolist(),
                "joints_vis": joints[:, 2].tolist()} for person, joints in zip(people, points, strict=True)]
    return scorer.mpii.people_of(folder / "valid.json", content, folder, Reading()).people


def coco_table(scorer: SimpleNamespace) -> PersonTable:
    """All people of `joint_cases` through a file in COCO's format."""
    people = [person for one in joint_cases() for person in one.people]
    content = {"images": [{"id": person["image_id"], "file_name": "a.jpg"} for person in people],
               "annotations": people, "categories": [{"id": 1, "name": "person", "keypoints": list(MPII_JOINTS)}]}
    return scorer.coco.people_of(Path("truth.json"), content, Path()).people


def of_case(table: PersonTable, one: JointCase) -> tuple[PersonTable, np.ndarray, np.ndarray]:
    """A case's people, who stand in the table one after the other, rows of those who have a pose, and the poses."""
    first = sum(len(before.people) for before in joint_cases()[:one.seed])
    people = table.take(np.arange(first, first + len(one.people)))
    rows = [row for row, person in enumerate(one.people) if person["id"] in one.poses]
    poses = np.array([one.poses[one.people[row]["id"]] for row in rows], float)
    return people, np.array(rows, int), poses.reshape(-1, len(MPII_JOINTS), 3)


def first_wrong_joints(scorer: SimpleNamespace, folder: Path) -> str | None:
    """PCK, OKS and keypoints' scores of people in COCO's format, PCKh of MPII's."""
    coco, mpii, sigmas = coco_table(scorer), mpii_table(scorer, folder), np.linspace(0.02, 0.12, len(MPII_JOINTS))
    assert len(coco) == len(mpii) == sum(len(one.people) for one in joint_cases())
    for one in joint_cases():
        people, rows, poses = of_case(coco, one)
        ours: dict[str, Any] = {**scorer.pck.pck(people, rows, poses + HALF)}
        expected: dict[str, Any] = {"pck": pck(one.people, one.poses)}
        heads, rows, poses = of_case(mpii, one)
        ours |= scorer.pck.pckh(heads, rows, poses - HALF, MPII)
        expected |= pckh(one.people, one.poses, MPII_JOINTS)
        found = scorer.oks.similarities(poses + HALF, people.take(rows), sigmas)
        for row, similarity in zip(rows, scorer.oks.oks(found), strict=True):
            person = one.people[row]
            ours[f"oks {row}"] = float(similarity)
            expected[f"oks {row}"] = object_keypoint_similarity(person, {"keypoints": one.poses[person["id"]]}, sigmas)
        annotated = (people.keypoint_weights > 0).sum(0)
        for name, count, ours_, theirs in zip(MPII_JOINTS, annotated, scorer.oks.keypoint_scores(found, annotated),
                                              keypoint_scores(one.people, one.poses, sigmas), strict=True):
            if count:
                ours[f"score of {name}"], expected[f"score of {name}"] = float(ours_), theirs
        if ours != pytest.approx(expected, abs=1e-9):
            return f"seed {one.seed}: {ours}, not {expected}"
    return None


@pytest.mark.parametrize("first", range(0, CASES, 250))
def test_ap_is_the_naive_scorers(first: int) -> None:
    assert first_wrong_ap(library(), range(first, first + 250)) is None


def test_ap_counted_by_pycocotools_is_the_naive_scorers() -> None:
    assert first_wrong_ap(library(without="hotcoco"), range(FEWER)) is None


@pytest.mark.parametrize("without", [None, "hotcoco"])
def test_poses_that_are_not_finite_are_as_good_as_none(without: str | None) -> None:
    assert first_not_finite(library(without=without)) is None


def test_poses_that_are_not_finite_are_found_to_match() -> None:
    """What pycocotools does to whoever does not leave them out: no threshold is above NaN."""
    guard = Patch("NaN is a match", "ap", "in images and _is_finite(result)]", "in images]", library="pycocotools")
    assert first_not_finite(library(guard, without="hotcoco")) is not None


def first_not_finite(scorer: SimpleNamespace) -> str | None:
    """Every third pose has a coordinate that is none, every seventh a score that is none."""
    for seed in range(FEWER // 2):
        one = case(seed)
        broken, whole = copy.deepcopy(one.results), []
        for place, record in enumerate(broken):
            if place % 3 == 0:
                record["keypoints"][0] = (np.nan, np.inf, -np.inf)[seed % 3]
            elif place % 7 == 1:
                record["score"] = np.nan
            else:
                whole.append(record)
        ours = ap_of(scorer, dataclasses.replace(one, results=broken))
        expected = coco_numbers(as_read(one.annotations), whole, one.sigmas, one.image_ids)
        if ours != pytest.approx(expected, abs=1e-9):
            return f"seed {seed}: {ours}, not {expected}"
    return None


def test_pck_pckh_and_oks_are_the_naive_scorers(tmp_path: Path) -> None:
    assert first_wrong_joints(library(), tmp_path) is None


def test_the_joint_cases_hold_what_a_scorer_may_stumble_over() -> None:
    people = [person for one in joint_cases() for person in one.people]
    pcks = [pck(one.people, one.poses) for one in joint_cases()]
    pckhs = [pckh(one.people, one.poses, MPII_JOINTS) for one in joint_cases()]
    held = {"without a head's box": sum(person["head_box"] is None for person in people),
            "without a pose": sum(person["id"] not in one.poses for one in joint_cases() for person in one.people),
            "partly labeled": sum(0 in person["keypoints"][2::3] for person in people),
            "a PCK between": sum(0 < value < 1 for value in pcks if value is not None),
            "a PCKh between": sum(0 < found["pckh"] < 1 for found in pckhs if found["pckh"] is not None),
            "no PCKh": sum(found["pckh"] is None for found in pckhs),
            "no PCKh of the head": sum(found["head_pckh"] is None for found in pckhs)}
    assert not {what: count for what, count in held.items() if count < 30}


BUGS = [
    Patch("a hundred poses count in an image", "ap", "MAX_DETECTIONS = 20", "MAX_DETECTIONS = 100"),
    Patch("a crowd counts", "ap", '"iscrowd": int(crowd)', '"iscrowd": 0'),
    Patch("people without labels count", "ap", '"num_keypoints": count', '"num_keypoints": len(pose) // 3'),
    Patch("keypoints without labels count", "ap", "2.0 * labeled", "2.0 + 0 * labeled"),
    Patch("sigmas are doubled twice", "ap", "np.array(sigmas)", "2 * np.array(sigmas)"),
    Patch("labels are half a pixel off", "ap", "records.keypoints - 0.5", "records.keypoints"),
    Patch("AP 75 is that of 0.7", "ap", "slice(5, 6)", "slice(4, 5)"),
    Patch("AP M is AP L", "ap", "(every, 1), (every, 2)", "(every, 2), (every, 1)"),
    Patch("nobody to find is -1", "ap", "part[part > -1].mean()) if (part > -1).any() else None", "part.mean())"),
    Patch("images with equal scores are out of order", "ap", "np.unique(truth.image_ids).tolist()",
          "np.unique(truth.image_ids).tolist()[::-1]"),
    Patch("a region is its box, not the doubled one", "ap", '"bbox": box',
          '"bbox": [box[0] + box[2] / 3, box[1] + box[3] / 3, box[2] / 3, box[3] / 3]'),
    Patch("an id of 0 is never matched", "ap", '"id": row + 1', '"id": row', library="pycocotools"),
    Patch("no poses are no score", "ap", "0.0 if there else None", "None"),
    Patch("medium people end below their border", "ap", "(areas <= 96**2)", "(areas < 96**2)"),
    Patch("images that do not count are scored", "truth", "image_ids=np.unique(image_ids))",
          "image_ids=self.image_ids)"),
    Patch("crowds have labels", "truth", "self.crowds | ~self", "~self"),
    Patch("areas are those of boxes", "coco", "area = area if LEAST_AREA <= area <= LARGEST_AREA else nan",
          "area = nan"),
    Patch("sigma is not doubled", "oks", "np.square(2 * sigmas)", "np.square(sigmas)"),
    Patch("an OKS counts what is not labeled", "oks", "people.keypoint_weights > 0", "people.keypoint_weights >= 0"),
    Patch("a keypoint is right at 0.5", "oks", "np.linspace(0.5, 0.95, 10)", "np.array([0.5])"),
    Patch("keypoints of missed people do not count", "oks", "annotated is None", "True"),
    Patch("PCK at the threshold is missed", "pck", "distances <= lengths", "distances < lengths"),
    Patch("PCK is relative to the shorter side", "pck", "people.boxes[:, 2:].max(1)", "people.boxes[:, 2:].min(1)"),
    Patch("PCK at 0.5", "pck", "PCK_THRESHOLD, PCKH_THRESHOLD = 0.2, 0.5", "PCK_THRESHOLD, PCKH_THRESHOLD = 0.5, 0.5"),
    Patch("joints without labels count", "pck", "(people.keypoint_weights > 0) &", "(people.keypoint_weights >= 0) &"),
    Patch("who has no pose does not count", "pck", "np.full(labeled.shape, np.inf)", "np.full(labeled.shape, 0.0)"),
    Patch("the pelvis counts", "pck", '("pelvis", "thorax")', '("thorax",)'),
    Patch("a head is its whole diagonal", "mpii", "_HEAD_BIAS = 0.6", "_HEAD_BIAS = 1.0"),
    Patch("an unknown head is a small one", "pck", "np.isfinite(lengths)[:, None]", "True"),
]


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_bug_in_the_scorer_is_found(bug: Patch, tmp_path: Path) -> None:
    scorer = library(bug, without="hotcoco" if bug.library == "pycocotools" else None)
    seeds = range(FEWER if bug.library == "pycocotools" else CASES)
    joints = bug.module in ("oks", "pck", "mpii")
    assert (first_wrong_joints(scorer, tmp_path) if joints else first_wrong_ap(scorer, seeds)) is not None


def odd_people(root: Path, config: Config) -> Config:
    """Drawn people, whose validation file has two categories, ids from 0, a crowd and somebody without labels."""
    draw_dataset(root, train_count=6, val_count=14, seed=4)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root), labeled_count=4))
    path = root / config.data.val_annotations
    content = json.loads(path.read_text())
    content["categories"].append({**content["categories"][0], "id": 2, "name": "others"})
    for place, record in enumerate(content["annotations"]):
        record.update(id=place, category_id=1 + place % 2)
    content["annotations"][3]["iscrowd"] = 1
    content["annotations"][5].update(keypoints=[0] * 51, num_keypoints=0)
    path.write_text(json.dumps(content))
    return config


def test_two_workers_score_what_one_scores_and_what_the_naive_scorer_does(config: Config, tmp_path: Path) -> None:
    """Batches are dealt to the workers; the first of them scores what all have found, and the other says nothing."""
    config = odd_people(tmp_path / "people", config)
    files.save(config, tmp_path / "config.yaml")
    outs = [tmp_path / f"{rank}.json" for rank in range(2)]
    workers = [subprocess.Popen([sys.executable, "-m", "tests.trs.evaluation.share_worker", tmp_path / "config.yaml",
                                 tmp_path / "store", str(rank), "2", out], cwd=ROOT) for rank, out in enumerate(outs)]
    alone = scores(config)
    assert [worker.wait(timeout=600) for worker in workers] == [0, 0]
    together, other = (json.loads(out.read_text()) for out in outs)
    assert together == json.loads(json.dumps(alone)) and other == {"metrics": {}, "results": {}}
    content = json.loads((tmp_path / "people" / config.data.val_annotations).read_text())
    people = [person for person in content["annotations"] if not person["iscrowd"] and person["num_keypoints"]]
    sigmas = [COCO_SIGMAS[name] for name in content["categories"][0]["keypoints"]]
    metrics, by_network = together["metrics"], {}
    for name, results in together["results"].items():
        assert len(results) == len(people) == 12
        by_network[name] = coco_numbers(content["annotations"], results, sigmas, [p["image_id"] for p in people])
        poses = {person["id"]: result["keypoints"] for person, result in zip(people, results, strict=True)}
        assert metrics[f"ap_{name}"] == pytest.approx(by_network[name]["ap"], abs=1e-9)
        assert metrics[f"pck_{name}"] == pytest.approx(pck(people, poses), abs=1e-9)
        assert 0.05 < metrics[f"ap_{name}"] < 0.99
    for name, one in by_network["a"].items():
        other_peer = by_network["b"][name]
        assert metrics[name] == (None if one is None else pytest.approx((one + other_peer) / 2, abs=1e-9)), name
