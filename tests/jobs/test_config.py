"""A training and its machines, and the files that hold both."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from jobs import config as jobs_config
from jobs.config import TWO_CORES, ClusterConfig, Job
from trs import config as configs
from trs.config import Config, TrainConfig
from trs.errors import InputError
from trs.presets import PRESETS, demo


@pytest.mark.parametrize("name", PRESETS)
def test_a_job_goes_through_its_file(name: str, tmp_path: Path) -> None:
    job = dataclasses.replace(jobs_config.preset(name), cluster=ClusterConfig(use_gpu=True, max_failures=7))
    jobs_config.save(job, tmp_path / "config.yaml")
    assert jobs_config.load(tmp_path / "config.yaml") == job
    assert configs.load(tmp_path / "config.yaml") == job.config  # to whom the machines are no matter


def test_a_file_of_0_1_holds_its_machines_among_the_optimization(tmp_path: Path) -> None:
    plain = configs.to_dict(demo())
    plain["train"] |= {"use_gpu": True, "cpus_per_worker": 2.0, "data_cpus": 0.5, "min_workers": None,
                       "resize_seconds": 30.0, "checkpoint_every": 50, "max_failures": 1}
    machines = ClusterConfig(use_gpu=True, cpus_per_worker=2.0, data_cpus=0.5, resize_seconds=30.0, checkpoint_every=50,
                             max_failures=1)
    assert jobs_config.from_dict(plain) == Job(demo(), machines)
    assert configs.from_dict(plain) == demo()


def test_files_that_0_1_wrote_are_read() -> None:
    files = sorted((Path(__file__).parent / "paper" / "table_of_0.1").glob("*/config.yaml"))
    assert len(files) == 4
    for file in files:
        job = jobs_config.load(file)
        assert job.cluster == dataclasses.replace(TWO_CORES, threads=1) and job.config.data.root == "/data/lspet"
        assert jobs_config.from_dict(jobs_config.to_dict(job)) == job


def test_presets_for_small_machines_fit_on_two_cores() -> None:
    assert jobs_config.preset("demo").cluster == jobs_config.preset("lspet-small").cluster == TWO_CORES
    assert jobs_config.preset("coco-1k").cluster == ClusterConfig()


@pytest.mark.parametrize("values", [{"checkpoint_every": 0}, {"max_failures": -1}, {"cpus_per_worker": 0.0},
                                    {"data_cpus": 0}, {"resize_seconds": 0.0}, {"min_workers": 0}])
def test_values_out_of_range_are_named(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match=rf"^cluster\.{next(iter(values))} must be "):
        ClusterConfig(**values)


def test_no_more_workers_are_needed_than_there_are() -> None:
    with pytest.raises(InputError, match=r"cluster\.min_workers must be from 1 to train\.workers, 2, got 3"):
        Job(Config(train=TrainConfig(workers=2)), ClusterConfig(min_workers=3))


def test_an_unknown_key_among_the_machines_is_named() -> None:
    with pytest.raises(InputError, match="gpus"):
        jobs_config.from_dict({**jobs_config.to_dict(Job()), "cluster": {"gpus": 4}})


def test_an_empty_section_is_the_default_and_another_thing_is_named() -> None:
    assert jobs_config.from_dict({**configs.to_dict(Config()), "cluster": None}) == Job()
    for wrong in ([1], "x", 3):
        with pytest.raises(InputError, match="section cluster must hold fields"):
            jobs_config.from_dict({**configs.to_dict(Config()), "cluster": wrong})


def test_a_file_that_is_none_is_told_in_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    with pytest.raises(InputError, match=r"cannot read the config .*: is not a regular file"):
        jobs_config.load(tmp_path / "config.yaml")
    (tmp_path / "best.yaml").write_bytes("cluster: {use_gpu: \xfc}".encode("latin-1"))
    with pytest.raises(InputError, match=r"best\.yaml is not plain YAML: it is not UTF-8"):
        jobs_config.load(tmp_path / "best.yaml")
    (tmp_path / "best.yaml").write_text("cluster: {use_gpu: 'false'}")
    with pytest.raises(InputError, match=r"best\.yaml: cluster\.use_gpu must be true or false, got 'false'"):
        jobs_config.load(tmp_path / "best.yaml")


def test_machines_of_0_1_are_checked_too() -> None:
    with pytest.raises(InputError, match=r"cluster\.max_failures must be at least 0, got -5"):
        jobs_config.from_dict({"train": {"max_failures": -5}})


def test_what_a_resumed_run_may_change() -> None:
    """A new field of what is learned is kept unless it says otherwise; one of the machines may change."""
    job = Job()
    sections = {**vars(job.config), "cluster": job.cluster}
    free = {f"{section}.{field.name}" for section, settings in sections.items()
            for field in dataclasses.fields(settings) if field.name not in jobs_config.kept_fields(settings)}
    assert free == {"data.root", "data.max_bad_images", "data.max_left_out", "train.max_skipped_steps",
                    "eval.batch_size", *(f"cluster.{field.name}" for field in dataclasses.fields(ClusterConfig)
                                         if field.name != "threads")}


def test_two_that_learn_the_same_are_equal_as_learned() -> None:
    moved = configs.change(demo(), {"data.root": "/elsewhere", "eval.batch_size": 3})
    assert jobs_config.as_learned(moved) == jobs_config.as_learned(demo()) != jobs_config.as_learned(
        configs.change(demo(), {"train.seed": 9}))
    assert jobs_config.as_learned(moved).method == demo().method
