import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from trs.data.annotations import coco
from trs.data.annotations.detections import load_detections
from trs.data.annotations.formats import load_people
from trs.errors import InputError

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
    people, skeleton, image_ids = load_people(write(tmp_path, content()), tmp_path)
    assert skeleton.names == ("nose", "left_hip", "right_hip")
    assert skeleton.flip_order == [0, 2, 1] and skeleton.limbs == ((0, 1), (0, 2))
    assert skeleton.sigmas == (0.026, 0.107, 0.107)
    assert (people.ids.tolist(), people.image_ids.tolist(), people.files.tolist()) == ([7], [3], ["a.jpg"])
    assert image_ids is not None and image_ids.tolist() == [3]
    np.testing.assert_array_equal(people.keypoints[0, 0], [5.5, 6.5])
    np.testing.assert_array_equal(people.keypoint_weights, [[1, 0, 1]])
    np.testing.assert_array_equal(people.boxes, [[1, 2, 30, 40]])
    np.testing.assert_array_equal(people.image_sizes, [[50, 60]])


@pytest.mark.parametrize("change", [{"iscrowd": 1}, {"bbox": [1, 2, 0, 40]}, {"keypoints": [0] * 9}])
def test_people_that_cannot_be_learned_from_are_left_out(tmp_path: Path, change: dict) -> None:
    assert len(load_people(write(tmp_path, content(**change)), tmp_path)[0]) == 0


@pytest.mark.parametrize(("change", "words"), [
    ({"keypoints": [1, 2, 2]}, "record 7 needs 9 finite numbers under 'keypoints'"),
    ({"keypoints": [float("nan")] + [1] * 8}, "record 7 needs 9 finite numbers"),
    ({"bbox": None}, "record 7 needs 4 finite numbers under 'bbox'"),
    ({"image_id": 99}, "record 7 refers to image 99"),
    ({"image_id": "3"}, "record 7 has no finite number under 'image_id'"),
    ({"image": {"file_name": "../secret.jpg"}}, "image 3 points outside its folder"),
    ({"image": {"file_name": "/etc/passwd"}}, "image 3 points outside its folder"),
    ({"category": {"id": 1, "name": "person"}}, "no category lists its 'keypoints'"),
    ({"area": "large"}, "record 7 has no finite number under 'area'"),
])
def test_a_malformed_record_is_named_with_its_file(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")) as error:
        load_people(write(tmp_path, content(**change)), tmp_path)
    assert "\n" not in str(error.value)


def test_an_area_that_is_left_out_is_a_share_of_the_box(tmp_path: Path) -> None:
    assert load_people(write(tmp_path, content()), tmp_path)[0].areas == [600]
    assert load_people(write(tmp_path, content(area=None)), tmp_path)[0].areas == [pytest.approx(0.53 * 30 * 40)]


def test_limbs_of_another_skeleton_are_replaced_by_the_bodys(tmp_path: Path) -> None:
    """As in CrowdPose's file, which lists COCO's limbs beside its own, fewer keypoints."""
    _, skeleton, _ = load_people(write(tmp_path, content(category=CATEGORY | {"skeleton": [[1, 9]]})), tmp_path)
    assert skeleton.limbs == ((1, 2),)


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
    people = load_detections(images, found, tmp_path, keypoint_count=3, min_score=0.5)
    assert people.scores.tolist() == [0.9] and people.keypoints.shape == (1, 3, 2)
    assert people.keypoint_weights.sum() == 0


def test_genuine_coco_agrees_with_pycocotools(coco_small: Path) -> None:
    path = coco_small / "annotations" / "person_keypoints_val2017.json"
    people, skeleton, _ = load_people(path, coco_small / "val2017")
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
                             coco_small / "unlabeled2017", 17, 0.5)
    assert len(people) == 70 and len(set(people.image_ids.tolist())) == 31


def test_every_value_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    numbers = coco.numbers
    monkeypatch.setattr(coco, "numbers", lambda path, record, key, shape: (
        looked_at.append(key), numbers(path, record, key, shape))[1])
    load_people(write(tmp_path, content(area=None)), tmp_path)
    assert sorted(looked_at) == ["bbox", "keypoints"]
