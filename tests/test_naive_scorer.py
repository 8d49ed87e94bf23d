"""The naive scorer agrees with COCO's own tool, with its copy in Rust, and with what one works out by hand."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable

import numpy as np
import pycocotools.coco
import pycocotools.cocoeval
import pytest

from tests.naive_scorer import Numbers, coco_numbers, pck, pckh
from tests.scorer_cases import BORDERS, CASES, Case, case, naive_numbers

NAMES = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")
BLOCK = 100


def by_pycocotools(one: Case) -> Numbers:
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = pycocotools.coco.COCO(), pycocotools.coco.COCO()
        truth.dataset = one_category(one)
        truth.createIndex()
        if one.results:
            found = truth.loadRes(results_of_one_category(one))
        else:
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluation = pycocotools.cocoeval.COCOeval(truth, found, "keypoints")
        return numbers_of(evaluation, one)


def by_hotcoco(one: Case) -> Numbers:
    hotcoco = pytest.importorskip("hotcoco")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = hotcoco.COCO(one_category(one))
        found = truth.load_res(results_of_one_category(one))
        return numbers_of(hotcoco.COCOeval(truth, found, "keypoints"), one)


def numbers_of(evaluation, one: Case) -> Numbers:
    evaluation.params.kpt_oks_sigmas = np.array(one.sigmas)
    evaluation.params.imgIds = one.image_ids
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {name: None if value == -1 else float(value) for name, value in zip(NAMES, evaluation.stats, strict=True)}


def one_category(one: Case) -> dict:
    """A copy that a tool may write into, in which everybody is of category 1."""
    content = copy.deepcopy(one.truth)
    for record in content["annotations"]:
        record["category_id"] = 1
    return {**content, "categories": [{**content["categories"][0], "id": 1}]}


def results_of_one_category(one: Case) -> list[dict]:
    return [{**record, "category_id": 1} for record in copy.deepcopy(one.results)]


@pytest.mark.filterwarnings("ignore:hotcoco. kpt_oks_sigmas differ:UserWarning")
@pytest.mark.parametrize("first", range(0, CASES, BLOCK))
@pytest.mark.parametrize("tool", [by_pycocotools, by_hotcoco])
def test_coco_numbers_are_those_of(tool: Callable[[Case], Numbers], first: int) -> None:
    for seed in range(first, first + BLOCK):
        assert tool(case(seed)) == pytest.approx(naive_numbers(seed), abs=1e-9), f"seed {seed}"


def test_the_cases_hold_what_a_scorer_may_stumble_over() -> None:
    cases = [case(seed) for seed in range(CASES)]
    people = [person for one in cases for person in one.annotations]
    in_an_image = [[record for record in one.results if record["image_id"] == image_id]
                   for one in cases for image_id in one.image_ids]
    held = {
        "crowds": sum(person["iscrowd"] for person in people),
        "labeled crowds": sum(person["iscrowd"] and person["num_keypoints"] > 0 for person in people),
        "people without labeled keypoints": sum(person["num_keypoints"] == 0 for person in people),
        "partly labeled people": sum(0 < person["num_keypoints"] < len(person["keypoints"]) / 3 for person in people),
        **{f"areas on {border:g}": sum(person["area"] == border for person in people) for border in BORDERS},
        "images with more than 20 people": sum(
            sum(person["image_id"] == image["id"] for person in one.annotations) > 20
            for one in cases for image in one.images),
        "images with more than 20 poses": sum(len(found) > 20 for found in in_an_image),
        "equal scores in an image": sum(len({record["score"] for record in found}) < len(found)
                                        for found in in_an_image),
        "equal scores in a case": sum(len({record["score"] for record in one.results}) < len(one.results)
                                      for one in cases),
        "poses in images without people": sum(
            not any(person["image_id"] == record["image_id"] for person in one.annotations)
            for one in cases for record in one.results),
        "images with neither": sum(not any(record["image_id"] == image["id"]
                                           for record in [*one.annotations, *one.results])
                                   for one in cases for image in one.images),
        "people labeled twice": sum(len({str((person["keypoints"], person["image_id"])) for person in one.annotations
                                         if person["num_keypoints"]})
                                    < sum(person["num_keypoints"] > 0 for person in one.annotations) for one in cases),
        "several categories": sum(len({person["category_id"] for person in one.annotations}) > 1 for one in cases),
        "images that do not count": sum(len(one.image_ids) < len(one.images) for one in cases),
        "no results": sum(not one.results for one in cases),
        "nobody to find": sum(naive_numbers(one.seed)["ap"] is None for one in cases),
        "nobody of medium size": sum(naive_numbers(one.seed)["ap_medium"] is None for one in cases),
        "nobody large": sum(naive_numbers(one.seed)["ap_large"] is None for one in cases)}
    rare = {what: count for what, count in held.items() if count < 10}
    assert not rare
    between = [naive_numbers(seed) for seed in range(CASES)]
    for name in NAMES:
        assert sum(numbers[name] is not None and 0 < numbers[name] < 1 for numbers in between) > CASES / 5, name


def person(number: int, x: float, **fields) -> dict:
    """Somebody of medium size with two keypoints, 10 pixels apart."""
    return {"id": number, "image_id": 1, "iscrowd": 0, "area": 2500.0, "bbox": [x - 20, 0, 50, 100],
            "keypoints": [x, 50, 2, x + 10, 50, 1], **fields}


def pose(x: float, score: float, **fields) -> dict:
    return {"image_id": 1, "score": score, "keypoints": [x, 50, 1, x + 10, 50, 1], **fields}


def numbers(people: list[dict], poses: list[dict], sigma: float = 0.1) -> Numbers:
    return coco_numbers(people, poses, [sigma, sigma], [1])


def test_an_exact_pose_is_all_there_is() -> None:
    assert numbers([person(1, 100)], [pose(100, 0.9)]) == {
        **dict.fromkeys(NAMES, 1.0), "ap_large": None, "ar_large": None}


def test_no_pose_is_0_and_nobody_is_none() -> None:
    assert numbers([person(1, 100)], [])["ap"] == 0 and numbers([person(1, 100)], [])["ar"] == 0
    assert set(numbers([], [pose(100, 0.9)]).values()) == {None}
    assert set(numbers([person(1, 100, iscrowd=1)], [pose(100, 0.9)]).values()) == {None}


def test_a_similarity_by_hand() -> None:
    """d = 10, s^2 = 2500, k = 0.2: exp(-100 / (2 * 2500 * 0.04)) = exp(-0.5) = 0.607: right at 0.5, 0.55 and 0.6."""
    found = numbers([person(1, 100)], [pose(110, 0.9)])
    assert found["ap50"] == 1 and found["ap75"] == 0
    assert found["ap"] == pytest.approx(0.3) and found["ar"] == pytest.approx(0.3)


def test_a_half_is_half() -> None:
    """One of two keypoints is exact and the other worth nothing: an OKS of 0.5, which is enough at 0.5."""
    half = pose(100, 0.9, keypoints=[100, 50, 1, 1e6, 50, 1])
    assert numbers([person(1, 100)], [half])["ap50"] == 1
    assert numbers([person(1, 100)], [half])["ap"] == pytest.approx(0.1)


def test_what_is_wrong_counts_by_its_place() -> None:
    """The mistake comes first: precision 1/2 up to a recall of 1, or after: 1."""
    assert numbers([person(1, 100)], [pose(100, 0.5), pose(400, 0.9)])["ap"] == pytest.approx(0.5)
    assert numbers([person(1, 100)], [pose(100, 0.9), pose(400, 0.5)])["ap"] == 1


def test_of_two_people_one_is_found() -> None:
    """Recall 1/2 is reached at 51 of 101 thresholds."""
    found = numbers([person(1, 100), person(2, 400)], [pose(100, 0.9)])
    assert found["ap"] == pytest.approx(51 / 101) and found["ar"] == 0.5


def test_a_crowd_takes_any_number_of_poses_and_nobody_counts() -> None:
    crowd = person(2, 400, iscrowd=1)
    found = numbers([person(1, 100), crowd], [*[pose(400, 0.9)] * 3, pose(100, 0.5)])
    assert found["ap"] == 1
    unlabeled = person(2, 400, keypoints=[0] * 6)
    found = numbers([person(1, 100), unlabeled], [*[pose(400, 0.9)] * 3, pose(100, 0.5)])
    assert found["ap"] == pytest.approx(1 / 3), "one pose is forgiven, two are mistakes"


def test_twenty_poses_count() -> None:
    wrong = [pose(400 + number, 0.9) for number in range(20)]
    assert numbers([person(1, 100)], [*wrong, pose(100, 0.5)])["ar"] == 0
    assert numbers([person(1, 100)], [*wrong[1:], pose(100, 0.5)])["ap"] == pytest.approx(1 / 20)


def test_a_pose_that_is_not_finite_finds_nobody() -> None:
    assert numbers([person(1, 100)], [pose(float("nan"), 0.9)])["ap"] == 0
    half = pose(100, 0.9, keypoints=[100, 50, 1, float("nan"), 50, 1])
    assert numbers([person(1, 100)], [half])["ap"] == 0


def test_pck_by_hand() -> None:
    """Boxes of 50 x 100: 20 pixels are close enough, 20.1 are not; who has no pose has found nothing."""
    people = [person(1, 100), person(2, 400), person(3, 600, keypoints=[600, 50, 2, 0, 0, 0])]
    assert pck(people, {1: [120, 50, 1, 130.1, 50, 1], 3: [600, 50, 1, 900, 900, 1]}) == pytest.approx(2 / 5)
    assert pck([person(1, 100, keypoints=[0] * 6)], {}) is None


def test_pckh_by_hand() -> None:
    """A head's box of 30 x 40 has a diagonal of 50, a head size of 30: 15 pixels are close enough."""
    names = ("left_knee", "right_knee", "pelvis")
    people = [{"id": 1, "head_box": [0, 0, 30, 40], "keypoints": [10, 10, 1, 60, 10, 1, 30, 10, 1]},
              {"id": 2, "head_box": [0, 0, 30, 40], "keypoints": [10, 10, 1, 0, 0, 0, 30, 10, 1]},
              {"id": 3, "head_box": None, "keypoints": [10, 10, 1, 60, 10, 1, 30, 10, 1]}]
    found = pckh(people, {1: [25, 10, 1, 76, 10, 1, 30, 10, 1], 2: [10, 10, 1, 0, 0, 0, 999, 10, 1]}, names)
    assert found == {"pckh": pytest.approx(2 / 3), "knee_pckh": pytest.approx((1 + 0) / 2)}
    assert pckh(people[2:], {}, names) == {"pckh": None, "knee_pckh": None}
