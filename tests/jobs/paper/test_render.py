"""How a table is written."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

from jobs.paper.render import write
from jobs.paper.runs import Run, RunsFolder
from jobs.paper.tables import Cell, Table
from tests.jobs.paper.done import mark_done
from trs import config as configs
from trs.config import Config, TRSConfig


def test_a_table_shows_mean_and_deviation_beside_the_published_number(config: Config, tmp_path: Path) -> None:
    runs = {label: Run(dataclasses.replace(config, method=TRSConfig(mix_count=count)))
            for label, count in (("three", 3), ("five", 5))}
    cells = [Cell(("TRS",), "3", runs["three"], published=50.2), Cell(("TRS",), "5", runs["five"], "pck")]
    made = Table("Keypoints", ("method",), [cell.repeated(2) for cell in cells])
    for run, ap in zip(made.cells[0].runs, (0.5, 0.52), strict=True):
        mark_done(tmp_path / run.name, config.train.epochs, ap=ap)
    write(made, "ours", RunsFolder(tmp_path))
    lines = (tmp_path / "ours.md").read_text().splitlines()
    assert lines[2:5] == ["| method | consistency : labels | 3 | 5 |", "|---|---|---|---|",
                          "| TRS | 1 : 1 | 51.0 ± 1.4 (50.2) | – |"]
    assert lines[-3].startswith("AP: COCO OKS-AP") and lines[-2].startswith("PCK: PCK@0.2 of the box's longer side")
    assert "ground-truth boxes, no flip test" in lines[-2] and lines[-1] == "In brackets the published number."
    rows = list(csv.DictReader(io.StringIO((tmp_path / "ours.csv").read_text())))
    assert (rows[0]["mean"], rows[0]["std"], rows[0]["seeds"], rows[1]["mean"]) == ("51.0", "1.414", "2", "")
    assert rows[0]["run"] == runs["three"].name
    written = json.loads((tmp_path / "ours.json").read_text())["cells"]
    assert written[0]["values"] == [50.0, 52.0] and configs.from_dict(written[0]["config"]) == runs["three"].config
