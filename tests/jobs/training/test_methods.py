"""Methods of one stage and of two, for two steps on drawn people through Ray."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import ray.train
import torch

from jobs.cluster.failures import find_mistake
from jobs.config import TWO_CORES, Job
from jobs.run_folder.layout import read_lines, write_run
from jobs.run_folder.metrics import read_metrics
from jobs.training.datasets import store
from jobs.training.prepare import prepare
from jobs.training.pseudo_labels import first_stage, label_unlabeled
from jobs.training.trainer import fit
from trs import checkpoint as checkpoints
from trs.config import METHOD_NAMES, Config, DataDistillConfig, TRSConfig
from trs.data.datasets import Datasets
from trs.data.pseudo_labels import with_labels
from trs.methods.build import build_method
from trs.training import start_training


def train(config: Config, folder: Path) -> list[dict[str, float]]:
    job = Job(config, dataclasses.replace(TWO_CORES, max_failures=0))
    datasets = prepare(config, folder)
    write_run(job, datasets.split, folder)
    fit(job, store(datasets), folder)
    return read_metrics(folder)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("name", ["trs", "pseudo_pose", pytest.param("data_distill", marks=pytest.mark.long)])
def test_it_trains_two_steps_and_is_evaluated(name: str, config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(config, method=METHOD_NAMES[name](),
                                 train=dataclasses.replace(config.train, epochs=1, batch_size=20))
    last = train(config, tmp_path / name)[-1]
    assert last["step"] == 2 and np.isfinite(last["loss"]) and 0 <= last["ap"] <= 1
    assert checkpoints.load(checkpoints.newest(tmp_path / name)).counters.step == 2
    assert (tmp_path / name / "pseudo_labels.npz").exists() == (name in ("pseudo_pose", "data_distill"))


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_find_the_same_pseudo_labels_as_one(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    """From a network that has not been trained: its confidence is next to nothing, but has its highest place."""
    config = dataclasses.replace(config, method=DataDistillConfig(confidence_threshold=1e-12))
    first = first_stage(Job(config)).config
    labeled = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        training = start_training(first, datasets, build_method(first, len(datasets.skeleton)), torch.device("cpu"))
        training.save(folder / "first_stage" / "checkpoint_00000000")
        wanted = dataclasses.replace(config, train=dataclasses.replace(config.train, workers=workers))
        labeled.append(label_unlabeled(Job(wanted, TWO_CORES), store(datasets), folder).load().unlabeled)
    one, two = labeled
    assert len(one) == 40 and one.keypoint_weights.any()
    np.testing.assert_array_equal(one.keypoint_weights, two.keypoint_weights)
    np.testing.assert_allclose(one.keypoints, two.keypoints)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_unlabeled_people_whose_images_are_gone_are_told_at_once(config: Config, datasets: Datasets, tmp_path: Path
                                                                 ) -> None:
    config = dataclasses.replace(config, method=DataDistillConfig())
    first = first_stage(Job(config)).config
    training = start_training(first, datasets, build_method(first, len(datasets.skeleton)), torch.device("cpu"))
    training.save(tmp_path / "first_stage" / "checkpoint_00000000")
    gone = np.array([f"gone_{number}.jpg" for number in range(len(datasets.unlabeled))])
    broken = dataclasses.replace(datasets, unlabeled=dataclasses.replace(datasets.unlabeled, files=gone))
    with pytest.raises(ray.train.TrainingFailedError) as ended:
        label_unlabeled(Job(config, TWO_CORES), store(broken), tmp_path)
    assert str(find_mistake(ended.value)).startswith("40 of 40 unlabeled images cannot be used, more than data.max_bad")
    assert read_lines(tmp_path / "events.txt") == [] and len(read_lines(tmp_path / "bad_images.txt")) == 40


def test_pseudo_labels_are_the_keypoints_that_were_predicted_with_enough_confidence(datasets: Datasets) -> None:
    keypoints = np.zeros((2, len(datasets.skeleton), 3))
    keypoints[0, :, :2] = 7
    keypoints[0, 3, 2] = 0.3
    keypoints[1, :, 2] = 0.1
    people = with_labels(datasets.unlabeled, np.array([5, 2]), keypoints, 0.2)
    assert people.keypoint_weights.sum() == people.keypoint_weights[5, 3] == 1
    assert (people.keypoints[5] == 7).all()
    assert datasets.unlabeled.keypoint_weights.sum() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_peers_of_different_depth_report_each_on_its_own(config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, backbones=("resnet_small", "resnet_tiny")),
        method=TRSConfig(augment=("cutmix", "ssco"), paths=2),
        train=dataclasses.replace(config.train, epochs=1, batch_size=40))
    last = train(config, tmp_path / "run")[-1]
    assert {"ap_a", "ap_b", "ap_reviewer_a", "ap_reviewer_b"} <= last.keys()
    weights = checkpoints.load(checkpoints.newest(tmp_path / "run")).networks
    assert weights["a.backbone.stem.0.weight"].shape[0] == 2 * weights["b.backbone.stem.0.weight"].shape[0]
