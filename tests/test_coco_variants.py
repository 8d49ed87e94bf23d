"""The variants are what they say: odd files made of a clean one, whose poses a scorer can get wrong."""

from __future__ import annotations

import copy

import pytest

from tests.coco_variants import (
    NAMES,
    RESULT_VARIANTS,
    VARIANTS,
    ResultVariant,
    Variant,
    as_json,
    clean_content,
    is_labeled,
    poses_near,
    same_results,
    unchanged,
)
from tests.naive_scorer import coco_numbers
from tests.scorer_cases import COCO_SIGMAS


def ap(content: dict, results: list, sigma: float | None = None) -> float | None:
    sigmas = list(COCO_SIGMAS.values()) if sigma is None else [sigma] * len(NAMES)
    return coco_numbers(content["annotations"], results, sigmas, [image["id"] for image in content["images"]])["ap"]


def test_names_are_their_own() -> None:
    for variants in (VARIANTS, RESULT_VARIANTS):
        names = [variant.name for variant in variants]
        assert len(names) == len(set(names)) > 30


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_variant_differs_and_leaves_the_clean_file_alone(variant: Variant) -> None:
    content, results = clean_content(), poses_near(clean_content())
    before = copy.deepcopy((content, results))
    changed = variant.encode(variant.change(content)) != as_json(content) or variant.results(results) != results
    assert changed and (content, results) == before


@pytest.mark.parametrize("variant", RESULT_VARIANTS, ids=str)
def test_a_variant_of_results_differs_and_leaves_them_alone(variant: ResultVariant) -> None:
    content, results = clean_content(), poses_near(clean_content())
    before = copy.deepcopy((content, results))
    assert variant.encode(variant.change(results, content)) != as_json(results) and (content, results) == before


def test_the_clean_copies_can_be_scored() -> None:
    """Neither all right nor all wrong, so that a mistake is seen."""
    content = clean_content()
    results = poses_near(content)
    special = [variant for variant in VARIANTS
               if variant.clean is not unchanged or variant.clean_results is not same_results or variant.sigmas]
    assert len(special) > 10
    for variant in [VARIANTS[0], *special]:
        found = ap(variant.clean(content), variant.clean_results(results), variant.sigmas)
        assert found is not None and 0.3 < found < 0.98, variant.name


def test_everybody_counts() -> None:
    """Whoever is lost, a person or an ignored region, changes the AP by more than what is owed."""
    content, results = clean_content(), poses_near(clean_content())
    whole = ap(content, results)
    people = content["annotations"]
    assert sum(is_labeled(person) for person in people) == len(people) - 2
    for lost in people:
        rest = {**content, "annotations": [person for person in people if person is not lost]}
        assert abs(ap(rest, results) - whole) > 5e-4, lost["id"]


def test_unlabeled_keypoints_are_there() -> None:
    visibilities = [v for person in clean_content()["annotations"] for v in person["keypoints"][2::3]]
    assert {0, 1, 2} == set(visibilities)
    assert same_results(poses_near(clean_content())) == poses_near(clean_content())
