"""The paper's tables: what they train."""

from __future__ import annotations

import pytest

from jobs.paper.runs import Run
from jobs.paper.tables import TABLES, Cell, Table
from trs import config as configs
from trs.config import Config, change


@pytest.mark.parametrize(("name", "cells", "runs"), [
    ("table2", 36, 36), ("table3", 32, 8), ("table4", 24, 3), ("table5", 24, 3), ("table6", 15, 15), ("table7", 3, 3),
    ("table8", 4, 4), ("table9", 9, 9), ("table10", 22, 22)])
def test_every_published_number_has_its_training(name: str, cells: int, runs: int) -> None:
    made = TABLES[name]()
    assert len(made.cells) == cells and len({cell.run.name for cell in made.cells}) == runs
    for cell in made.cells:
        configs.from_dict(configs.to_dict(cell.run.config))  # valid, and survives YAML


def test_tables_share_the_trainings_that_they_have_in_common() -> None:
    whole = {name: {cell.run.name for cell in make().cells} for name, make in TABLES.items()}
    paper = TABLES["table8"]().cells[1].run.name  # 5 keypoints, the default
    assert all(paper in whole[name] for name in ("table2", "table6", "table7", "table8", "table9"))


def test_supervised_rows_stop_at_their_best_length() -> None:
    epochs = {" ".join((*cell.row, cell.column)): cell.run.config.train.epochs
              for name in ("table2", "table3") for cell in TABLES[name]().cells}
    # 149 passes over 1,000 labels an epoch, 29 over 5,000, 14 over 10,000, and one over all that COCO has.
    assert [epochs[f"Supervised ResNet18 {labels}"] for labels in ("1K", "5K", "10K")] == [3, 12, 23]
    assert epochs["Supervised ResNet50 AP"] == 320
    assert [epochs[f"TRS ResNet18 {labels}"] for labels in ("1K", "5K", "10K")] == [70, 100, 100]
    assert all("Supervised rows pass 320 times" in TABLES[name]().note for name in ("table2", "table3", "table10"))


def test_a_figure_is_a_table_of_the_runs_that_it_shows() -> None:
    for name, count in (("figure4", 4), ("figure5", 2), ("figure6", 1)):
        figure = TABLES[name]()
        assert figure.draw is not None and len(figure.cells) == count
    shared = {cell.run.name for cell in TABLES["table2"]().cells}
    assert {cell.run.name for cell in TABLES["figure4"]().cells} <= shared


def test_our_own_study_leaves_room_on_two_cores() -> None:
    for name, make in TABLES.items():
        assert (make().cluster.cpus_per_worker < 1) == (name in ("lspet", "baseline", "gain", "pieces", "pretrained"))


@pytest.mark.parametrize("name", ["gain", "pieces", "pretrained"])
def test_what_unlabeled_images_bring_is_measured_at_equal_labels_and_batches(name: str) -> None:
    table = TABLES[name]()
    runs = {cell.row: cell.run.config for cell in table.cells}
    assert table.compared_with is not None
    against = runs[table.compared_with]
    assert {cell.metric for cell in table.cells} == {"test_ap", "test_pck", "test_ap_ensemble"}
    for row, config in runs.items():
        assert (config.data, config.view, config.train.batch_size) == (
            against.data, against.view, against.train.batch_size), row
        if row[0].startswith("TRS"):  # every difference is the method's, and its burn-in is a part of its steps
            assert config.model == against.model and config.train.epochs == against.train.epochs
            assert config.train.learning_rate == against.train.learning_rate


def test_each_piece_is_taken_away_alone_and_all_rows_weigh_unlabeled_images_alike() -> None:
    runs = {cell.row[0]: cell.run.config for cell in TABLES["pieces"]().cells}
    whole = runs.pop("TRS as published")
    without = {"without reviewers": {"method.reviewers": False, "method.unsup_weight": 1.0},
               "without MFL": {"model.levels": 1}, "without Keypoint-Mix": {"method.augment": ()}}
    for name, changes in without.items():
        assert runs[name] == change(whole, changes), name
    for name in (*without, "SSPCM"):
        assert runs[name].method.consistency_weight == whole.method.consistency_weight, name


def test_a_run_is_called_by_the_first_cell_that_shows_it(config: Config) -> None:
    cells = [Cell(("TRS",), column, Run(config)).repeated(2) for column in ("AP", "PCK")]
    titles = Table("Ours", ("method",), cells).titles()
    assert titles == {Run(config): "TRS AP seed 0", cells[0].repeats[0]: "TRS AP seed 1"}
