"""The figures, drawn from networks that are saved but not trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.paper import figures
from jobs.paper.schedule import Cell, Run
from jobs.paper.tables import TABLES
from jobs.run_folder.layout import write_run
from trs import loop
from trs.config import Config, DualConfig, SSPCMConfig, TRSConfig
from trs.data.datasets import Datasets
from trs.methods.build import build_method


def saved(config: Config, sets: Datasets, folder: Path) -> Run:
    """A run's folder with a checkpoint of fresh networks."""
    run = Run(config)
    write_run(config, sets, folder / run.name)
    training = loop.start(config, sets, build_method(config, len(sets.skeleton)), torch.device("cpu"))
    training.save(folder / run.name / "checkpoint_00000000")
    return run


@pytest.fixture
def runs(config: Config, sets: Datasets, tmp_path: Path) -> list[Run]:
    methods = (TRSConfig(), DualConfig(), SSPCMConfig())
    return [saved(dataclasses.replace(config, method=method), sets, tmp_path) for method in methods]


@pytest.mark.parametrize(("draw", "columns"), [(figures.predictions, 4), (figures.heatmaps, 4)])
def test_every_method_has_a_column(draw, columns: int, runs: list[Run], tmp_path: Path) -> None:
    cells = [Cell((f"method {number}",), "AP", run) for number, run in enumerate(runs)]
    picture = draw(cells, tmp_path)
    assert picture.dtype == np.uint8 and picture.shape[1] == columns * 320  # crops of 64 pixels, five times as large
    assert (picture.shape[0] - 36) % 320 == 0 and (picture.shape[0] - 36) // 320 == figures.PEOPLE


def test_a_row_of_figure_6_holds_picture_teacher_and_reviewer(runs: list[Run], tmp_path: Path) -> None:
    picture = figures.teacher_and_reviewer([Cell(("TRS",), "AP", runs[0])], tmp_path)
    assert picture.shape == (36 + 320 * figures.PEOPLE, 3 * 320, 3)


def test_people_are_chosen_where_two_networks_differ_most() -> None:
    one, other = torch.zeros(4, 3, 8, 6), torch.zeros(4, 3, 8, 6)
    one[..., 0, 0] = other[..., 0, 0] = 1
    for row, keypoint, column in ((1, 2, 3), (2, 0, 5), (3, 1, 4)):
        other[row, keypoint, 0, column] = 2
    labelled = torch.ones(4, 3, dtype=torch.bool)
    labelled[2, 0] = False
    rows, keypoints = figures.farthest_apart(one, other, labelled, 2)
    assert rows.tolist() == [3, 1] and keypoints.tolist() == [1, 2]


def test_a_figure_is_a_table_of_the_runs_that_it_shows() -> None:
    for name, count in (("figure4", 4), ("figure5", 2), ("figure6", 1)):
        figure = TABLES[name]()
        assert figure.draw is not None and len(figure.cells) == count
    shared = {cell.run.name for cell in TABLES["table2"]().cells}
    assert {cell.run.name for cell in TABLES["figure4"]().cells} <= shared
