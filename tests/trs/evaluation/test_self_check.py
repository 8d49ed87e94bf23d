"""Labels that do not match themselves, and networks whose poses are no numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from trs.config import Config
from trs.data.datasets import Datasets
from trs.errors import Diverged, InputError
from trs.evaluation import coco_eval
from trs.evaluation.coco_eval import coco_numbers
from trs.evaluation.evaluate import evaluate
from trs.evaluation.oks import coco_results, score_poses
from trs.evaluation.self_check import require_perfect_labels, require_sound
from trs.methods.build import build_method


def test_sound_labels_pass_and_damaged_ones_are_named(datasets: Datasets, config: Config) -> None:
    truth = datasets.truth
    assert truth is not None
    require_sound(datasets, config)
    broken = dataclasses.replace(truth, records=dataclasses.replace(
        truth.records, areas=np.where(np.arange(len(truth.records)) == 2, np.nan, truth.records.areas)))
    name = truth.records.ids[2]
    words = rf"score an AP of 0\.\d+, not 1: 1 people do not match themselves, first {name};"
    with pytest.raises(InputError, match=words):
        require_perfect_labels(broken, datasets.skeleton.sigmas, "val.json")
    with pytest.raises(InputError, match=words):
        require_sound(dataclasses.replace(datasets, truth=broken), config)


def test_without_labels_there_is_nobody_to_score(datasets: Datasets) -> None:
    """As where boxes are detected, and the file of their images has no labels."""
    truth = datasets.truth
    assert truth is not None
    unlabeled = truth.records.without_labels(len(datasets.skeleton))
    with pytest.raises(InputError, match=r"^val\.json holds nobody to score: no person with a labeled keypoint"):
        require_perfect_labels(dataclasses.replace(truth, records=unlabeled), datasets.skeleton.sigmas, "val.json")


def test_people_in_one_pose_with_different_labels_are_sound(datasets: Datasets) -> None:
    """The better labeled one must not take the other's place."""
    truth = datasets.truth
    assert truth is not None
    two = truth.records.take(np.array([0, 0]))
    weights = two.keypoint_weights.copy()
    weights[1, 3:] = 0
    keypoints = two.keypoints.copy()
    keypoints[1, 3:] = 0
    twice = dataclasses.replace(two, keypoint_weights=weights, keypoints=keypoints)
    both = dataclasses.replace(truth, records=twice, crowds=np.zeros(2, bool))
    require_perfect_labels(both, datasets.skeleton.sigmas, "val.json")


def test_a_flip_test_needs_mirror_pairs(datasets: Datasets, config: Config) -> None:
    flip = dataclasses.replace(config, eval=dataclasses.replace(config.eval, flip_test=True))
    require_sound(datasets, flip)
    unknown = dataclasses.replace(datasets, skeleton=dataclasses.replace(datasets.skeleton, mirror=None))
    require_sound(unknown, config)
    with pytest.raises(InputError, match=r"eval\.flip_test needs the keypoints' mirror pairs"):
        require_sound(unknown, flip)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (5, 1), (16, 2)])
def test_a_pose_that_is_not_finite_scores_nothing(datasets: Datasets, value: float, place: tuple[int, int]) -> None:
    people, truth = datasets.val, datasets.truth
    assert truth is not None
    poses = np.concatenate([people.keypoints, np.ones((*people.keypoint_weights.shape, 1))], axis=-1)
    poses[:, place[0], place[1]] = value
    results = coco_results(people, score_poses(people, np.arange(len(people)), poses))
    numbers = coco_numbers(truth, results, datasets.skeleton.sigmas)
    assert {numbers["ap"], numbers["ar"]} == {0.0}
    assert all(number in (0.0, None) for number in numbers.values()) and len(numbers) == 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_scores_nothing(datasets: Datasets, value: float) -> None:
    people, truth = datasets.val, datasets.truth
    assert truth is not None
    poses = np.concatenate([people.keypoints, np.ones((*people.keypoint_weights.shape, 1))], axis=-1)
    results = coco_results(people, score_poses(people, np.arange(len(people)), poses))
    found = coco_numbers(truth, [result | {"score": value} for result in results], datasets.skeleton.sigmas)
    assert {found["ap"], found["ar"]} == {0.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("decoder", ["quarter", "axes", "dark", "udp"])
def test_a_network_that_gives_no_numbers_has_diverged(datasets: Datasets, config: Config, value: float,
                                                      decoder: str) -> None:
    changed = dataclasses.replace(config, eval=dataclasses.replace(config.eval, decoder=decoder))
    method = build_method(changed, len(datasets.skeleton))
    with torch.no_grad():
        for parameter in method.networks["b"].parameters():
            parameter.fill_(value)
    with pytest.raises(Diverged, match=r"network b has diverged: 13 of its 13 poses are not finite; lower"):
        evaluate(method, datasets, changed, torch.device("cpu"), [])


def test_nobody_of_a_size_is_no_number(datasets: Datasets) -> None:
    truth = datasets.truth
    assert truth is not None
    areas = np.full(len(truth.records), 50.0**2)
    small = dataclasses.replace(truth, records=dataclasses.replace(truth.records, areas=areas))
    people = datasets.val
    poses = np.concatenate([people.keypoints, np.ones((*people.keypoint_weights.shape, 1))], axis=-1)
    results = coco_results(people, score_poses(people, np.arange(len(people)), poses))
    for found in (results, []):
        numbers = coco_numbers(small, found, datasets.skeleton.sigmas)
        assert numbers["ap_large"] is None and numbers["ar_large"] is None and numbers["ap_medium"] is not None


def test_the_other_library_gives_the_same_numbers(datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    people, truth = datasets.val, datasets.truth
    assert truth is not None
    places = people.keypoints + np.random.default_rng(0).normal(0, 4, people.keypoints.shape)
    poses = np.concatenate([places, np.ones((*places.shape[:2], 1))], axis=-1)
    results = coco_results(people, score_poses(people, np.arange(len(people)), poses))
    ours = coco_numbers(truth, results, datasets.skeleton.sigmas)
    assert coco_eval.COCO is not COCO and 0 < (ours["ap"] or 0) < 1
    monkeypatch.setattr(coco_eval, "COCO", COCO)
    monkeypatch.setattr(coco_eval, "COCOeval", COCOeval)
    assert coco_numbers(truth, results, datasets.skeleton.sigmas) == ours
