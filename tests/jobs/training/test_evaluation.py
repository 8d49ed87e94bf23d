"""What an evaluation refuses before it starts anything; what it measures is in test_trainer.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

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
    jobs_config.save(Job(config, cluster), tmp_path / "config.yaml")
    assert command._machines(tmp_path) == cluster
    assert command._machines(tmp_path / "elsewhere") == ClusterConfig()
