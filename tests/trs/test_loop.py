"""The loop without Ray: exact resumes, and what happens when steps or pictures go wrong."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from trs import checkpoint as checkpoints
from trs import loop
from trs.config import Config, MeanTeacherConfig, MethodConfig, SSPCMConfig, SupervisedConfig, TRSConfig
from trs.data.sets import Sets, load_sets
from trs.data.stream import read_ahead, stream_of
from trs.errors import InputError
from trs.methods.build import build_method


def run(config: Config, sets: Sets, folder: Path, resume_from: Path | None = None, stop_after: int | None = None):
    """Train, saving a checkpoint after each report; optionally break off after some reports."""
    method = build_method(config, len(sets.skeleton))
    resumed = checkpoints.load(resume_from) if resume_from else None
    training = loop.start(config, sets, method, torch.device("cpu"), resumed)
    streams = {name: stream_of(people, sets.skeleton.flip_order, config)
               for name, people in (("labeled", sets.labeled), ("unlabeled", sets.unlabeled))}
    reports = []

    class BrokenOff(Exception):
        pass

    def report(metrics, save):
        reports.append(metrics)
        save(folder / f"checkpoint_{int(metrics['epoch'])}")
        if len(reports) == stop_after:
            raise BrokenOff

    with contextlib.suppress(BrokenOff):
        loop.train(training, lambda steps: read_ahead(streams, steps), report)
    return training, reports


@pytest.mark.parametrize("method", [
    TRSConfig(), TRSConfig(reviewer_update="ema_and_supervised"), TRSConfig(reviewer_mode="train", paths=2),
    MeanTeacherConfig(augment=("cutmix", "rand_augment")), SSPCMConfig(confidence_threshold=0.0)], ids=str)
def test_resumed_equals_uninterrupted_to_the_last_bit(config: Config, sets: Sets, tmp_path: Path,
                                                      method: MethodConfig) -> None:
    config = dataclasses.replace(config, method=method)
    through, reports = run(config, sets, tmp_path / "through")
    run(config, sets, tmp_path / "broken", stop_after=1)
    resumed, rest = run(config, sets, tmp_path / "broken", resume_from=tmp_path / "broken" / "checkpoint_1")
    assert through.counters == resumed.counters and through.counters.step == 10
    for name, tensor in through.method.networks.state_dict().items():
        assert torch.equal(tensor, resumed.method.networks.state_dict()[name]), name
    for index, state in through.optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            assert torch.equal(tensor, resumed.optimizer.state_dict()["state"][index][name])
    timing = {"steps_per_second", "data_wait", "seconds_left"}
    assert {k: v for k, v in reports[1].items() if k not in timing} == \
        {k: v for k, v in rest[0].items() if k not in timing}


def test_reports_hold_what_one_needs_to_know(config: Config, sets: Sets, tmp_path: Path) -> None:
    _, reports = run(config, sets, tmp_path)
    assert [report["epoch"] for report in reports] == [1, 2]
    assert {"ap", "ap50", "ar", "ap_a", "ap_b", "ap_reviewer_a", "ap_reviewer_b", "ap_ensemble", "loss",
            "loss_supervised", "loss_a", "loss_b", "agreement", "peak_heat", "learning_rate", "seconds_left",
            "data_wait", "steps_per_second", "bad_images"} <= reports[0].keys()
    assert reports[0]["ap"] == pytest.approx((reports[0]["ap_a"] + reports[0]["ap_b"]) / 2)
    assert reports[1]["seconds_left"] == 0


def test_supervised_reads_no_unlabelled_picture_and_takes_as_many_steps(config: Config, drawn_root: Path,
                                                                       tmp_path: Path) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root)),
                                 method=SupervisedConfig())
    sets = load_sets(config.data)
    for file in sets.unlabeled.files:
        Path(sets.unlabeled.root, str(file)).unlink()
    training, reports = run(config, sets, tmp_path / "run")
    assert training.counters.step == 10 and training.counters.unlabeled_row == 0
    assert reports[-1]["ap"] == reports[-1]["ap_a"]


def test_steps_with_gradients_that_are_not_finite_change_nothing(config: Config, sets: Sets) -> None:
    method = build_method(config, len(sets.skeleton))
    training = loop.start(config, sets, method, torch.device("cpu"))
    streams = {name: stream_of(people, sets.skeleton.flip_order, config)
               for name, people in (("labeled", sets.labeled), ("unlabeled", sets.unlabeled))}
    rows = {name: stream.read(range(8)) for name, stream in streams.items()}
    losses = method.losses
    method.losses = lambda *args: {name: term * float("nan") for name, term in losses(*args).items()}
    before = copy.deepcopy(method.networks.state_dict())
    _, finite = loop.step(training, method.trained, rows, total_steps=10)
    assert not finite and training.counters.step == 1
    for name, value in method.networks.state_dict().items():  # BatchNorm's statistics too
        assert torch.equal(value, before[name]), name
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, max_skipped_steps=2))
    training.config = config
    with pytest.raises(loop.Diverged, match="up to step 3"):
        loop.train(training, lambda steps: read_ahead(streams, steps), lambda metrics, save: None)


def test_too_many_bad_pictures_stop_the_run(config: Config, drawn_root: Path, tmp_path: Path,
                                            capsys: pytest.CaptureFixture) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root)))
    sets = load_sets(config.data)
    for file in sets.unlabeled.files[::3]:
        Path(sets.unlabeled.root, str(file)).write_bytes(b"")
    with pytest.raises(InputError, match="pictures cannot be used"):
        run(config, sets, tmp_path / "run")


def test_bfloat16_learns_too(config: Config, sets: Sets, tmp_path: Path) -> None:
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, precision="bfloat16", epochs=1))
    training, reports = run(config, sets, tmp_path)
    assert 0 < reports[0]["loss"] < 1
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in training.method.networks.parameters())


def test_an_epoch_is_one_pass_over_the_larger_set(config: Config, sets: Sets) -> None:
    training = loop.start(config, sets, build_method(config, 17), torch.device("cpu"))
    assert (len(sets.unlabeled), config.train.batch_size, training.steps_per_epoch) == (40, 8, 5)
