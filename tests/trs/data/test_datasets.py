"""From the paths in a config to the people that are learned from and measured on, or one sentence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trs.config import DataConfig
from trs.data.datasets import load_datasets, people_to_choose_on, require_unlabeled
from trs.data.synthetic import draw_dataset
from trs.errors import InputError

TRAIN, VAL = "annotations/person_keypoints_train.json", "annotations/person_keypoints_val.json"


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    """Twelve people to train on, a third of them labeled, and five to validate on."""
    draw_dataset(tmp_path / "people", train_count=12, val_count=5, seed=2)
    return DataConfig(root=str(tmp_path / "people"), train_annotations=TRAIN, train_images="train",
                      val_annotations=VAL, val_images="val", labeled_count=4)


def edit(data: DataConfig, file: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = Path(data.root, file)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def without_labels(content: dict[str, Any]) -> None:
    for record in content["annotations"]:
        record["keypoints"] = [0] * 51


@pytest.mark.parametrize(("file", "name"), [(TRAIN, "labeled"), (VAL, "val")])
def test_a_set_of_nobody_is_told_with_who_was_left_out(data: DataConfig, file: str, name: str) -> None:
    edit(data, file, without_labels)
    everybody = dataclasses.replace(data, labeled_count=None)
    with pytest.raises(InputError, match=rf"^the {name} set is empty: no person with a labeled keypoint and a box; "
                                         rf".*left out: \d+ without a labeled keypoint; check .*{Path(file).name}$"):
        load_datasets(everybody)


def test_the_labeled_and_the_others_are_the_training_set(data: DataConfig) -> None:
    found = load_datasets(data)
    assert (len(found.labeled), len(found.unlabeled), len(found.val)) == (4, 8, 5)
    assert not set(found.labeled.ids.tolist()) & set(found.unlabeled.ids.tolist())
    assert found.labeled.keypoint_weights.any() and not found.unlabeled.keypoint_weights.any()
    fewer = load_datasets(dataclasses.replace(data, unlabeled_count=3))
    assert fewer.unlabeled.ids.tolist() == found.unlabeled.ids[:3].tolist()


def test_who_chooses_neither_learns_nor_is_the_test(data: DataConfig) -> None:
    found = load_datasets(dataclasses.replace(data, dev_count=3))
    assert [len(people) for people in (found.labeled, found.unlabeled, found.val, found.test)] == [4, 5, 3, 5]
    learned = {*found.labeled.ids.tolist(), *found.unlabeled.ids.tolist()}
    assert not learned & set(found.val.ids.tolist()) and len(learned) == 9
    assert found.truth.people.ids.tolist() == found.val.ids.tolist() and found.val.keypoint_weights.any()
    plain, tested = load_datasets(data), found.of_test()
    assert plain.test is None
    assert tested.val.files.tolist() == plain.val.files.tolist() and tested.test is None
    assert tested.truth.people.ids.tolist() == plain.truth.people.ids.tolist()
    other = load_datasets(dataclasses.replace(data, dev_count=3, split_seed=1))
    assert set(other.val.ids.tolist()) != set(found.val.ids.tolist())
    fewer = load_datasets(dataclasses.replace(data, dev_count=3, labeled_count=2))
    assert fewer.val.ids.tolist() == found.val.ids.tolist()
    alone = people_to_choose_on(Path(data.root), dataclasses.replace(data, dev_count=3), found.skeleton)
    assert alone.ids.tolist() == found.val.ids.tolist()
    with pytest.raises(InputError, match="leave out data"):
        dataclasses.replace(data, dev_count=3, val_detections="boxes.json")


def test_nothing_unlabeled_is_refused_where_it_is_needed(data: DataConfig) -> None:
    require_unlabeled(load_datasets(data))
    with pytest.raises(InputError, match=r"^the unlabeled set is empty: label fewer people"):
        require_unlabeled(load_datasets(dataclasses.replace(data, labeled_count=None)))


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"root": ""}, r"^where is the dataset\? data\.root must name its folder"),
    ({"root": "/nowhere"}, "^there is no folder /nowhere; check data.root"),
    ({"train_images": "nowhere"}, "^there is no folder .*/people/nowhere; check data.root and the image folders"),
    ({"val_images": "nowhere"}, "^there is no folder .*/people/nowhere; check data.root and the image folders"),
    ({"val_annotations": "nowhere.json"}, "^there is no file .*/people/nowhere.json; check its name and its folder$")])
def test_what_is_not_there_is_told(data: DataConfig, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_datasets(dataclasses.replace(data, **changes))


def test_validation_keypoints_are_found_by_name_in_any_order(data: DataConfig) -> None:
    before = load_datasets(data)

    def backwards(content: dict[str, Any]) -> None:
        content["categories"][0]["keypoints"].reverse()
        for record in content["annotations"]:
            record["keypoints"] = np.reshape(record["keypoints"], (17, 3))[::-1].ravel().tolist()

    edit(data, VAL, backwards)
    after = load_datasets(data)
    np.testing.assert_array_equal(after.val.keypoints, before.val.keypoints)
    assert after.truth is not None and before.truth is not None
    np.testing.assert_array_equal(after.truth.records.keypoints, before.truth.records.keypoints)


def test_of_images_that_are_not_measured_nobody_is_missed(data: DataConfig) -> None:
    found = load_datasets(dataclasses.replace(data, val_count=2))
    assert found.truth is not None
    assert len(found.val) == len(found.truth.people) == 2
    assert found.truth.image_ids.tolist() == sorted(found.val.image_ids.tolist())


def test_a_detection_counts_in_an_image_without_people_too(data: DataConfig, tmp_path: Path) -> None:
    edit(data, VAL, lambda content: content["annotations"].pop())
    content = json.loads(Path(data.root, VAL).read_text())
    boxes = [{"image_id": image["id"], "category_id": 1, "bbox": [1, 1, 50, 80], "score": 0.3}
             for image in content["images"]]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    detected = dataclasses.replace(data, val_detections=str(tmp_path / "boxes.json"))
    whole, part = load_datasets(detected), load_datasets(dataclasses.replace(detected, val_count=2))
    assert whole.truth is not None and part.truth is not None
    assert len(whole.val) == len(whole.truth.image_ids) == 5 and len(whole.truth.people) == 4
    assert len(part.val) == len(part.truth.image_ids) == 2


def test_who_was_left_out_of_each_file_is_told(data: DataConfig) -> None:
    assert load_datasets(data).notes == ()
    for file in (TRAIN, VAL):
        edit(data, file, lambda content: content["annotations"][0].update(iscrowd=1))
    edit(data, TRAIN, lambda content: content["categories"][0].update(
        keypoints=[f"point {place}" for place in range(17)]))
    edit(data, VAL, lambda content: content["categories"][0].update(
        keypoints=[f"point {place}" for place in range(17)]))
    said = " | ".join(load_datasets(data).notes)
    assert "person_keypoints_train.json: left out: 1 crowd" in said
    assert "person_keypoints_val.json: left out: 1 crowd" in said
    assert "no mirror pairs are known" in said and "is a guess" in said


def test_a_name_that_would_turn_a_terminals_writing_is_printed_escaped(data: DataConfig) -> None:
    for file in (TRAIN, VAL):
        edit(data, file, lambda content: content["categories"][0].update(
            keypoints=["\u202eleft wing", "\u202eright wing", *(f"joint \x1b[{place}m" for place in range(15))]))
    said = " | ".join(load_datasets(data).notes)
    assert "is a guess" in said and "joint_\\x1b[0m" in said and said.isprintable()


@pytest.mark.parametrize("file", [TRAIN, VAL])
def test_so_many_damaged_people_are_refused_before_anything_starts(data: DataConfig, file: str) -> None:
    def damage(content: dict[str, Any]) -> None:
        for record in content["annotations"][1:]:
            record["image_id"] = 99

    edit(data, file, damage)
    one_label = dataclasses.replace(data, labeled_count=1)
    with pytest.raises(InputError, match=rf"^{Path(file).name}: \d+ of \d+ labeled people cannot be used, more than "
                                         r"data\.max_left_out = 0\.5: \d+ in an image that the file does not list"):
        load_datasets(one_label)
    assert len(load_datasets(dataclasses.replace(one_label, max_left_out=1)).labeled) == 1
