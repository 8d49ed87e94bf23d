import dataclasses

import numpy as np
import pytest

from trs.data import geometry
from trs.data.person_table import PersonTable
from trs.evaluation.oks import pose_similarity, score_poses
from trs.evaluation.oks_nms import oks_nms
from trs.evaluation.pck import pck, pckh
from trs.skeleton import MPII, Skeleton


def people(keypoints: np.ndarray, weights: np.ndarray | None = None, boxes=None, image_ids=None) -> PersonTable:
    count = len(keypoints)
    boxes = np.tile([0.0, 0.0, 50.0, 100.0], (count, 1)) if boxes is None else boxes
    return PersonTable(
        root="", files=np.array(["a.jpg"] * count), ids=np.arange(count),
        image_ids=np.zeros(count, np.int64) if image_ids is None else image_ids,
        image_sizes=np.zeros((count, 2), np.int64), boxes=boxes, scores=np.ones(count), keypoints=keypoints,
        keypoint_weights=np.ones(keypoints.shape[:2], np.float32) if weights is None else weights,
        areas=boxes[:, 2:].prod(1), head_sizes=np.full(count, 20.0))


def moved(table: PersonTable, distances: np.ndarray) -> np.ndarray:
    """Poses that miss each keypoint by a distance along x."""
    poses = np.concatenate([table.keypoints, np.ones((*table.keypoints.shape[:2], 1))], axis=-1)
    poses[..., 0] += distances
    return poses


def test_pckh_of_a_small_case_by_hand() -> None:
    """Head size 20: closer than 10 counts. Of two people some joints are missed, some not labeled."""
    table = people(np.random.default_rng(0).uniform(0, 100, (2, 16, 2)))
    weights = np.ones((2, 16), np.float32)
    distances = np.zeros((2, 16))
    joint = {name: index for index, name in enumerate(MPII.names)}
    distances[0, joint["left_knee"]] = 11  # missed
    distances[1, joint["left_knee"]] = 9  # found
    distances[:, joint["pelvis"]] = 99  # does not count
    distances[0, joint["head_top"]] = 10.5
    weights[0, joint["head_top"]] = 0  # not labeled, so not missed
    distances[1, joint["right_wrist"]] = 30
    table = people(table.keypoints, weights)
    found = pckh(table, np.arange(2), moved(table, distances), MPII)
    assert found["knee_pckh"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["wrist_pckh"] == pytest.approx((1.0 + 0.5) / 2)
    assert found["head_pckh"] == found["ankle_pckh"] == 1.0
    # 14 joints of two people count, one of them is not labeled: 27, of which 2 are missed.
    assert found["pckh"] == pytest.approx(25 / 27)


def test_people_without_a_head_size_do_not_count() -> None:
    table = people(np.zeros((2, 16, 2)))
    table.head_sizes[1] = np.nan
    assert pckh(table, np.arange(2), moved(table, np.array([[0.0] * 16, [99.0] * 16])), MPII)["pckh"] == 1.0


def test_pck_is_relative_to_the_longer_side_and_counts_missing_people() -> None:
    """Boxes of 50 x 100: closer than 20 counts."""
    table = people(np.zeros((3, 4, 2)))
    poses = moved(table.take(np.array([0, 2])), np.array([[0, 19, 21, 0], [0, 0, 0, 40]]))
    assert pck(table, np.array([0, 2]), poses)["pck"] == pytest.approx(6 / 12)


def test_of_alike_poses_in_an_image_the_best_stays() -> None:
    pose = np.random.default_rng(1).uniform(0, 100, (17, 2))
    table = people(np.stack([pose] * 5), image_ids=np.array([0, 0, 0, 1, 1]))
    poses = moved(table, np.array([0.0, 1.0, 40.0, 0.0, 0.0])[:, None])
    sigmas = np.full(17, 0.08)
    poses[..., 2] = np.array([0.5, 0.9, 0.3, 0.25, 0.21])[:, None]
    stays = oks_nms(table, score_poses(table, np.arange(5), poses), sigmas, (128, 96))
    assert stays.rows.tolist() == [1, 2, 3]


def test_similarity_is_cocos_oks_with_the_mean_area() -> None:
    one, other = np.zeros((3, 2)), np.array([[[3.0, 4.0], [0, 0], [0, 0]]])
    sigmas = np.array([0.1, 0.2, 0.3])
    found = pose_similarity(one, 900.0, other, np.array([1100.0]), sigmas)
    assert found == pytest.approx((np.exp(-25 / (2 * 1000 * 0.2**2)) + 2) / 3)


def test_a_skeleton_of_some_keypoints_keeps_their_limbs() -> None:
    whole = Skeleton(("nose", "left_hip", "right_hip"), ((0, 1), (1, 2)), (0.1, 0.2, 0.3))
    part, order = whole.select(("right_hip", "left_hip"))
    assert order == [2, 1] and part.limbs == ((1, 0),) and part.sigmas == (0.3, 0.2)


def test_a_poses_score_is_its_boxs_times_the_mean_of_its_sure_keypoints() -> None:
    table = dataclasses.replace(people(np.zeros((3, 4, 2))), scores=np.array([1.0, 0.5, 1.0]))
    poses = moved(table, np.zeros((3, 4)))
    poses[..., 2] = [[0.1, 0.3, 0.5, 0.2], [0.1, 0.3, 0.5, 0.2], [0.1, 0.2, 0.0, 0.15]]
    np.testing.assert_allclose(score_poses(table, np.arange(3), poses).scores, [0.4, 0.2, 0.0])


@pytest.mark.parametrize(("similarity", "stay"), [(0.93, [0]), (0.87, [0, 1]), (0.5, [0, 1])])
def test_only_poses_that_are_nearly_one_are(similarity: float, stay: list[int]) -> None:
    table, sigmas = people(np.zeros((2, 17, 2))), np.full(17, 0.08)
    area = geometry.crop_areas(table.boxes, (128, 96))[0]
    distance = np.sqrt(-2 * area * (2 * 0.08) ** 2 * np.log(similarity))
    poses = moved(table, np.array([0.0, distance])[:, None])
    poses[..., 2] = np.array([0.9, 0.5])[:, None]
    assert oks_nms(table, score_poses(table, np.arange(2), poses), sigmas, (128, 96)).rows.tolist() == stay
