"""The drawn people: reproducible, true to COCO's layout and conventions, and never half written."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from trs.data import synthetic as drawn

LEFT_SHOULDER = drawn.KEYPOINTS.index("left_shoulder")
RIGHT_SHOULDER = drawn.KEYPOINTS.index("right_shoulder")
SIZE = (120, 132)


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [200, 17, 3] and boxes [200, 4]."""
    drawings = [drawn.draw_person(np.random.default_rng(i), SIZE) for i in range(200)]
    return np.array([keypoints for _, keypoints, _ in drawings]), np.array([box for _, _, box in drawings])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "people"
    drawn.draw_dataset(root, train_count=12, val_count=4)
    return root


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _edge_gaps(keypoints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How far inside of its box's left, top, right and bottom edges every keypoint lies, [..., 17, 4]."""
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    centers = keypoints[..., :2] + 0.5
    return np.concatenate([centers - low, high - centers], axis=-1)


def test_same_seed_gives_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    drawn.draw_dataset(tmp_path / "again", train_count=12, val_count=4)
    assert _files(tmp_path / "again") == _files(dataset)


def test_an_image_depends_on_seed_split_and_number_only(dataset: Path, tmp_path: Path) -> None:
    drawn.draw_dataset(tmp_path / "fewer", train_count=3, val_count=3)
    drawn.draw_dataset(tmp_path / "other", train_count=3, val_count=0, seed=1)
    files, fewer, other = _files(dataset), _files(tmp_path / "fewer"), _files(tmp_path / "other")
    images = [name for name in fewer if name.endswith(".jpg")]
    assert len(images) == 6
    assert all(fewer[name] == files[name] for name in images)
    assert len({fewer[name] for name in images} | {other["train/000001.jpg"]}) == 7


@pytest.mark.parametrize(("split", "count"), [("train", 12), ("val", 4)])
def test_files_load_as_coco(dataset: Path, split: str, count: int) -> None:
    coco = COCO(str(dataset / "annotations" / f"person_keypoints_{split}.json"))
    (category,) = coco.loadCats(coco.getCatIds(catNms=["person"]))
    assert len(category["keypoints"]) == 17
    assert {end for limb in category["skeleton"] for end in limb} == set(range(1, 18))
    annotations = coco.loadAnns(coco.getAnnIds(catIds=[1], iscrowd=False))
    image_ids = [annotation["image_id"] for annotation in annotations]
    assert image_ids == coco.getImgIds() == list(range(1, count + 1))
    for annotation in annotations:
        keypoints = np.array(annotation["keypoints"]).reshape(1, 17, 3)
        assert annotation["num_keypoints"] == np.count_nonzero(keypoints[..., 2])
        assert 0 < annotation["area"] < annotation["bbox"][2] * annotation["bbox"][3]
        assert _edge_gaps(keypoints, np.array([annotation["bbox"]]))[keypoints[..., 2] > 0].min() > -0.5


def test_images_have_their_declared_sizes(dataset: Path) -> None:
    images = json.loads((dataset / "annotations" / "person_keypoints_train.json").read_text())["images"]
    sizes = [(image["height"], image["width"]) for image in images]
    assert [cv2.imread(str(dataset / "train" / image["file_name"])).shape[:2] for image in images] == sizes
    assert len(set(sizes)) > 1


def test_visibility_follows_coco(people: tuple[np.ndarray, np.ndarray]) -> None:
    keypoints, _ = people
    outside = keypoints[..., 2] == 0
    assert set(np.unique(keypoints[..., 2])) == {0, 1, 2}
    assert not keypoints[outside].any()
    assert (keypoints[~outside][:, :2] >= -0.5).all()
    assert (keypoints[~outside][:, :2] < np.array(SIZE[::-1]) - 0.5).all()


def test_boxes_fit_the_people(people: tuple[np.ndarray, np.ndarray]) -> None:
    keypoints, boxes = people
    gaps = _edge_gaps(keypoints, boxes)
    assert gaps[keypoints[..., 2] > 0].min() > 0
    whole = (keypoints[..., 2] > 0).all(axis=1)
    assert gaps[whole].min(axis=1).max() < 20
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= SIZE[::-1]).all()


def test_occlusion_is_common_but_not_the_rule(people: tuple[np.ndarray, np.ndarray]) -> None:
    keypoints, _ = people
    body = keypoints[:, LEFT_SHOULDER:, 2]
    assert 0.05 < (body == 1).mean() < 0.2
    assert 0.3 < (body == 1).any(axis=1).mean() < 0.8


def test_left_and_right_follow_the_view(people: tuple[np.ndarray, np.ndarray]) -> None:
    keypoints, _ = people
    keypoints = keypoints[(keypoints[..., 2] > 0).all(axis=1)]
    crossed = keypoints[:, LEFT_SHOULDER, 0] < keypoints[:, RIGHT_SHOULDER, 0]
    face_seen = (keypoints[:, :3, 2] == 2).all(axis=1)
    assert not crossed[face_seen].any()
    assert 0.05 < crossed.mean() < 0.3


def test_paint_lies_where_its_coordinates_say() -> None:
    canvas = drawn.Canvas(np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint8))
    canvas.paint("head", (255.0, 255.0, 255.0), np.array([[10.25, 12.0]]), np.array([4.0]))
    weights = cv2.resize(canvas.pixels, (32, 24), interpolation=cv2.INTER_AREA)[..., 0].astype(float)
    rows, columns = np.indices(weights.shape)
    centroid = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    assert centroid == pytest.approx([10.25, 12.0], abs=0.1)


def test_an_existing_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="exists already"):
        drawn.draw_dataset(tmp_path, train_count=1, val_count=1)
    assert _files(tmp_path) == {"mine.txt": b"precious"}


def test_an_interrupted_dataset_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(drawn, "_keypoints", fail)
    with pytest.raises(KeyboardInterrupt):
        drawn.draw_dataset(tmp_path / "people", train_count=1, val_count=1)
    assert not list(tmp_path.iterdir())
