"""A run's score on every image once is the score that its evaluation has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trs.evaluation.test_evaluate import noisy_poses, results_of
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.evaluation.coco_eval import coco_numbers
from trs.evaluation.pck import pck
from trs.evaluation.resampled import images_drawn, score_of_run
from trs.evaluation.results import PREDICTIONS, write_results


@pytest.mark.parametrize("of", ["", "test_"])
def test_everybody_once_is_the_evaluation(datasets: Datasets, tmp_path: Path, of: str) -> None:
    people = datasets.val
    rows, expected = np.arange(len(people)), dict[str, list[float]]()
    for name, noise in (("a", 0.05), ("b", 0.15)):
        poses = noisy_poses(people, noise)
        results = results_of(people, rows, poses)
        write_results(tmp_path / PREDICTIONS, of + name, results)
        found = {"ap": coco_numbers(datasets.truth, results, datasets.skeleton.sigmas)["ap"],
                 **pck(people, rows, poses)}
        for metric in ("ap", "pck"):
            expected.setdefault(metric, []).append(found[metric])
    assert expected["ap"][0] > expected["ap"][1], "the networks' scores can be told apart"
    for metric, each in expected.items():
        everybody = np.ones((1, images_drawn(metric, datasets)))
        assert score_of_run(metric, ["a", "b"], tmp_path, datasets, of)(everybody)[0] == pytest.approx(np.mean(each))


def test_a_run_without_poses_is_refused(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json holds no predictions"):
        score_of_run("ap", ["a"], tmp_path, datasets)
