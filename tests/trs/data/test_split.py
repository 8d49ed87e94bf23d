import dataclasses
from pathlib import Path

import numpy as np
import pytest

from trs.data.datasets import Datasets
from trs.data.split import Split, apply_split, draw_split, load_split, save_split
from trs.errors import InputError


def test_the_draw_depends_on_the_seed_and_not_on_the_order(datasets: Datasets) -> None:
    people = datasets.unlabeled
    shuffled = people.take(np.random.default_rng(0).permutation(len(people)))
    first, again = draw_split(people.ids, 10, "random", 1), draw_split(shuffled.ids, 10, "random", 1)
    assert first == again
    assert len(set(first.labeled_ids)) == 10
    assert draw_split(people.ids, 10, "random", 2) != first
    assert draw_split(people.ids, 3, "first", 0).labeled_ids == tuple(people.ids[:3])


def test_labeled_and_unlabeled_part_the_people(datasets: Datasets) -> None:
    assert len(datasets.labeled) == 8 and len(datasets.unlabeled) == 40
    assert not set(datasets.labeled.ids) & set(datasets.unlabeled.ids)
    assert datasets.unlabeled.keypoint_weights.sum() == 0 and datasets.labeled.keypoint_weights.sum() > 0


def test_labeled_people_may_be_among_the_unlabeled(datasets: Datasets) -> None:
    people = dataclasses.replace(datasets.labeled)
    labeled, unlabeled = apply_split(people, draw_split(people.ids, 3, "random", 0), include_labeled=True)
    assert len(labeled) == 3 and len(unlabeled) == 8


def test_the_manifest_round_trips(datasets: Datasets, tmp_path: Path) -> None:
    save_split(datasets.split, tmp_path / "split.json")
    assert load_split(tmp_path / "split.json") == datasets.split


def test_too_many_labels_and_foreign_manifests_are_refused(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only 8 labeled people"):
        draw_split(datasets.labeled.ids, 9, "random", 0)
    with pytest.raises(InputError, match="made for another file"):
        apply_split(datasets.labeled, Split("random", 0, (10**9,)))
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(InputError, match="not a split manifest"):
        load_split(tmp_path / "bad.json")
