import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from trs.data.annotations.detections import load_detections
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Mended, Reason
from trs.data.annotations.reading import Reading
from trs.errors import InputError
from trs.evaluation.coco_eval import coco_numbers

CATEGORY = {"id": 1, "name": "person", "keypoints": ["nose", "left_hip", "right_hip"], "skeleton": [[1, 2], [1, 3]]}


def content(**changes):
    annotation = {"id": 7, "image_id": 3, "category_id": 1, "iscrowd": 0, "bbox": [1, 2, 30, 40], "area": 600,
                  "num_keypoints": 2, "keypoints": [5, 6, 2, 0, 0, 0, 8, 9, 1]}
    image = {"id": 3, "file_name": "a.jpg", "height": 50, "width": 60}
    return {"categories": [changes.pop("category", CATEGORY)], "images": [image | changes.pop("image", {})],
            "annotations": [annotation | changes]}


def write(folder: Path, value) -> Path:
    path = folder / "annotations.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_record_becomes_a_row_in_continuous_coordinates(tmp_path: Path) -> None:
    people, skeleton, truth, findings, *_ = load_people(write(tmp_path, content()), tmp_path)
    assert skeleton.names == ("nose", "left_hip", "right_hip")
    assert skeleton.flip_order == [0, 2, 1] and skeleton.limbs == ((0, 1), (0, 2))
    assert skeleton.sigmas == (0.026, 0.107, 0.107)
    assert (people.ids.tolist(), people.image_ids.tolist(), people.files.tolist()) == ([7], [3], ["a.jpg"])
    assert truth is not None and truth.image_ids.tolist() == [3]
    assert findings.sentences() == []
    np.testing.assert_array_equal(people.keypoints[0, 0], [5.5, 6.5])
    np.testing.assert_array_equal(people.keypoint_weights, [[1, 0, 1]])
    np.testing.assert_array_equal(people.boxes, [[1, 2, 30, 40]])
    np.testing.assert_array_equal(people.image_sizes, [[50, 60]])


@pytest.mark.parametrize(("change", "reason"), [
    ({"iscrowd": 1}, Reason.CROWD), ({"iscrowd": "1"}, Reason.CROWD), ({"keypoints": [0] * 9}, Reason.UNLABELED),
    ({"keypoints": []}, Reason.NO_KEYPOINTS), ({"keypoints": [1, 2, 2]}, Reason.WRONG_COUNT),
    ({"keypoints": 5}, Reason.WRONG_COUNT), ({"keypoints": [float("nan"), 1, 2] + [1] * 6}, Reason.NOT_FINITE),
    ({"keypoints": [None, 1, 2] + [1] * 6}, Reason.NOT_FINITE),
    ({"keypoints": [10**400, 1, 2] + [1] * 6}, Reason.NOT_FINITE),
    ({"keypoints": [5, 6, 2, 0, 0, 0, 8, 9, "2px"]}, Reason.UNCLEAR),
    ({"image_id": 99}, Reason.UNKNOWN_IMAGE), ({"image_id": [3]}, Reason.UNKNOWN_IMAGE),
    ({"image_id": 3.5}, Reason.UNKNOWN_IMAGE), ({"category_id": 99}, Reason.UNDECLARED_CATEGORY),
    ({"category_id": [1]}, None), ({"keypoints": [[5, 0, 8], [6, 0, 9], [2, 0, 1], []]}, Reason.WRONG_COUNT),
    ({"bbox": None, "area": 0, "keypoints": [5, 6, 2] + [0] * 6}, Reason.NO_SIZE),
    ({"bbox": None, "keypoints": [1e308, 6, 2, -1e308, 6, 2, 0, 0, 0]}, Reason.NO_SIZE),
    ({"bbox": None, "keypoints": [1e308, 6, 2] + [0] * 6}, Reason.NO_SIZE)])
