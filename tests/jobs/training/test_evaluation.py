"""What an evaluation refuses before it starts anything; what it measures is in test_trainer.py."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from jobs import cli
from jobs import config as jobs_config
from jobs import evaluate as command
from jobs.config import ClusterConfig, Job
from jobs.training.evaluation import evaluate
from trs import checkpoint as checkpoints
from trs.config import Config
from trs.errors import InputError


def test_data_with_other_keypoints_are_refused_by_name(checkpoint_folder: Path, config: Config, tmp_path: Path) -> None:
    faces = dataclasses.replace(config.data, keypoints=("nose", "left_eye", "right_eye"))
    with pytest.raises(InputError, match=r"has the keypoints nose, .*, the data have nose, left_eye, right_eye;"):
        evaluate(checkpoints.newest(checkpoint_folder), Job(dataclasses.replace(config, data=faces)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_runs_machines_are_those_of_its_evaluation(config: Config, tmp_path: Path) -> None:
    cluster = ClusterConfig(cpus_per_worker=0.7, data_cpus=0.25)
    chosen = dataclasses.replace(cluster, use_gpu=True, gpus_per_worker=0.5, node_labels=("zone=a",), threads=3)
    jobs_config.save(Job(config, chosen), tmp_path / "config.yaml")
    assert command._machines(tmp_path) == cluster  # where it is evaluated there may be no such zone
    assert command._machines(tmp_path / "elsewhere") == ClusterConfig()


def test_what_changes_nothing_of_an_evaluation_is_refused(checkpoint_folder: Path, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    start = [str(checkpoint_folder), "--out", str(tmp_path / "out")]
    for option in ("--data.min-detection-score", "--data.sigma", "--data.split-seed", "--eval.every"):
        with pytest.raises(SystemExit, match="2"):
            command.main([*start, option, "1"])
        assert "Unrecognized options" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"data\.unlabeled_images has no effect without data\.unlabeled_annotations"):
        command.main([*start, "--data.unlabeled-images", "elsewhere"])
    with pytest.raises(InputError, match=r"eval\.batch_size must be at least 1, got 0"):
        command.main([*start, "--eval.batch-size", "0"])
    assert not (tmp_path / "out").exists()


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_images_that_cannot_be_read_are_told_and_many_are_refused(
        checkpoint_folder: Path, drawn_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "connect", lambda: None)  # the fixture's cluster is this process's
    root, out = shutil.copytree(drawn_root, tmp_path / "people"), tmp_path / "out"
    images = sorted((root / "val").iterdir())
    arguments = [str(checkpoint_folder), "--data.root", str(root), "--out", str(out)]
    images[0].unlink()
    cli.run(command.main, arguments)
    assert "WARNING: 1 of the validation images cannot be used" in capsys.readouterr().out
    for image in images[1:]:
        image.write_bytes(b"")
    with pytest.raises(SystemExit) as ended:
        cli.run(command.main, arguments)
    said = capsys.readouterr()
    assert ended.value.code == 2 and "0.0000" not in said.out
    assert said.err.startswith("error: 13 of 13 validation images cannot be used, more than --data.max-bad-images = ")
    assert len((out / "bad_images.txt").read_text().splitlines()) == 13
