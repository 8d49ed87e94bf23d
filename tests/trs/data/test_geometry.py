import cv2
import numpy as np
import pytest

from trs.data import geometry


@pytest.mark.parametrize("flip", [False, True])
def test_the_box_center_lands_in_the_middle_and_the_aspect_is_kept(flip: bool) -> None:
    matrix = geometry.crop_matrix(np.array([30.0, 40.0, 60.0, 20.0]), (256, 192), rotation=25, flip=flip)
    np.testing.assert_allclose(geometry.transform(np.array([60.0, 50.0]), matrix), [96, 128])
    stretch = np.linalg.svd(matrix[:, :2], compute_uv=False)
    np.testing.assert_allclose(stretch, 192 / 60 / 1.25)


def test_a_point_goes_there_and_back() -> None:
    matrix = geometry.crop_matrix(np.array([3.0, 5.0, 17.0, 40.0]), (128, 96), scale=1.2, rotation=-40, flip=True)
    points = np.random.default_rng(0).uniform(0, 50, (20, 2))
    np.testing.assert_allclose(geometry.transform(geometry.transform(points, matrix), geometry.invert(matrix)), points)


def test_clockwise_on_the_screen() -> None:
    matrix = geometry.crop_matrix(np.array([0.0, 0.0, 100.0, 100.0]), (100, 100), rotation=90)
    above = geometry.transform(np.array([50.0, 10.0]), matrix)
    assert above[0] > 80 and abs(above[1] - 50) < 1e-9


@pytest.mark.parametrize(("rotation", "flip", "scale"), [(0, False, 1.0), (30, False, 0.8), (-75, True, 1.25)])
def test_a_blob_in_the_image_is_warped_to_where_its_center_is_mapped(rotation, flip, scale) -> None:
    y, x = np.mgrid[0:80, 0:100] + 0.5
    place = np.array([37.3, 52.8])
    image = (200 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * 3**2))).astype(np.uint8)
    matrix = geometry.crop_matrix(np.array([20.0, 25.0, 40.0, 50.0]), (128, 96), scale, rotation, flip)
    warped = geometry.warp(cv2.merge([image] * 3), matrix, (128, 96))[..., 0].astype(float)
    assert warped.shape == (128, 96)
    y, x = np.mgrid[0:128, 0:96] + 0.5
    center = [(warped * x).sum() / warped.sum(), (warped * y).sum() / warped.sum()]
    np.testing.assert_allclose(center, geometry.transform(place, matrix), atol=0.05)


def test_a_mirrored_crop_is_the_mirror_image_of_the_crop() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 50, 3), dtype=np.uint8)
    box = np.array([5.0, 6.0, 30.0, 40.0])
    plain, mirrored = (geometry.warp(image, geometry.crop_matrix(box, (64, 64), flip=flip), (64, 64))
                       for flip in (False, True))
    assert np.abs(plain[:, ::-1].astype(int) - mirrored).max() <= 1


def test_a_crops_area_is_what_its_corners_span() -> None:
    for box in (np.array([10.0, 20.0, 30.0, 80.0]), np.array([0.0, 0.0, 90.0, 40.0])):
        back = geometry.invert(geometry.crop_matrix(box, (128, 96)))
        corners = geometry.transform(np.array([[0.0, 0.0], [96.0, 128.0]]), back)
        assert geometry.crop_areas(box[None], (128, 96))[0] == pytest.approx(np.prod(corners[1] - corners[0]))
