"""Intervals of gains: against counts of pycocotools on copied images, and against what is known of drawn numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from tests.trs.evaluation.test_evaluate import noisy_poses, results_of
from trs.data.datasets import Datasets
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import PersonTable
from trs.evaluation.coco_eval import coco_numbers, match
from trs.evaluation.intervals import Score, average_precision, mean_of, paired_gain, share


def crowded(datasets: Datasets, seed: int) -> tuple[GroundTruth, list[dict]]:
    """People three an image, some of them ignored or a crowd, some without a pose, and some found twice."""
    generator = np.random.default_rng(seed)
    people = datasets.val
    people = dataclasses.replace(people, image_ids=people.image_ids // 3)
    crowds = generator.random(len(people)) < 0.1
    nobody = generator.random(len(people)) < 0.1
    records = dataclasses.replace(people, keypoint_weights=people.keypoint_weights * ~nobody[:, None])
    truth = GroundTruth(records, crowds, np.unique(people.image_ids))
    rows = generator.choice(len(people), len(people))
    poses = noisy_poses(people, 0.03)[rows]
    results = results_of(people, rows, poses)
    # Equal scores would be told apart by the order of the images.
    return truth, [{**result, "score": result["score"] + 1e-9 * place} for place, result in enumerate(results)]


def copied(truth: GroundTruth, results: list[dict], counts: np.ndarray) -> tuple[GroundTruth, list[dict]]:
    """Each image so many times, under ids of its own."""
    images, found, tables, crowds = np.unique(truth.image_ids), [], [], []
    for image, count in zip(images.tolist(), counts.tolist(), strict=True):
        for copy in range(count):
            number = 1000 * image + copy
            inside = truth.records.image_ids == image
            table = truth.records.take(inside)
            tables.append(dataclasses.replace(table, image_ids=np.full(len(table), number)))
            crowds.append(truth.crowds[inside])
            found += [{**result, "image_id": number} for result in results if result["image_id"] == image]
    fields = {field.name: getattr(tables[0], field.name) for field in dataclasses.fields(PersonTable)}
    joined = {name: np.concatenate([getattr(table, name) for table in tables])
              for name, value in fields.items() if isinstance(value, np.ndarray)}
    records = dataclasses.replace(tables[0], **joined)
    return GroundTruth(records, np.concatenate(crowds), np.unique(records.image_ids)), found


@pytest.mark.parametrize("seed", range(5))
def test_the_ap_of_drawn_images_is_that_of_copied_ones(datasets: Datasets, seed: int) -> None:
    truth, results = crowded(datasets, seed)
    sigmas = datasets.skeleton.sigmas
    images = len(truth.image_ids)
    counts = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=3)
    found = average_precision(match(truth, results, sigmas))(np.concatenate([np.ones((1, images), int), counts]))
    assert found[0] == pytest.approx(coco_numbers(truth, results, sigmas)["ap"], abs=1e-12)
    for one, ap in zip(counts, found[1:], strict=True):
        assert ap == pytest.approx(coco_numbers(*copied(truth, results, one), sigmas)["ap"], abs=1e-9)
    assert 0.02 < found.min() <= found.max() < 0.98


def test_nobody_found_and_nobody_there_score_nothing(datasets: Datasets) -> None:
    truth, results = crowded(datasets, 0)
    images = len(truth.image_ids)
    assert average_precision(match(truth, [], datasets.skeleton.sigmas))(np.ones((2, images))).tolist() == [0, 0]
    assert average_precision(match(truth, results, datasets.skeleton.sigmas))(np.zeros((1, images))).tolist() == [0]


def drawn_scores(generator: np.random.Generator, seeds: int, gain: float, images: int = 200,
                 spread: float = 0.02) -> list[Score]:
    """Shares of right keypoints: images are hard or easy, and each training is off by something of its own."""
    hard = generator.random(images)
    found = []
    for _ in range(seeds):
        chance = np.clip(hard + gain + spread * generator.standard_normal(), 0, 1)
        found.append(share(generator.binomial(10, chance), np.full(images, 10)))
    return found


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.02), (2, 0.02), (3, 0.02), (3, 0.0), (5, 0.05)])
def test_a_method_held_against_itself_shows_no_difference_in_nine_of_ten(seeds: int, spread: float) -> None:
    generator = np.random.default_rng(seeds)
    shown = 0
    for draw in range(100):
        hard = np.random.default_rng(draw)
        both = drawn_scores(hard, 2 * seeds, 0.0, spread=spread)
        shown += paired_gain(both[:seeds], both[seeds:], 200, seed=int(generator.integers(1000))).is_shown
    assert shown <= 10


def test_many_images_and_equal_seeds_do_not_hide_a_gain() -> None:
    """What few seeds leave open is how much they differ, not what the images say."""
    images = np.random.default_rng(0).random(400)

    def trained(seed: int, gain: float) -> Score:
        return share(np.random.default_rng(seed).binomial(10, np.clip(images + gain, 0, 1)), np.full(400, 10))

    shown = [paired_gain([trained(2 * draw, 0.05), trained(2 * draw + 1, 0.05), trained(2 * draw + 700, 0.05)],
                         [trained(2 * draw + 300, 0), trained(2 * draw + 301, 0), trained(2 * draw + 900, 0)], 400
                         ).is_shown for draw in range(30)]
    assert sum(shown) >= 24


def test_the_interval_is_students_where_the_images_say_nothing() -> None:
    """Every image the same: what is left is the t interval of the seeds' gains, as scipy has it."""
    gains = np.array([0.1, 0.3, 0.5])
    ours = [share(np.full(50, 10 * gain), np.full(50, 10)) for gain in gains]
    gain = paired_gain(ours, [share(np.zeros(50), np.full(50, 10))] * 3, 50)
    low, high = stats.t.interval(0.95, 2, loc=0.3, scale=gains.std(ddof=1) / np.sqrt(3))
    assert (gain.low, gain.high) == pytest.approx((low, high)) and not gain.is_shown


