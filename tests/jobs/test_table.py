"""Tables: what they train, how they are written, and one trained for real."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest

from jobs import table
from jobs.paper.schedule import Cell, Run, result, train_all, with_starts
from jobs.paper.tables import TABLES, Table
from trs import config as configs
from trs.config import Config, SupervisedConfig, TRSConfig
from trs.errors import InputError

ARGUMENTS = ["--data.root", "somewhere"]


def done(folder: Path, run: Run, **metrics: float) -> None:
    """As if the run had been trained."""
    (folder / run.name).mkdir(parents=True)
    line = {"epoch": run.config.train.epochs, "step": 1, **metrics}
    (folder / run.name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    (folder / run.name / "checkpoint_00000001").mkdir()
    (folder / run.name / "checkpoint_00000001" / "state.json").write_text("{}")


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


def test_a_name_tells_the_method_and_depends_on_what_is_trained_alone(config: Config) -> None:
    run = Run(config)
    assert run.name.startswith("trs-") and run.name.endswith(f"-seed{config.train.seed}")
    assert Run(dataclasses.replace(config)).name == run.name
    assert Run(config, (run,)).name != run.name
    elsewhere = dataclasses.replace(config.train, use_gpu=True, cpus_per_worker=4, data_cpus=2, max_failures=9)
    assert Run(dataclasses.replace(config, train=elsewhere)).name == run.name
    longer = dataclasses.replace(config.train, batch_size=99)
    assert Run(dataclasses.replace(config, train=longer)).name != run.name
    assert Run(dataclasses.replace(config, method=SupervisedConfig())).name.startswith("supervised-")


def test_what_others_start_from_is_trained_first_and_once(config: Config) -> None:
    base = Run(dataclasses.replace(config, method=SupervisedConfig()))
    warm = [Run(dataclasses.replace(config, method=TRSConfig(unsup_weight=weight)), (base,)) for weight in (1, 2)]
    assert with_starts(warm) == [base, *warm]
    assert warm[0].whole_config(Path("/runs")).train.init_from == (f"/runs/{base.name}",)


def test_settings_reach_every_training_and_what_it_starts_from() -> None:
    _, made = table.parse(["lspet", *ARGUMENTS, "--train.batch-size", "7", "--only", "TRS"])
    runs = with_starts(cell.run for cell in made.cells)
    assert all(run.config.train.batch_size == 7 and run.config.data.root == "somewhere" for run in runs)
    assert {run.config.model.levels for run in runs} == {1, 2}  # what the table varies stays
    assert all("TRS" in cell.row[0] for cell in made.cells)


def test_the_methods_settings_are_the_tables_own() -> None:
    with pytest.raises(InputError, match="leave out the option with method"):
        table.parse(["table8", *ARGUMENTS, "--method.mix-count", "3"])
    for options in (["--train.seed", "3"], ["--train.init-from", "somewhere"], ["--data.manifest", "split.json"]):
        with pytest.raises(InputError, match="leave out the option with"):
            table.parse(["table8", *ARGUMENTS, *options])
    with pytest.raises(InputError, match="no row or column of table8 contains nothing"):
        table.parse(["table8", *ARGUMENTS, "--only", "nothing"])


def test_an_options_value_is_not_taken_for_the_table() -> None:
    command, made = table.parse(["--out", "figure4", "table5", *ARGUMENTS])
    assert command.table == "table5" and made.caption.startswith("PCKh")
    assert all(cell.run.config.data.train_annotations == "annot/train.json" for cell in made.cells)


def test_a_table_shows_mean_and_deviation_beside_the_published_number(config: Config, tmp_path: Path) -> None:
    runs = {label: Run(dataclasses.replace(config, method=TRSConfig(mix_count=count)))
            for label, count in (("three", 3), ("five", 5))}
    made = Table("Keypoints", ("method",), [Cell(("TRS",), "3", runs["three"], published=50.2),
                                            Cell(("TRS",), "5", runs["five"], "pck")])
    for seed, ap in ((0, 0.5), (1, 0.52)):
        done(tmp_path, table._seeded(runs["three"], seed), ap=ap)
    table.write(made, "ours", range(2), tmp_path)
    lines = (tmp_path / "ours.md").read_text().splitlines()
    assert lines[2:5] == ["| method | 3 | 5 |", "|---|---|---|", "| TRS | 51.0 ± 1.4 (50.2) | – |"]
    assert lines[-3].startswith("AP: COCO OKS-AP") and lines[-2].startswith("PCK: PCK@0.2 of the box's longer side")
    assert "ground-truth boxes, no flip test" in lines[-2] and lines[-1] == "In brackets the published number."
    rows = list(csv.DictReader(io.StringIO((tmp_path / "ours.csv").read_text())))
    assert (rows[0]["mean"], rows[0]["std"], rows[0]["seeds"], rows[1]["mean"]) == ("51.0", "1.414", "2", "")
    cells = json.loads((tmp_path / "ours.json").read_text())["cells"]
    assert cells[0]["values"] == [50.0, 52.0] and configs.from_dict(cells[0]["config"]) == runs["three"].config


def test_a_training_that_has_not_come_to_its_end_is_not_done(config: Config, tmp_path: Path) -> None:
    run = Run(config)
    assert result(run, tmp_path) is None
    done(tmp_path, run, ap=0.5)
    assert result(run, tmp_path) == {"epoch": config.train.epochs, "step": 1, "ap": 0.5}
    longer = dataclasses.replace(run, config=dataclasses.replace(
        config, train=dataclasses.replace(config.train, epochs=config.train.epochs + 1)))
    (tmp_path / run.name).rename(tmp_path / longer.name)
    assert result(longer, tmp_path) is None


def test_a_training_without_its_last_checkpoint_is_not_done(config: Config, tmp_path: Path) -> None:
    """Killed between the metrics and the checkpoint."""
    done(tmp_path, Run(config), ap=0.5)
    (tmp_path / Run(config).name / "checkpoint_00000001" / "state.json").unlink()
    assert result(Run(config), tmp_path) is None


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_table_is_trained_written_and_never_trained_again(drawn_root: Path, tmp_path: Path, capsys) -> None:
    """The two lightest rows of our own study, one of which starts from another, on drawn people."""
    arguments = ["lspet", "--data.root", str(drawn_root), "--out", str(tmp_path), "--data.labeled-count", "8",
                 "--train.epochs", "1", "--train.batch-size", "20", "--eval.every", "1", "--train.max-failures", "0",
                 "--only", "Supervised + MFL"]
    table.main(arguments)
    out = capsys.readouterr().out
    assert "4 trainings, 0 done" in out and "[4/4] Supervised + MFL warm start, AP seed 0  AP 0." in out
    folder = next(tmp_path.glob("supervised-*-seed0"))
    assert "| Supervised + MFL |" in (tmp_path / "lspet.md").read_text()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    table.main(arguments)
    assert "4 trainings, 4 done" in capsys.readouterr().out
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert configs.load(folder / "config.yaml").train.epochs == 1


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_fails_is_told_and_the_others_go_on(drawn_root: Path, tmp_path: Path, capsys) -> None:
    """One folder cannot be written into; and what starts from a failed training fails with it."""
    arguments = ["table8", "--data.root", str(drawn_root), "--out", str(tmp_path), "--data.labeled-count", "8",
                 "--train.epochs", "1", "--train.batch-size", "40", "--train.max-failures", "0", "--only", "3", "5",
                 "--model.backbones", "resnet_tiny", "resnet_tiny", "--model.pretrained", "None", "--data.input-size",
                 "64", "64", "--train.cpus-per-worker", "0.7", "--train.data-cpus", "0.25",
                 *(f"--data.{part}-{kind}" if index % 2 == 0 else value for part in ("train", "val")
                   for kind, value in (("annotations", f"annotations/person_keypoints_{part}.json"), ("images", part))
                   for index, value in enumerate(("", value)))]
    _, made = table.parse(arguments)
    spoilt = tmp_path / made.cells[0].run.name
    spoilt.mkdir()
    (spoilt / "mistake.txt").mkdir()  # nobody can write there
    with pytest.raises(InputError, match=r"1 of the trainings failed.*tries them again"):
        table.main(arguments)
    out = capsys.readouterr().out
    assert "FAILED: " in out and "| TRS | – (50.2) |" in (tmp_path / "table8.md").read_text()
    assert result(made.cells[1].run, tmp_path) is not None
    follower = Run(made.cells[1].run.config, (made.cells[0].run,))
    last = Run(made.cells[1].run.config, (follower,))
    ended = list(train_all(with_starts([last]), tmp_path, concurrent=2))
    assert [end.run for end in ended] == [made.cells[0].run, follower, last]
    assert [end.failure == "a run that it starts from has failed" for end in ended] == [False, True, True]
