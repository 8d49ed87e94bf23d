import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from trs.data.datasets import Datasets
from trs.data.split import Split, apply_split, draw_dev, draw_split, load_split, save_split
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


def test_people_to_choose_on_are_those_of_whole_images(datasets: Datasets) -> None:
    people = dataclasses.replace(datasets.unlabeled, image_ids=np.arange(40) // 3)  # three people an image
    apart = draw_dev(people, 10, 0)
    assert apart.sum() == 12 or (apart.sum() == 10 and apart[-1])  # the last image has one
    assert not set(people.image_ids[apart]) & set(people.image_ids[~apart])
    shuffled = np.random.default_rng(3).permutation(40)
    assert set(people.ids[apart]) == set(people.ids[shuffled][draw_dev(people.take(shuffled), 10, 0)])
    assert (draw_dev(people, 10, 1) != apart).any()
    one = draw_dev(datasets.unlabeled, 1, 0)
    assert one.sum() == 1
    for count in (40, 1000):
        with pytest.raises(InputError, match=f"data.dev_count is {count}, but the training set has only 40 labeled"):
            draw_dev(people, count, 0)


def test_too_many_labels_and_foreign_manifests_are_refused(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only 8 labeled people"):
        draw_split(datasets.labeled.ids, 9, "random", 0)
    with pytest.raises(InputError, match="made for another file"):
        apply_split(datasets.labeled, Split("random", 0, (10**9,)))
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(InputError, match="not a split manifest"):
        load_split(tmp_path / "bad.json")


@pytest.mark.parametrize(("content", "words"), [
    ({"seed": float("inf")}, "its seed must be a whole number"), ({"seed": "5"}, "its seed"),
    ({"seed": True}, "its seed"), ({"seed": 5.0}, "its seed"), ({"method": []}, "its method"),
    ({"method": "best"}, "its method must be random or first"), ({"labeled_ids": "12"}, "its labeled_ids"),
    ({"labeled_ids": [1, 2.0]}, "its labeled_ids must be whole numbers"), ({"labeled_ids": [2**64]}, "its labeled_ids"),
    ({"labeled_ids": None}, "its labeled_ids"), ({"labeled_ids": [3, 4, 3]}, "it names somebody twice"),
    ("[" * 5000, "it is nested too deep"), ("{", "it is not JSON"), ("5", "it must hold labeled_ids, method, seed"),
    (b"\xff\xfe", "it is not UTF-8")])
def test_what_is_no_manifest_is_refused_in_a_sentence(tmp_path: Path, content: dict | str | bytes, words: str) -> None:
    whole = {"method": "random", "seed": 5, "labeled_ids": [1, 2]}
    path = tmp_path / "split\n.json"
    path.write_text(json.dumps(whole))
    assert load_split(path) == Split("random", 5, (1, 2))
    written = json.dumps(whole | content) if isinstance(content, dict) else content
    path.write_bytes(written.encode() if isinstance(written, str) else written)
    with pytest.raises(InputError, match=rf"split\\n\.json is not a split manifest \(.*\): {words}") as refused:
        load_split(path)
    assert str(refused.value).isprintable()


def test_a_manifest_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a split manifest .*: No such file or directory$"):
        load_split(tmp_path / "split.json")
