"""The figures, drawn from networks that are saved but not trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.config import Job
from jobs.paper import figures
from jobs.run_folder.layout import write_run
from trs.config import Config, DualConfig, SSPCMConfig, TRSConfig
from trs.data.datasets import Datasets
from trs.methods.build import build_method
from trs.training import start_training


@pytest.fixture
def runs(config: Config, datasets: Datasets, tmp_path: Path) -> dict[str, Path]:
    """Folders of runs with a checkpoint of fresh networks each."""
    folders = {}
    for method in (TRSConfig(), DualConfig(), SSPCMConfig()):
        folder = folders[method.name] = tmp_path / method.name
        changed = dataclasses.replace(config, method=method)
        write_run(Job(changed), datasets.split, folder)
        training = start_training(changed, datasets, build_method(changed, len(datasets.skeleton)), torch.device("cpu"))
        training.save(folder / "checkpoint_00000000")
    return folders


@pytest.mark.parametrize(("draw", "columns"), [(figures.predictions, 4), (figures.heatmaps, 4)])
def test_every_method_has_a_column(draw, columns: int, runs: dict[str, Path]) -> None:
    image = draw(runs)
    assert image.dtype == np.uint8 and image.shape[1] == columns * 320  # crops of 64 pixels, five times as large
    assert (image.shape[0] - 36) % 320 == 0 and (image.shape[0] - 36) // 320 == figures.PEOPLE


def test_a_row_of_figure_6_holds_image_teacher_and_reviewer(runs: dict[str, Path]) -> None:
    image = figures.teacher_and_reviewer({"TRS": runs["trs"]})
    assert image.shape == (36 + 320 * figures.PEOPLE, 3 * 320, 3)


def test_people_are_chosen_where_two_networks_differ_most() -> None:
    one, other = torch.zeros(4, 3, 8, 6), torch.zeros(4, 3, 8, 6)
    one[..., 0, 0] = other[..., 0, 0] = 1
    for row, keypoint, column in ((1, 2, 3), (2, 0, 5), (3, 1, 4)):
        other[row, keypoint, 0, column] = 2
    labeled = torch.ones(4, 3, dtype=torch.bool)
    labeled[2, 0] = False
    rows, keypoints = figures.farthest_apart(one, other, labeled, 2)
    assert rows.tolist() == [3, 1] and keypoints.tolist() == [1, 2]
