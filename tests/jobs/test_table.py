"""The command for tables: its options, and tables trained for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import config as jobs_config
from jobs import table
from jobs.config import ClusterConfig
from jobs.paper.runs import Run, RunsFolder, with_starts
from jobs.paper.schedule import Ended, train_all
from jobs.run_folder.lease import hold
from trs.errors import InputError

ARGUMENTS = ["--data.root", "somewhere"]


def test_settings_reach_every_training_and_what_it_starts_from() -> None:
    _, made = table.parse(["lspet", *ARGUMENTS, "--train.batch-size", "7", "--data.no-include-labeled",
                           "--data.labeled-count", "None", "--only", "TRS"])
    runs = with_starts(cell.run for cell in made.cells)
    assert all(run.config.train.batch_size == 7 and run.config.data.root == "somewhere" for run in runs)
    assert all(run.config.data.labeled_count is None and not run.config.data.include_labeled for run in runs)
    assert {run.config.model.levels for run in runs} == {1, 2}  # what the table varies stays
    assert made.cells and all("TRS" in cell.row[0] for cell in made.cells)


def test_a_table_says_what_its_own_words_do_not_know() -> None:
    told = "All rows take 3,948 steps. Where caption and lines say otherwise: data.labeled_count 250, train.epochs 3."
    given = ["--data.labeled-count", "250", "--train.epochs", "3"]
    assert table.parse(["pieces", *ARGUMENTS, *given])[1].note.endswith(told)
    assert table.parse(["pieces", *ARGUMENTS])[1].note.endswith("All rows take 3,948 steps.")


def test_machines_are_the_tables_own_where_none_are_given() -> None:
    assert table.parse(["lspet", *ARGUMENTS])[1].cluster == jobs_config.preset("lspet-small").cluster
    assert table.parse(["table8", *ARGUMENTS])[1].cluster == ClusterConfig()
    given = table.parse(["lspet", *ARGUMENTS, "--use-gpu", "--data-cpus", "2"])[1].cluster
    assert given.use_gpu and given.data_cpus == 2 and given.cpus_per_worker < 1


def test_options_that_have_moved_keep_their_old_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    made = table.parse(["table8", *ARGUMENTS, "--train.use-gpu", "--train.max-failures", "0"])[1]
    assert made.cluster == ClusterConfig(use_gpu=True, max_failures=0)
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("options", [["--method.mix-count", "3"], ["--train.seed", "3"], ["--data.manifest", "a.json"],
                                     ["--train.init-from", "somewhere"]])
def test_what_a_table_sets_itself_is_no_option(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        table.parse(["table8", *ARGUMENTS, *options])
    assert "Unrecognized options" in capsys.readouterr().err


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="no row or column of table8 contains nothing"):
        table.parse(["table8", *ARGUMENTS, "--only", "nothing"])
    with pytest.raises(InputError, match=r"train\.batch_size must be at least 1"):
        table.parse(["table8", *ARGUMENTS, "--train.batch-size", "0"])
    with pytest.raises(InputError, match=r"cluster\.max_failures must be at least 0"):
        table.parse(["table8", *ARGUMENTS, "--max-failures", "-1"])
    with pytest.raises(InputError, match="--seeds must be at least 1"):
        table.parse(["table8", *ARGUMENTS, "--seeds", "0"])


def test_what_has_no_effect_on_any_training_is_refused() -> None:
    for options, words in ((["--data.unlabeled-images", "x"], "data.unlabeled_images has no effect without"),
                           (["--resize-seconds", "9"], "cluster.resize_seconds has no effect without"),
                           (["--only", "Supervised", "--view.hard-rotation-probability", "0.1"],
                            "view.hard_rotation_probability has no effect on supervised")):
        with pytest.raises(InputError, match=words):
            table.parse(["table2", *ARGUMENTS, *options])
    made = table.parse(["table2", *ARGUMENTS, "--view.hard-rotation-probability", "0.1"])[1]  # on others it has one
    assert {cell.run.config.view.hard_rotation_probability for cell in made.cells} == {0.1}


def test_an_options_value_is_not_taken_for_the_table() -> None:
    command, made = table.parse(["--out", "figure4", "table5", *ARGUMENTS, "--seeds", "2"])
    assert command.table == "table5" and made.caption.startswith("PCKh")
    assert made.cells
    assert all(cell.run.config.data.train_annotations == "annot/train.json" for cell in made.cells)
    assert all([run.config.data.split_seed for run in cell.runs] == [0, 1] for cell in made.cells)


LIGHT = ["--data.labeled-count", "8", "--train.epochs", "1", "--train.batch-size", "20", "--eval.every", "1",
         "--max-failures", "0", "--only", "Supervised + MFL"]
"""The lightest rows of the table, on drawn people."""


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_a_row_that_starts_from_others_waits_for_them(drawn_root: Path, tmp_path: Path, capsys) -> None:
    table.main(["lspet", "--data.root", str(drawn_root), "--out", str(tmp_path), *LIGHT])
    out = capsys.readouterr().out
    assert "4 trainings, 0 done" in out and "[4/4] Supervised + MFL warm start, AP seed 0  AP 0." in out
    assert "| Supervised + MFL |" in (tmp_path / "lspet.md").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_table_is_trained_written_and_never_trained_again(drawn_root: Path, tmp_path: Path, capsys) -> None:
    arguments = ["pieces", "--data.root", str(drawn_root), "--out", str(tmp_path), "--data.dev-count", "4", *LIGHT]
    table.main(arguments)
    out = capsys.readouterr().out
    assert "1 trainings, 0 done" in out and "[1/1] Supervised + MFL, as many steps as TRS test AP seed 0" in out
    folder = next(tmp_path.glob("supervised-*-seed0"))
    assert "| Supervised + MFL, as many steps as TRS |" in (tmp_path / "pieces.md").read_text()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    table.main(arguments)
    assert "1 trainings, 1 done" in capsys.readouterr().out
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    job = jobs_config.load(folder / "config.yaml")
    assert job.config.train.epochs == 1 and job.cluster.max_failures == 0 and job.cluster.cpus_per_worker < 1


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_fails_is_told_and_the_others_go_on(drawn_root: Path, tmp_path: Path, capsys) -> None:
    """One folder cannot be written into; and what starts from a failed training fails with it."""
    arguments = ["table8", "--data.root", str(drawn_root), "--out", str(tmp_path), "--data.labeled-count", "8",
                 "--train.epochs", "1", "--train.batch-size", "40", "--max-failures", "0", "--only", "3", "5",
                 "--model.backbones", "resnet_tiny", "resnet_tiny", "--model.pretrained", "none", "--data.input-size",
                 "64", "64", "--cpus-per-worker", "0.7", "--data-cpus", "0.25",
                 *(f"--data.{part}-{kind}" if index % 2 == 0 else value for part in ("train", "val")
                   for kind, value in (("annotations", f"annotations/person_keypoints_{part}.json"), ("images", part))
                   for index, value in enumerate(("", value)))]
    _, made = table.parse(arguments)
    spoilt, whole = (cell.run for cell in made.cells)
    (tmp_path / spoilt.name / "mistake.txt").mkdir(parents=True)  # nobody can write there
    with pytest.raises(InputError, match=r"1 of the trainings failed.*tries them again"):
        table.main(arguments)
    out = capsys.readouterr().out
    assert "FAILED: " in out and "| TRS | 1 : 1 | – (50.2) |" in (tmp_path / "table8.md").read_text()
    folder = RunsFolder(tmp_path)
    assert folder.result(whole) is not None
    follower = Run(whole.config, (spoilt,))
    last = Run(whole.config, (follower,))
    ended: list[Ended] = []
    with hold(folder.path) as lease:
        train_all([last], folder, made.cluster, lambda: 2, ended.append, lease)
    assert [end.run for end in ended] == [spoilt, follower, last]
    assert [end.failure == "a run that it starts from has failed" for end in ended] == [False, True, True]
    assert "mistake.txt" in (ended[0].failure or "")