@pytest.mark.filterwarnings("error")
def test_who_cannot_be_learned_from_is_left_out_and_counted(tmp_path: Path, change: dict,
                                                            reason: Reason | None) -> None:
    people, _, truth, findings, *_ = load_people(write(tmp_path, content(**change)), tmp_path)
    assert findings.left_out == ({} if reason is None else {reason: 1})
    assert len(people) == len(truth.people) == (reason is None)


@pytest.mark.parametrize("iscrowd", ["perhaps", 2, -1, [0], 0.5])
def test_a_flag_that_cannot_be_read_is_refused(tmp_path: Path, iscrowd: object) -> None:
    with pytest.raises(InputError, match="record 7: iscrowd must be 0 or 1, not"):
        load_people(write(tmp_path, content(iscrowd=iscrowd)), tmp_path)


def test_boxes_of_two_corners_are_told_by_leaving_their_images(tmp_path: Path) -> None:
    corners = content(bbox=[3, 4, 55, 45], area=None, image={"width": 55})
    people, *_, findings, _, _, _ = load_people(write(tmp_path, corners), tmp_path)
    np.testing.assert_array_equal(people.boxes, [[3, 4, 52, 41]])
    assert people.areas == [pytest.approx(0.53 * 52 * 41)]
    assert "read as two corners: as x, y, width, height 100% of them would leave" in findings.sentences()[0]
    sides = content(bbox=[3, 4, 7, 45], area=None)  # as corners, a keypoint would be outside
    assert load_people(write(tmp_path, sides), tmp_path).people.boxes.tolist() == [[3, 4, 7, 45]]


HULL = [4.64, 5.64, 3.72, 3.72]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("change", "box"), [
    ({"bbox": None}, HULL), ({"bbox": [1, 2, 0, 40]}, HULL),
    ({"bbox": [0, 0, 0, 0]}, HULL), ({"bbox": [1, 2, float("inf"), 40]}, HULL),
    ({"bbox": [-1e7, -1e7, 2e7, 2e7]}, HULL), ({"bbox": [5, 6, 5e-324, 3]}, HULL),
    ({"bbox": [1, 2, 1e200, 1e200]}, HULL), ({"bbox": [0.1, 0.2, 0.5, 0.6]}, HULL),
    ({"bbox": None, "keypoints": [5, 6, 2] + [0] * 6, "area": 53}, [0, 1, 10, 10]),
    ({"bbox": [31, 42, -30, -40]}, [1, 2, 30, 40]), ({"bbox": ["1", "2", "30", "40"]}, [1, 2, 30, 40]),
    ({"bbox": None, "keypoints": [5, 6, 2, 0, 0, 0, 5, 16, 1]}, [3.45, 4.8, 3.1, 12.4])])
def test_a_box_that_is_missing_or_flat_is_the_hull_of_the_keypoints(tmp_path: Path, change: dict, box: list) -> None:
    people, *_, findings, _, _, _ = load_people(write(tmp_path, content(**change)), tmp_path)
    np.testing.assert_allclose(people.boxes, [box])
    assert (Mended.BOX in findings.mended) == (box[:2] != [1, 2])


@pytest.mark.parametrize("change", [
    {"iscrowd": "0"}, {"iscrowd": False}, {"iscrowd": None}, {"iscrowd": 0.0}, {"id": "7"}, {"id": 7.0},
    {"category_id": "1"}, {"category_id": 1.0}, {"image_id": "3"}, {"image_id": 3.0}, {"num_keypoints": 0},
    {"keypoints": [[5, 6, 2], [0, 0, 0], [8, 9, 1]]}, {"keypoints": ["5", "6", "2", "0", "0", "0", "8", "9", "1"]},
    {"keypoints": [5, 6, 2, None, None, 0, 8, 9, 1]}, {"keypoints": [5, 6, True, float("nan"), 0, None, 8, 9, 0.5]}])
def test_what_other_tools_write_reads_the_same(tmp_path: Path, change: dict) -> None:
    expected = load_people(write(tmp_path, content()), tmp_path).people
    people, *_, findings, _, _, _ = load_people(write(tmp_path, content(**change)), tmp_path)
    for column in ("ids", "image_ids", "boxes", "keypoints", "keypoint_weights", "areas"):
        np.testing.assert_array_equal(getattr(people, column), getattr(expected, column))
    assert not findings.left_out and not findings.mended


