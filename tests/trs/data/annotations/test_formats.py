"""MPII, AI Challenger and CrowdPose: small files by hand, and the genuine samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Reason
from trs.data.crops import crop_person
from trs.data.images import read_image
from trs.errors import InputError
from trs.skeleton import AIC, MPII

NECK, TOP = MPII.names.index("upper_neck"), MPII.names.index("head_top")


def mpii_record(**changes) -> dict:
    joints = [[float(10 + 3 * index), float(20 + 2 * index)] for index in range(16)]
    return {"image": "a.jpg", "center": [50.0, 60.0], "scale": 0.5, "joints": joints, "joints_vis": [1] * 16} | changes


def write(path: Path, content) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_an_mpii_record_counts_from_one(tmp_path: Path) -> None:
    path = write(tmp_path / "valid.json", [mpii_record(), mpii_record(joints_vis=[0] * 16), mpii_record(image="b.jpg")])
    people, skeleton, truth, *_ = load_people(path, tmp_path)
    assert skeleton == MPII and truth is None
    assert people.ids.tolist() == [0, 2] and people.image_ids.tolist() == [0, 1]
    np.testing.assert_array_equal(people.keypoints[0, 0], [9.5, 19.5])
    # A square of 200 * 0.5 pixels around (50, 60 + 15 * 0.5), half a pixel less because the first is number 1.
    np.testing.assert_array_equal(people.boxes[0], [-0.5, 17.0, 100, 100])
    assert people.image_sizes.tolist() == [[0, 0], [0, 0]]


def test_head_sizes_come_from_the_file_beside_the_list_or_from_the_head(tmp_path: Path) -> None:
    record = mpii_record()
    record["joints"][NECK], record["joints"][TOP] = [40.0, 30.0], [40.0, 10.0]
    hidden = mpii_record(joints_vis=[0 if index == TOP else 1 for index in range(16)])
    path = write(tmp_path / "valid.json", [record, hidden])
    sizes = load_people(path, tmp_path)[0].head_sizes
    assert sizes[0] == 20 and np.isnan(sizes[1])
    corners = np.zeros((2, 2, 2))
    corners[1, :, 0], corners[1, :, 1] = (30, 40), (6, 8)
    scipy.io.savemat(tmp_path / "gt_valid.mat", {"headboxes_src": corners})
    np.testing.assert_allclose(load_people(path, tmp_path)[0].head_sizes, [30, 6])
    scipy.io.savemat(tmp_path / "gt_valid.mat", {"headboxes_src": np.zeros((2, 2, 3))})
    with pytest.raises(InputError, match="the list beside it 2 people"):
        load_people(path, tmp_path)


def test_the_official_release_gives_its_training_people(tmp_path: Path) -> None:
    def person(shift: float) -> dict:
        points = [{"x": 5.0 + shift, "y": 7.0, "id": 9, "is_visible": 1}, {"x": 6.0, "y": 8.0 + shift, "id": 0,
                                                                          "is_visible": 0}]
        return {"x1": 1.0, "y1": 2.0, "x2": 4.0, "y2": 6.0, "annopoints": {"point": points}, "scale": 0.5,
                "objpos": {"x": 20.0, "y": 30.0}}

    images = [{"image": {"name": "a.jpg"}, "annorect": [person(0.0), person(1.0)]},
                {"image": {"name": "test.jpg"}, "annorect": person(2.0)},
                {"image": {"name": "b.jpg"}, "annorect": person(3.0)}]
    path = tmp_path / "mpii_human_pose_v1_u12_1.mat"
    scipy.io.savemat(path, {"RELEASE": {"annolist": images, "img_train": [1, 0, 1]}})
    people, skeleton, *_ = load_people(path, tmp_path)
    assert skeleton == MPII and people.files.tolist() == ["a.jpg", "a.jpg", "b.jpg"]
    np.testing.assert_array_equal(people.keypoints[1, 9], [5.5, 6.5])
    assert people.keypoint_weights.sum(1).tolist() == [2, 2, 2]
    np.testing.assert_allclose(people.head_sizes, 0.6 * 5)
    scipy.io.savemat(path, {"something": 1})
    with pytest.raises(InputError, match="cannot read RELEASE"):
        load_people(path, tmp_path)


def test_an_aic_image_holds_several_people(tmp_path: Path) -> None:
    points = [30, 40, 1] + [31, 41, 2] + [0, 0, 3] * 12
    path = write(tmp_path / "aic.json", [{
        "image_id": "abc", "human_annotations": {"human1": [10, 20, 40, 80], "human2": [0, 0, 0, 0]},
        "keypoint_annotations": {"human1": points, "human2": points}}])
    people, skeleton, *_ = load_people(path, tmp_path)
    assert skeleton == AIC and people.files.tolist() == ["abc.jpg"]
    np.testing.assert_array_equal(people.boxes, [[10, 20, 30, 60]])
    assert people.keypoint_weights.sum() == 2
    np.testing.assert_array_equal(people.keypoints[0, 0], [30.5, 40.5])


@pytest.mark.parametrize(("record", "words"), [
    ({"joints": [[1, 2]]}, "record 0 needs 16x2 finite numbers under 'joints'"),
    ({"scale": "big"}, "record 0 has no finite number under 'scale'"),
    ({"scale": 10**400}, "record 0 has no finite number under 'scale'"), ({"scale": True}, "under 'scale'"),
    ({"center": [10**400, 0]}, "record 0 needs 2 finite numbers under 'center'"),
    ({"image": "../../secret.jpg"}, "image 0 points outside its folder"),
    ({"image": "../" + "x" * 9999}, r"image 0 points outside its folder: '\.\./x+\.\.\.$")])
def test_a_malformed_mpii_record_is_named(tmp_path: Path, record: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_people(write(tmp_path / "train.json", [mpii_record(**record)]), tmp_path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("change", [{"scale": 1e308}, {"scale": -1.0}, {"scale": 0}, {"scale": 5e-324}, {"scale": 600}])
def test_a_scale_that_nobody_has_is_left_out_and_counted(tmp_path: Path, change: dict) -> None:
    read = load_people(write(tmp_path / "train.json", [mpii_record(**change), mpii_record()]), tmp_path)
    assert read.people.ids.tolist() == [1] and read.findings.left_out == {Reason.NO_SIZE: 1}
    assert np.isfinite(read.people.boxes).all()


@pytest.mark.filterwarnings("error")
def test_a_head_without_a_size_is_not_known(tmp_path: Path) -> None:
    path = write(tmp_path / "valid.json", [mpii_record()] * 5)
    corners = np.zeros((2, 2, 5))
    corners[:, 0, 4] = np.inf
    corners[1, :, :4] = [[30, 0, np.nan, 1e308], [40, 0, 1, -1e308]]
    scipy.io.savemat(tmp_path / "gt_valid.mat", {"headboxes_src": corners})
    np.testing.assert_array_equal(load_people(path, tmp_path)[0].head_sizes, [30, *[np.nan] * 4])
    bytes_ = (np.arange(20) % 7).astype(np.uint8).reshape(2, 2, 5)
    scipy.io.savemat(tmp_path / "gt_valid.mat", {"headboxes_src": bytes_})
    assert (load_people(path, tmp_path)[0].head_sizes < 6).all()  # 3 - 5 is no 254
    scipy.io.savemat(tmp_path / "gt_valid.mat", {"headboxes_src": [["a", "b"]]})
    with pytest.raises(InputError, match="holds no numbers under headboxes_src"):
        load_people(path, tmp_path)


@pytest.mark.parametrize(("change", "words"), [
    ({"id": 99}, "a point has the number 99, and there are 16, from 0"), ({"id": -1}, "a point has the number -1"),
    ({"id": 2.0**53}, "a point has the number 9007199254740992"), ({"x": "a"}, "could not convert"), ({"id": []}, "")])
def test_a_malformed_release_is_refused_in_a_sentence(tmp_path: Path, change: dict, words: str) -> None:
    person = {"x1": 1.0, "y1": 2.0, "x2": 4.0, "y2": 6.0, "scale": 0.5, "objpos": {"x": 20.0, "y": 30.0},
              "annopoints": {"point": [{"x": 5.0, "y": 7.0, "id": 9}, {"x": 6.0, "y": 8.0, "id": 0} | change]}}
    scipy.io.savemat(tmp_path / "release.mat", {"RELEASE": {
        "annolist": [{"image": {"name": "a.jpg"}, "annorect": person}] * 2, "img_train": [1, 1]}})
    with pytest.raises(InputError, match=f"release.mat is not MPII's annotation file: {words}") as refused:
        load_people(tmp_path / "release.mat", tmp_path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_people_of_a_release_that_are_not_finite_are_left_out(tmp_path: Path, value: float) -> None:
    def person(x: float, place: float) -> dict:
        return {"x1": 1.0, "y1": 2.0, "x2": 4.0, "y2": 6.0, "scale": 0.5, "objpos": {"x": place, "y": 30.0},
                "annopoints": {"point": [{"x": x, "y": 7.0, "id": 9}, {"x": 6.0, "y": 8.0, "id": 0}]}}

    people = [person(5.0, 20.0), person(value, 20.0), person(5.0, value)]
    scipy.io.savemat(tmp_path / "release.mat", {"RELEASE": {
        "annolist": [{"image": {"name": "a.jpg"}, "annorect": people}] * 2, "img_train": [1, 0]}})
    read = load_people(tmp_path / "release.mat", tmp_path)
    assert read.people.ids.tolist() == [0]
    assert read.findings.left_out == {Reason.NOT_FINITE: 1, Reason.NO_SIZE: 1}


@pytest.mark.filterwarnings("error")
def test_people_of_aic_without_a_box_are_left_out_and_counted(tmp_path: Path) -> None:
    points = [30, 40, 1] + [0, 0, 3] * 13
    boxes = {"a": [10, 20, 40, 80], "b": [0, 0, 1e308, 1e308], "c": [0, 0, 0, 5], "d": [0, 0, 1e-200, 1e-200]}
    path = write(tmp_path / "aic.json", [{"image_id": "abc", "human_annotations": boxes,
                                          "keypoint_annotations": dict.fromkeys([*boxes, "e\n"], points)}])
    read = load_people(path, tmp_path)
    assert read.people.ids.tolist() == [0] and read.findings.left_out == {Reason.NO_SIZE: 3, Reason.NO_BOX: 1}
    assert read.findings.examples[Reason.NO_BOX] == [r"0 e\n"]


@pytest.mark.parametrize(("change", "words"), [
    ({"image_id": None}, "record 0 names no image under 'image_id'"), ({"image_id": [1]}, "names no image"),
    ({"human_annotations": {"a\x1b[31m\n": [1, 2, 3]}}, r"record 0 a\\x1b\[31m\\n needs 4 finite numbers under 'box'"),
    ({"human_annotations": {"a": [1, 2, 3, 10**400]}}, "record 0 a needs 4 finite numbers under 'box'")])
def test_what_is_wrong_with_an_aic_record_is_one_line(tmp_path: Path, change: dict, words: str) -> None:
    record = {"image_id": "abc", "human_annotations": {}, "keypoint_annotations": {}} | change
    with pytest.raises(InputError, match=words) as refused:
        load_people(write(tmp_path / "aic.json", [record]), tmp_path)
    assert str(refused.value).isprintable()


def test_a_malformed_aic_record_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "aic.json", [{"image_id": "a", "human_annotations": {"human1": [1, 2, 3, 4]},
                                          "keypoint_annotations": {"human1": [1, 2]}}])
    with pytest.raises(InputError, match="record 0 human1 needs 42 finite numbers under 'keypoints'"):
        load_people(path, tmp_path)


@pytest.mark.parametrize(("name", "file", "count", "keypoints"), [
    ("mpii", "test_mpii.json", 5, 16), ("aic", "test_aic.json", 9, 14), ("crowdpose", "test_crowdpose.json", 4, 14)])
def test_the_genuine_samples_load_and_every_keypoint_lies_in_its_image(name: str, file: str, count: int,
                                                                         keypoints: int, samples: Path) -> None:
    root = samples / name
    people, skeleton, *_ = load_people(root / file, root)
    assert (len(people), len(skeleton)) == (count, keypoints) and skeleton.limbs
    assert skeleton.flip_order != list(range(keypoints))
    for row in range(count):
        image = read_image(people.root, people.files[row], tuple(people.image_sizes[row]), people.frame)
        height, width = image.shape[:2]
        places = people.keypoints[row][people.keypoint_weights[row] > 0]
        assert (places >= 0).all() and (places <= [width, height]).all()
        assert crop_person(people, row, (128, 96))[0].shape == (128, 96, 3)
    assert (people.areas > 0).all() and np.isfinite(people.head_sizes).all() == (name == "mpii")


@pytest.mark.parametrize(("content", "words"), [
    ([mpii_record(), "a"], "record 1 is not an object but str"),
    ([{"keypoint_annotations": {}, "human_annotations": []}], "record 0 needs its people by name"),
    ([{"keypoint_annotations": {}}, 3], "record 1 is not an object but int"),
    ([1, 2], "is not a COCO file")])
def test_lists_of_something_else_are_refused_in_a_sentence(tmp_path: Path, content: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_people(write(tmp_path / "list.json", content), tmp_path)


def test_half_of_a_mirror_pair_is_refused() -> None:
    with pytest.raises(InputError, match="left_wrist and right_wrist are a mirror pair; choose both or neither"):
        MPII.select(("left_wrist", "head_top"))
