"""The gallery of damaged files: a sentence in it says what is wrong, and the rest of the report stands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pipes import make_pipe
from trs.errors import InputError
from tune import compare
from tune.leaderboard import read_leaderboard
from tune.plan import SKELETON_FILE, TRIALS
from tune.report.gallery import Gallery, Validation, make_gallery, read_skeleton
from tune.report.page import REPORT_FILE

NOT_FINITE = json.dumps([{"image_id": 1, "score": float("nan"), "keypoints": [float("nan")] * 51}])
DAMAGED = ["", "[1]", "{}", "[{}]", "null", NOT_FINITE, '[{"image_id": 1, "score": 1, "keypoints": [1, 2, 3]}]',
           '[{"image_id": [1], "score": 1, "keypoints": [1, 2, 3]}]', "[" * 100_000, "[" + "9" * 5000 + "]", "\x00",
           '[{"image_id": "\\ud800", "score": 1, "keypoints": [1, 2, 3]}]']


@pytest.fixture
def copied(search: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(search, tmp_path / search.name))


def gallery_of(folder: Path) -> Gallery:
    board = read_leaderboard(folder)
    return make_gallery(board, Validation(folder, board.config.data))


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_predictions_of_the_best_are_told(copied: Path, content: str) -> None:
    (copied / TRIALS / "0002" / "predictions" / "ensemble.json").write_text(content)
    gallery = gallery_of(copied)
    assert gallery.people == [] and gallery.sentence.isprintable()
    told = ("ensemble.json holds no predictions: ", "are not of the people in", "are not of 17 keypoints")
    assert any(reason in gallery.sentence for reason in told)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_predictions_of_another_leave_it_out(copied: Path, content: str) -> None:
    (copied / TRIALS / "0005" / "predictions" / "ensemble.json").write_text(content)
    gallery = gallery_of(copied)
    assert len(gallery.people) == 8 and sorted(gallery.predictions) == ["0000", "0001", "0002", "0003", "0004"]


@pytest.mark.parametrize("content", [
    b"", b"[]", b"{}", b"null", b"\xff\xfe{\0}\0", b"[" * 100_000, b'{"names": 3}',
    b'{"names": [], "limbs": [], "sigmas": [], "category_id": 1}',
    b'{"names": ["a", "a"], "limbs": [], "sigmas": [1, 1], "category_id": 1}',
    b'{"names": ["a", 2], "limbs": [], "sigmas": [1, 1], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [[0, 2]], "sigmas": [1, 1], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [[0, -1]], "sigmas": [1, 1], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [[0]], "sigmas": [1, 1], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, NaN], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, 0], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1], "category_id": 1}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, 1], "category_id": null}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, 1], "category_id": 1, "mirror": [0, 0]}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, 1], "category_id": 1, "mirror": [0]}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, 1], "category_id": 1, "mirror": ["0", 1]}',
    b'{"names": ["a", "b", "c"], "limbs": [], "sigmas": [1, 1, 1], "category_id": 1, "mirror": [1, 2, 0]}',
    b'{"names": ["a", "b"], "limbs": [], "sigmas": [1, 1], "category_id": 1, "guessed": ["c"]}'])
def test_damaged_keypoints_are_told(copied: Path, content: bytes) -> None:
    (copied / SKELETON_FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"skeleton\.json names no keypoints \(.*\); restore it from a"):
        read_skeleton(copied)
    assert gallery_of(copied).sentence.startswith("There are no images to show: ")


@pytest.mark.parametrize("name", [SKELETON_FILE, f"{TRIALS}/0002/predictions/ensemble.json"])
def test_the_rest_of_the_report_stands(copied: Path, name: str) -> None:
    (copied / name).write_text("[1]")
    compare.main([str(copied)])
    page = (copied / REPORT_FILE).read_text()
    assert "There are no images to show: " in page and "Best AP" in page and "0.470" in page


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("place", [1e308, -1e308])
def test_poses_far_beyond_their_images_are_compared(copied: Path, place: float) -> None:
    for file in (copied / TRIALS).glob("*/predictions/ensemble.json"):
        poses = json.loads(file.read_text())
        file.write_text(json.dumps([{**pose, "keypoints": [place, place, 0.9] * 17} for pose in poses]))
    compare.main([str(copied)])
    assert "Predicted by the ensemble" in (copied / REPORT_FILE).read_text()


def test_keypoints_must_be_a_regular_file(copied: Path) -> None:
    content = (copied / SKELETON_FILE).read_bytes()
    (copied / SKELETON_FILE).unlink()
    make_pipe(copied / SKELETON_FILE, content)
    with pytest.raises(InputError, match=r"skeleton.json names no keypoints \(is not a regular file\); restore"):
        read_skeleton(copied)