@pytest.mark.parametrize(("change", "words"), [
    ({"category": {"id": 1, "name": "person"}}, "no category names its keypoints, of which people have 3; name them"),
    ({"category": {"id": 1, "name": "person", "keypoints": ["a", "a", "b"]}}, "no category names its keypoints")])
def test_points_without_names_are_refused_with_the_remedy(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        load_people(write(tmp_path, content(**change)), tmp_path)
    assert "data.keypoint_names" in str(error.value) and "\n" not in str(error.value)
    named = load_people(write(tmp_path, content(**change)), tmp_path, Reading(keypoint_names=("nose", "hipL", "hipR")))
    assert named.skeleton.names == ("nose", "left_hip", "right_hip") and len(named.people) == 1


@pytest.mark.parametrize("area", [None, 0, -5, "large", float("nan"), 2**63, 1.1e10])
def test_an_area_that_is_missing_or_not_positive_is_a_share_of_the_box(tmp_path: Path, area: object) -> None:
    assert load_people(write(tmp_path, content()), tmp_path)[0].areas == [600]
    people, _, truth, findings, *_ = load_people(write(tmp_path, content(area=area)), tmp_path)
    assert people.areas == truth.records.areas == [pytest.approx(0.53 * 30 * 40)]
    assert findings.mended == {Mended.AREA: 1} and "0.53 of the box" in findings.sentences()[0]


def test_limbs_of_another_skeleton_are_replaced_by_the_bodys(tmp_path: Path) -> None:
    """As in CrowdPose's file, which lists COCO's limbs beside its own, fewer keypoints."""
    read = load_people(write(tmp_path, content(category=CATEGORY | {"skeleton": [[1, 9]]})), tmp_path)
    assert read.skeleton.limbs == ((1, 2),)


@pytest.mark.parametrize(("skeleton", "limbs"), [
    ([["nose", "left_hip"]], [(0, 1)]), ([[1, 2, 3]], [(0, 1), (1, 2)]), ([1, 2, 2, 3], [(0, 1), (1, 2)]),
    ([[0, 1], [1, 2]], [(0, 1), (1, 2)]), ([["1", "2"]], [(0, 1)]), ([[1, None]], [(1, 2)]), (None, [(1, 2)]),
    ("none", [(1, 2)]), ([], [(1, 2)]), ([[[1], 2]], [(1, 2)]), ({"a": 1}, [(1, 2)])])
def test_limbs_in_every_form(tmp_path: Path, skeleton: object, limbs: list) -> None:
    read = load_people(write(tmp_path, content(category=CATEGORY | {"skeleton": skeleton})), tmp_path)
    assert list(read.skeleton.limbs) == limbs


def test_duplicate_ids_are_refused(tmp_path: Path) -> None:
    value = content()
    value["annotations"] *= 2
    with pytest.raises(InputError, match="annotation id 7 occurs twice"):
        load_people(write(tmp_path, value), tmp_path)


@pytest.mark.parametrize(("text", "words"), [("{", "as JSON"), ("[]", "not a COCO file"), ("{}", "not a COCO file")])
def test_a_file_that_is_not_coco_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_people(write(tmp_path, text), tmp_path)
    with pytest.raises(InputError, match="there is no file"):
        load_people(tmp_path / "missing.json", tmp_path)


def test_detections_are_read_above_the_score(tmp_path: Path) -> None:
    images = write(tmp_path, {"images": [{"id": 3, "file_name": "a.jpg", "height": 50, "width": 60}]})
    found = tmp_path / "found.json"
    box = {"image_id": 3, "category_id": 1, "bbox": [0, 0, 5, 5]}
    found.write_text(json.dumps([box | {"score": 0.9}, box | {"score": 0.1}, box | {"score": 0.8, "category_id": 2}]))
    people, findings = load_detections(images, found, tmp_path, keypoint_count=3, min_score=0.5)
    assert findings.left_out == {Reason.LOW_SCORE: 1, Reason.OTHER_CATEGORY: 1}
    assert people.scores.tolist() == [0.9] and people.keypoints.shape == (1, 3, 2)
    assert people.keypoint_weights.sum() == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("box", [[0, 0, 1e200, 1e200], [0, 0, 5e-324, 5], [0, 0, 1e-200, 1e-200], [0, 0, 2e5, 2e5]])
def test_detections_of_no_credible_size_are_left_out(tmp_path: Path, box: list[float]) -> None:
    images = write(tmp_path, {"images": [{"id": 3, "file_name": "a.jpg", "height": 50, "width": 60}]})
    found = tmp_path / "found.json"
    found.write_text(json.dumps([{"image_id": 3, "category_id": 1, "bbox": box, "score": 0.9}]))
    people, findings = load_detections(images, found, tmp_path, keypoint_count=3, min_score=0.5)
    assert not len(people) and findings.left_out == {Reason.NO_BOX: 1}


def test_genuine_coco_agrees_with_pycocotools(coco_small: Path) -> None:
    path = coco_small / "annotations" / "person_keypoints_val2017.json"
    people, skeleton, *_ = load_people(path, coco_small / "val2017")
    truth = COCO(str(path))
    expected = {a["id"]: a for a in truth.loadAnns(truth.getAnnIds(iscrowd=False)) if a["num_keypoints"] > 0}
    assert set(people.ids.tolist()) == set(expected) and len(skeleton) == 17
    for row in range(0, len(people), 7):
        annotation = expected[int(people.ids[row])]
        weights = np.array(annotation["keypoints"]).reshape(17, 3)[:, 2] > 0
        np.testing.assert_array_equal(people.keypoint_weights[row] > 0, weights)


def test_genuine_wild_files_load(coco_small: Path) -> None:
    folder = coco_small / "annotations"
    people = load_detections(folder / "image_info_unlabeled2017.json", folder / "unlabeled2017_person_detections.json",
                             coco_small / "unlabeled2017", 17, 0.5)[0]
    assert len(people) == 70 and len(set(people.image_ids.tolist())) == 31


def test_a_pose_on_somebody_who_cannot_be_read_is_no_mistake(tmp_path: Path) -> None:
    one, *_ = content()["annotations"]
    broken = one | {"id": 8, "bbox": [30, 5, 20, 40], "keypoints": [32, 8, 2]}
    read = load_people(write(tmp_path, content() | {"annotations": [one, broken]}), tmp_path)
    assert len(read.people) == 1 and read.findings.left_out == {Reason.WRONG_COUNT: 1}
    assert read.truth is not None and read.truth.ignored.tolist() == [False, True]
    poses = [{"image_id": 3, "keypoints": [x, 6, 1, x + 2, 7, 1, x + 3, 9, 1], "score": score}
             for x, score in ((32, 0.9), (5, 0.5))]
    poses[1]["keypoints"] = [5, 6, 1, 0, 0, 1, 8, 9, 1]
    assert coco_numbers(read.truth, poses, read.skeleton.sigmas)["ap"] == pytest.approx(1)


def test_ignored_regions_without_a_box_are_told(tmp_path: Path) -> None:
    one, *_ = content()["annotations"]
    nobody = one | {"id": 8, "bbox": None, "keypoints": [0] * 9}
    read = load_people(write(tmp_path, content() | {"annotations": [one, nobody]}), tmp_path)
    assert read.findings.notes == ["1 of those left out have no box: a pose on them counts as wrong"]


def test_sigmas_may_be_told_by_the_keypoints_names(tmp_path: Path) -> None:
    category = CATEGORY | {"sigmas": {"left_hip": 0.2, "nose": 0.1, "right_hip": 0.3}}
    skeleton = load_people(write(tmp_path, content(category=category)), tmp_path).skeleton
    assert skeleton.sigmas == (0.1, 0.2, 0.3) and skeleton.sigmas_from == "the file's category"
