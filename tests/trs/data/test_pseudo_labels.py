"""Pseudo labels as a file: they are read as they were written, and what is damaged is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipes import make_pipe
from trs.data.datasets import Datasets
from trs.data.person_table import PersonTable
from trs.data.pseudo_labels import load_labels, save_labels
from trs.errors import InputError


@pytest.fixture
def people(datasets: Datasets) -> PersonTable:
    return datasets.unlabeled


@pytest.fixture
def keypoints() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, (2, 17, 3))


def test_they_round_trip(tmp_path: Path, people: PersonTable, keypoints: np.ndarray) -> None:
    save_labels(tmp_path / "labels.npz", np.array([5, 2]), keypoints)
    rows, again = load_labels(tmp_path / "labels.npz", people)
    assert rows.tolist() == [5, 2] and np.array_equal(again, keypoints)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_archive_is_told(tmp_path: Path, people: PersonTable, content: bytes) -> None:
    (tmp_path / "labels.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.npz holds no pseudo labels; delete it, and the next start"):
        load_labels(tmp_path / "labels.npz", people)


def test_damage_and_what_is_no_file_are_told(tmp_path: Path, people: PersonTable, keypoints: np.ndarray) -> None:
    save_labels(tmp_path / "labels.npz", np.array([5, 2]), keypoints)
    content = (tmp_path / "labels.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[:len(content) // 2])
    (tmp_path / "flipped.npz").write_bytes(content[:400] + bytes([content[400] ^ 1]) + content[401:])
    np.savez(tmp_path / "other.npz", rows=np.array([1]))
    np.savez(tmp_path / "pickled.npz", rows=np.array([1]), keypoints=np.array([{}], dtype=object))
    make_pipe(tmp_path / "pipe.npz", content)
    for name in ("cut", "flipped", "other", "pickled", "pipe"):
        with pytest.raises(InputError, match=f"{name}.npz holds no pseudo labels; delete it"):
            load_labels(tmp_path / f"{name}.npz", people)


@pytest.mark.parametrize("kind", ["beyond", "negative", "twice", "fewer keypoints", "fewer people", "NaN", "text",
                                  "table"])
def test_labels_of_other_people_are_told(tmp_path: Path, people: PersonTable, keypoints: np.ndarray, kind: str) -> None:
    rows = np.array({"beyond": [0, len(people)], "negative": [0, -1], "twice": [3, 3], "text": ["0", "1"],
                     "fewer people": [0], "table": [[0, 1]]}.get(kind, [5, 2]))
    if kind == "fewer keypoints":
        keypoints = keypoints[:, :16]
    elif kind == "NaN":
        keypoints[1, 3, 0] = np.nan
    save_labels(tmp_path / "labels.npz", rows, keypoints)
    with pytest.raises(InputError, match="holds no pseudo labels of these people, or some that are not finite; delete"):
        load_labels(tmp_path / "labels.npz", people)
