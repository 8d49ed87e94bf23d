"""Every method as the config's name builds it, in the loop: two steps on drawn people, and an evaluation."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from trs import loop
from trs.config import METHOD_NAMES, Config
from trs.data.datasets import Datasets
from trs.data.reader import stream_of
from trs.evaluation.coco_eval import NAMES
from trs.host import PlainHost
from trs.methods.build import METHODS, build_method
from trs.training import start_training

NETWORKS = {"sspcm": {"a", "b", "c"}, "trs": {"a", "b", "reviewer_a", "reviewer_b"}, "dual": {"a", "b"},
            "mean_teacher": {"a", "teacher_a"}}


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_it_trains_two_steps_and_is_evaluated(name: str, config: Config, datasets: Datasets) -> None:
    config = dataclasses.replace(config, method=METHOD_NAMES[name](),
                                 train=dataclasses.replace(config.train, epochs=1, batch_size=20))
    training = start_training(config, datasets, build_method(config, len(datasets.skeleton)), torch.device("cpu"))
    streams = {name: stream_of(people, datasets.skeleton.flip_order, config)
               for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}
    host = PlainHost(streams)
    loop.train(training, host)
    (last,) = host.reports
    assert last["step"] == training.counters.step == 2 and np.isfinite(last["loss"]) and 0 <= last["ap"] <= 1
    networks = NETWORKS.get(name, {"a"})
    named = {key.removeprefix("ap_") for key in last if key.startswith("ap_") and key not in NAMES}
    assert named == networks | {"ensemble"}


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_method_is_scored_by_its_peers_and_sspcm_by_its_student(name: str, config: Config) -> None:
    method = build_method(dataclasses.replace(config, method=METHOD_NAMES[name]()), 17)
    assert method.scored == (("c",) if name == "sspcm" else method.peers)


def test_peers_start_apart_and_each_from_its_seed(config: Config) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        seeded = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed))
        networks = build_method(seeded, 17).networks
        return {name: torch.cat([weight.flatten() for weight in networks[name].parameters()]) for name in ("a", "b")}

    first, again, other = weights(0), weights(0), weights(1)
    assert torch.equal(first["a"], again["a"]) and torch.equal(first["b"], again["b"])
    drawn = [*first.values(), *other.values()]
    assert not any(torch.equal(one, two) for one, two in itertools.combinations(drawn, 2))


def test_peers_have_backbones_of_their_own(config: Config) -> None:
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, backbones=(
        "resnet_tiny", "resnet_small")))
    networks = build_method(config, 17).networks
    sizes = {name: sum(weight.numel() for weight in networks[name].parameters()) for name in networks}
    assert sizes["a"] == sizes["reviewer_a"] < sizes["b"] == sizes["reviewer_b"]


def test_a_method_is_named_once() -> None:
    assert set(METHOD_NAMES.values()) == set(METHODS)
    assert all(kind.name == name for name, kind in METHOD_NAMES.items())


def test_only_methods_with_a_first_stage_learn_from_pseudo_labels() -> None:
    assert {kind.name for kind, method in METHODS.items() if method.uses_pseudo_labels} == {
        name for name, kind in METHOD_NAMES.items() if kind.first_stage is not None}
