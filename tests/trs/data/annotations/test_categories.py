"""Which categories are people of one skeleton, and what a file, a person or the names say of that skeleton."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trs.data.annotations.annotations import Annotations
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Reason
from trs.data.annotations.reading import Reading
from trs.errors import InputError

NAMES = ["nose", "left_hip", "right_hip"]
PERSON = {"id": 1, "name": "person", "keypoints": NAMES}


def record(number: int, category: Any = 1, count: int = 3, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 3, "category_id": category, "iscrowd": 0, "bbox": [1, 2, 30, 40], "area": 600,
            "keypoints": [5 + number, 6, 2, 0, 0, 0, 8, 9, 1, 7, 7, 1][:3 * count], **changes}


def read(folder: Path, categories: list[dict[str, Any]], *records: Any, wanted: tuple[str, ...] = (),
         **said: Any) -> Annotations:
    path = folder / "a.json"
    images = [{"id": 3, "file_name": "a.jpg", "height": 50, "width": 60}]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": list(records)}))
    return load_people(path, folder, Reading(**said), wanted)


def test_what_is_no_record_is_counted(tmp_path: Path) -> None:
    found = read(tmp_path, [PERSON], record(1), 5, None, "x", [])
    assert len(found.people) == 1 and found.findings.left_out == {Reason.NO_RECORD: 4}


def test_nobody_is_blamed_for_a_crowds_keypoints(tmp_path: Path) -> None:
    found = read(tmp_path, [PERSON], record(1), record(2, iscrowd=1, keypoints=[1, 2]),
                 record(3, iscrowd=1, keypoints=None), record(4, iscrowd=1))
    assert found.findings.left_out == {Reason.CROWD: 3} and found.findings.faults == 0
    assert found.truth is not None and found.truth.crowds.tolist() == [False, True, True, True]
    assert len(found.people) == 1


@pytest.mark.parametrize(("keypoints", "weights"), [
    ([5, 6, 0, 0, 8, 9], [1, 0, 1]), ([[5, 6], [0, 0], [8, 9]], [1, 0, 1]), ([5, 6, None, 4, 8, 9], [1, 0, 1]),
    ([5, 6, 0, 4, 8, 9], [1, 1, 1]), ([[5, 6, 2], [0, 0, 0], [8, 9, 1]], [1, 0, 1])])
def test_pairs_and_nested_keypoints(tmp_path: Path, keypoints: list[Any], weights: list[int]) -> None:
    people = read(tmp_path, [PERSON], record(1, keypoints=keypoints)).people
    assert people.keypoint_weights.tolist() == [weights]
    np.testing.assert_array_equal(people.keypoints[0, [0, 2]], [[5.5, 6.5], [8.5, 9.5]])


def test_where_nothing_is_labeled_the_place_is_a_number(tmp_path: Path) -> None:
    people = read(tmp_path, [PERSON], record(1, keypoints=[5, 6, 2, float("nan"), None, 0, 8, 9, 1])).people
    assert people.keypoints[0, 1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("written", "box"), [
    ([None, 2, 30, 40], None), ([float("nan"), 2, 30, 40], None), ([1, float("inf"), 30, 40], None),
    ([1, 2, 30], None), ([31, 42, -30, -40], [1, 2, 30, 40])])
def test_a_box_has_four_finite_numbers(tmp_path: Path, written: list[Any], box: list[float] | None) -> None:
    people = read(tmp_path, [PERSON], record(1, bbox=written)).people
    assert np.isfinite(people.boxes).all()
    assert people.boxes[0].tolist() == (box or pytest.approx([5.76, 5.64, 2.48, 3.72], abs=0.2))


@pytest.mark.parametrize("far", [1e9, -1e9, 1e-9, 1e-30])
def test_keypoints_that_span_no_credible_box_have_none(tmp_path: Path, far: float) -> None:
    found = read(tmp_path, [PERSON], record(1), record(2, bbox=None, keypoints=[0, 0, 2, far, far, 2, 0, 0, 0]))
    assert found.people.ids.tolist() == [1] and found.findings.left_out == {Reason.NO_SIZE: 1}


def test_boxes_of_sides_that_leave_their_images_are_no_corners(tmp_path: Path) -> None:
    """As corners they would not hold their keypoints."""
    found = read(tmp_path, [PERSON], record(1, bbox=[20, 4, 45, 30]), record(2, bbox=[20, 4, 45, 30]))
    assert found.people.boxes.tolist() == [[20, 4, 45, 30]] * 2 and found.findings.notes == []


@pytest.mark.parametrize("ids", [("a", "b"), (None, None), (1, "b"), (-1, -2), (2**64, 2**65)])
def test_ids_that_are_no_whole_numbers_are_places(tmp_path: Path, ids: tuple[Any, Any]) -> None:
    found = read(tmp_path, [PERSON], record(1, id=ids[0]), record(2, id=ids[1]))
    assert found.people.ids.tolist() == [0, 1]
    assert any("people are numbered by their place" in note for note in found.findings.notes)


def test_category_ids_are_unique(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json: category id 1 occurs twice; ids must be unique"):
        read(tmp_path, [PERSON, PERSON | {"id": "1"}], record(1))


@pytest.mark.parametrize("written", [1, "1", 1.0, "person", "PERSON"])
def test_a_category_is_called_by_its_id_or_its_name(tmp_path: Path, written: Any) -> None:
    other = {"id": 2, "name": "dog", "keypoints": ["tail"]}
    assert len(read(tmp_path, [PERSON, other], record(1, written)).people) == 1


def test_the_only_category_need_not_be_named(tmp_path: Path) -> None:
    nameless = record(1)
    del nameless["category_id"]
    assert len(read(tmp_path, [PERSON], nameless).people) == 1
    two = read(tmp_path, [PERSON, PERSON | {"id": 2}], nameless, record(2))
    assert two.findings.left_out == {Reason.UNDECLARED_CATEGORY: 1}


DOG = {"id": 2, "name": "dog", "keypoints": ["nose", "tail_base", "tail_end"]}


def test_the_keypoints_that_most_people_have_are_read_and_the_choice_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, [DOG, PERSON], record(1), record(2), record(3, 2))
    assert found.skeleton.names == tuple(NAMES) and found.people.ids.tolist() == [1, 2]
    assert found.findings.left_out == {Reason.OTHER_CATEGORY: 1}
    assert found.findings.notes == ["the category is person (2), left out are dog (1); data.category chooses another"]
    dogs = read(tmp_path, [DOG, PERSON], record(1), record(2), record(3, 2), category="dog")
    assert dogs.people.ids.tolist() == [3] and dogs.skeleton.names == ("nose", "tail_base", "tail_end")


def test_categories_of_the_same_keypoints_are_taken_as_one(tmp_path: Path) -> None:
    found = read(tmp_path, [PERSON, PERSON | {"id": 2, "name": "child"}], record(1), record(2, 2))
    assert found.people.ids.tolist() == [1, 2] and found.categories == (1, 2, "person", "child")
    assert found.findings.notes[0].startswith("people of 2 categories of the same keypoints are taken as one: ")


def test_records_may_call_a_category_by_a_name_that_is_its_own(tmp_path: Path) -> None:
    cat = {"id": 7, "name": "cat"}
    for name, called in (("person", (1, "person")), ("cat", (1,)), ("1", (1,)), ("7", (1,))):
        assert read(tmp_path, [PERSON | {"name": name}, cat], record(1)).categories == called


def test_the_keypoints_that_are_wanted_come_first(tmp_path: Path) -> None:
    found = read(tmp_path, [DOG, PERSON], record(1), record(2, 2), record(3, 2), wanted=("left_hip",))
    assert found.people.ids.tolist() == [1]


@pytest.mark.parametrize("names", [("nose", "nose", "tail"), ("tail", "nose", " nose")])
def test_given_names_are_distinct(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"^data\.keypoint_names names 'nose' twice; name distinct keypoints$"):
        read(tmp_path, [PERSON], record(1), keypoint_names=names)


@pytest.mark.parametrize(("category", "said"), [("cat", "no category"), ("person", "more than one category")])
def test_a_category_that_is_not_one_of_the_file_is_refused(tmp_path: Path, category: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"data\.category = '{category}' is {said} of the file; there are "
                                         r"person \(1\), person \(2\)"):
        read(tmp_path, [PERSON, PERSON | {"id": 2}], record(1), category=category)


def test_the_names_of_a_skeleton_that_is_grouped_with_a_box_are_borrowed(tmp_path: Path) -> None:
    """As CVAT files it: the people under the box's label, the names under the skeleton's."""
    found = read(tmp_path, [{"id": 1, "name": "box"}, PERSON | {"id": 2, "name": "skeleton"}], record(1))
    assert found.skeleton.names == tuple(NAMES) and len(found.people) == 1


@pytest.mark.parametrize("pairs", [("nose:left_hip",), ("left_hip : nose",)])
def test_given_pairs_change_places(tmp_path: Path, pairs: tuple[str, ...]) -> None:
    assert read(tmp_path, [PERSON], record(1), mirror_pairs=pairs).skeleton.mirror == (1, 0, 2)
    assert read(tmp_path, [PERSON], record(1), mirror_pairs=()).skeleton.mirror == (0, 1, 2)
    assert read(tmp_path, [PERSON], record(1)).skeleton.mirror == (0, 2, 1)


@pytest.mark.parametrize(("pairs", "said"), [
    (("nose",), "'nose' is not a pair LEFT:RIGHT of keypoints of the file; there are nose, left_hip, right_hip"),
    (("nose:ear",), "'nose:ear' is not a pair"), (("nose:left_hip:right_hip",), "is not a pair"),
    (("nose:nose",), "'nose:nose' names a keypoint that has a pair already"),
    (("nose:left_hip", "left_hip:right_hip"), "'left_hip:right_hip' names a keypoint that has a pair already"),
    (("nose:left_hip", "right_hip:nose"), "'right_hip:nose' names a keypoint that has a pair already")])
def test_a_pair_is_two_keypoints_of_the_file_that_have_none(tmp_path: Path, pairs: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=f"data.mirror_pairs: {said}" if said.startswith("'") else said):
        read(tmp_path, [PERSON], record(1), mirror_pairs=pairs)


@pytest.mark.parametrize(("fields", "mirror"), [
    ({"flip_pairs": [[1, 2]]}, (1, 0, 2)), ({"mirror_pairs": [["nose", "left_hip"]]}, (1, 0, 2)),
    ({"keypoint_flip_map": {"nose": "left_hip"}}, (1, 0, 2)), ({"flip_idx": [1, 0, 2]}, (1, 0, 2)),
    ({"flip_idx": [1, 2, 0]}, (0, 2, 1)), ({"flip_idx": [1, 0]}, (0, 2, 1)), ({"flip_idx": [1, 0, 5]}, (0, 2, 1)),
    ({"flip_pairs": [["nose", "ear"]]}, (0, 2, 1)), ({"flip_pairs": [[1, 2], [2, 3]]}, (0, 2, 1)), ({}, (0, 2, 1))])
def test_pairs_that_a_tool_writes_are_read_if_they_are_some(tmp_path: Path, fields: dict[str, Any],
                                                          mirror: tuple[int, ...]) -> None:
    assert read(tmp_path, [PERSON | fields], record(1)).skeleton.mirror == mirror


COCOS = (0.026, 0.107, 0.107)


@pytest.mark.parametrize(("written", "sigmas"), [
    ([0.1, 0.2, 0.3], (0.1, 0.2, 0.3)), (["0.1", 0.2, 0.3], (0.1, 0.2, 0.3)), ([0.1, 0.2], COCOS),
    ([0.1, 0.2, 0], COCOS), ([0.1, 0.2, float("nan")], COCOS), ([0.1, 0.2, -1], COCOS), (5, COCOS)])
def test_sigmas_that_a_tool_writes_are_read_if_they_are_some(tmp_path: Path, written: Any, sigmas: tuple[float, ...]
                                                           ) -> None:
    skeleton = read(tmp_path, [PERSON | {"sigmas": written}], record(1)).skeleton
    assert skeleton.sigmas == sigmas
    assert skeleton.sigmas_from == ("body parts of COCO" if sigmas == COCOS else "the file's category")


@pytest.mark.parametrize("given", ["ear=0.1", "nose=0", "nose=-1", "nose=nan", "nose", "nose=x", "=0.1"])
def test_a_sigma_is_given_to_a_keypoint_of_the_file(tmp_path: Path, given: str) -> None:
    found = read(tmp_path, [PERSON], record(1), sigmas=("nose=0.5", "right_hip = 0.2")).skeleton
    assert found.sigmas == (0.5, 0.107, 0.2) and found.sigmas_from == "body parts of COCO and data.sigmas"
    with pytest.raises(InputError, match=rf"^data\.sigmas: '{given}' is not NAME=VALUE of a keypoint of the file|"
                                         rf"there is no keypoint set '{given}'"):
        read(tmp_path, [PERSON], record(1), sigmas=("left_hip=0.1", given))


def test_a_known_sets_sigmas_are_given_by_name_or_to_as_many_keypoints(tmp_path: Path) -> None:
    assert read(tmp_path, [PERSON], record(1), sigmas=("coco",)).skeleton.sigmas == COCOS
    other = PERSON | {"keypoints": ["one", "two", "three"]}
    with pytest.raises(InputError, match=r"data\.sigmas: COCO has 17 sigmas, the file 3 keypoints of other names"):
        read(tmp_path, [other], record(1), sigmas=("coco",))
