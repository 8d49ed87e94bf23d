"""The gains of a table's rows, against the AP of poses made by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from jobs.paper.gains import gains_of
from jobs.paper.render import gain_shown, write
from jobs.paper.runs import Run, RunsFolder
from jobs.paper.tables import Cell, Table
from tests.jobs.paper.done import mark_done
from tests.trs.evaluation.test_evaluate import noisy_poses, results_of
from trs.config import Config, DualConfig, MeanTeacherConfig, SupervisedConfig, change
from trs.data.datasets import Datasets, load_datasets
from trs.evaluation.coco_eval import coco_numbers
from trs.evaluation.intervals import Gain
from trs.evaluation.results import PREDICTIONS, write_results

ROWS = {"Supervised": SupervisedConfig(), "Mean Teacher": MeanTeacherConfig(), "Dual": DualConfig()}


@pytest.fixture(scope="module")
def table(config: Config) -> Table:
    """Three methods, two seeds each, on people some of whom are kept out to choose by."""
    config = change(config, {"data.dev_count": 7})
    cells = [Cell((name,), "test AP", Run(dataclasses.replace(config, method=method)), "test_ap").repeated(2)
             for name, method in ROWS.items()]
    return Table("Methods", ("method",), cells, compared_with=("Supervised",))


@pytest.fixture(scope="module")
def measured(table: Table) -> Datasets:
    """Their test set."""
    return load_datasets(table.cells[0].run.config.data)


def leave_poses(folder: RunsFolder, table: Table, datasets: Datasets) -> dict[Run, float]:
    """Poses in each run's folder, the more exact the lower its row stands; the AP of each run."""
    people, scores = datasets.of_test().val, dict[Run, float]()
    for number, cell in enumerate(table.cells):
        for seed, run in enumerate(cell.runs):
            aps = []
            for place, network in enumerate(run.config.method.scored):
                poses = results_of(people, np.arange(len(people)),
                                   noisy_poses(people, 0.12 / (1 + number) + 0.01 * seed + 0.005 * place))
                write_results(folder.find(run) / PREDICTIONS, f"test_{network}", poses)
                aps.append(coco_numbers(datasets.test_truth, poses, datasets.skeleton.sigmas)["ap"])
            scores[run] = float(np.mean(aps))
            mark_done(folder.find(run), run.config.train.epochs, test_ap=scores[run])
    return scores


def test_a_gain_is_the_difference_of_what_stands_in_the_table(table: Table, measured: Datasets, tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path)
    scores = leave_poses(folder, table, measured)
    gains = gains_of(table, folder, measured)
    assert list(gains) == [("Mean Teacher",), ("Dual",)]
    supervised = table.cells[0].runs
    for cell in table.cells[1:]:
        gain = gains[cell.row]
        each = [scores[our] - scores[their] for our, their in zip(cell.runs, supervised, strict=True)]
        assert gain.mean == pytest.approx(np.mean(each)) and gain.spread == pytest.approx(np.std(each, ddof=1))
        assert gain.low < gain.mean < gain.high and gain.seeds == 2
    write(table, "ours", folder, gains)
    lines = (tmp_path / "ours.md").read_text().splitlines()
    assert lines[2] == "| method | consistency : labels | test AP | gain over Supervised |"
    assert lines[4].endswith(" |  |") and lines[6].endswith(f" | {gain_shown(gains[('Dual',)])} |")
    assert "paired bootstrap" in lines[-1]
    written = json.loads((tmp_path / "ours.json").read_text())["gains"]
    assert [(gain["row"], gain["over"]) for gain in written] == [(["Mean Teacher"], ["Supervised"]),
                                                                (["Dual"], ["Supervised"])]
    assert written[1]["low"] == gains[("Dual",)].low


def test_a_row_without_all_its_poses_has_no_gain(table: Table, measured: Datasets, tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path)
    leave_poses(folder, table, measured)
    (folder.find(table.cells[1].runs[1]) / PREDICTIONS / "test_a.json").unlink()
    assert list(gains_of(table, folder, measured)) == [("Dual",)]
    (folder.find(table.cells[0].run) / PREDICTIONS / "test_a.json").unlink()
    assert gains_of(table, folder, measured) == {}
    write(table, "ours", folder, {})
    assert "gain" not in (tmp_path / "ours.md").read_text()


def test_nothing_is_compared_unless_asked(table: Table, measured: Datasets, tmp_path: Path) -> None:
    folder = RunsFolder(tmp_path)
    leave_poses(folder, table, measured)
    assert gains_of(dataclasses.replace(table, compared_with=None), folder, measured) == {}
    part = dataclasses.replace(table, cells=table.cells[1:])  # --only has left the row out
    assert gains_of(part, folder, measured) == {}


def test_a_gain_is_shown_in_percent() -> None:
    assert gain_shown(Gain(0.0312, 0.004, 0.021, 0.0415, 3)) == "+3.1 ± 0.4 [+2.1, +4.2]"
    assert gain_shown(Gain(-0.002, None, -0.01, 0.006, 1)) == "-0.2 [-1.0, +0.6], no difference shown by one seed"