def test_a_true_gain_is_shown_with_its_size() -> None:
    generator = np.random.default_rng(0)
    state = generator.bit_generator.state
    ours = drawn_scores(generator, 3, 0.1, spread=0.01)
    generator.bit_generator.state = state  # the same images
    theirs = drawn_scores(generator, 3, 0.0, spread=0.01)
    gain = paired_gain(ours, theirs, 200)
    assert gain.is_shown and gain.low < gain.mean < gain.high and gain.seeds == 3
    assert gain.mean == pytest.approx(0.09, abs=0.03) and gain.spread is not None and gain.spread < 0.05
    back = paired_gain(theirs, ours, 200)
    assert back.mean == -gain.mean and back.is_shown and back.high < 0
    assert str(gain).startswith(f"{gain.mean:+.3f} ± ") and "no difference" not in str(gain)


def test_what_is_the_same_shows_nothing() -> None:
    one = drawn_scores(np.random.default_rng(0), 3, 0.0)
    gain = paired_gain(one, one, 200)
    assert (gain.mean, gain.low, gain.high) == (0, 0, 0) and str(gain).endswith(", no difference shown")
    alone = paired_gain(one[:1], one[1:2], 200)
    assert alone.spread is None and "±" not in str(alone) and alone.low < alone.mean < alone.high
    far = paired_gain(drawn_scores(np.random.default_rng(0), 1, 0.4), one[:1], 200)
    assert far.low > 0 and not far.is_shown and str(far).endswith("no difference shown by one seed")


def test_more_images_and_seeds_make_the_interval_narrower() -> None:
    def width(seeds: int, images: int) -> float:
        found = []
        for draw in range(10):
            both = drawn_scores(np.random.default_rng(draw), 2 * seeds, 0.0, images)
            gain = paired_gain(both[:seeds], both[seeds:], images)
            found.append(gain.high - gain.low)
        return float(np.mean(found))

    assert width(8, 200) < width(3, 200) < width(2, 200) and width(8, 800) < width(8, 100)


def test_a_mean_of_networks_is_that_of_their_scores() -> None:
    one, two = drawn_scores(np.random.default_rng(0), 2, 0.0)
    counts = np.random.default_rng(1).multinomial(200, np.full(200, 1 / 200), size=4)
    assert mean_of([one, two])(counts) == pytest.approx((one(counts) + two(counts)) / 2)
