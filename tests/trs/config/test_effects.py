"""Fields that change nothing, and only those, are refused where they are set."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from trs import config as configs
from trs.config import METHOD_NAMES, Config, SupervisedConfig, change
from trs.config.effects import changed, idle, require_effect
from trs.errors import InputError
from trs.presets import PRESETS

IDLE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"method.augment": ["cutout"]}, {"method.mix_count": 3}, "without keypoint_mix among method.augment"),
    ({"method.augment": ["mixup"]}, {"method.patch_half_size": [3, 4]}, "without one of cutout, .* among"),
    ({"method.reviewers": False}, {"method.reviewer_role": "both"}, "where method.reviewers is false"),
    ({"method.unsup_weight": 0}, {"method.ramp_up": 5}, "beside method.unsup_weight = 0"),
    ({"model.levels": 1}, {"model.fuse": "mean"}, "beside model.levels = 1"),
    ({}, {"train.rate_scaling": "root"}, "with one worker"),
    ({"view.rotation": 0}, {"view.easy_rotation_probability": 0.1}, "beside view.rotation = 0"),
    ({"view.rotation": 0}, {"view.hard_rotation_probability": 0.1}, "beside view.rotation = 0"),
    ({"view.easy_rotation_probability": 0, "view.hard_rotation_probability": 0}, {"view.rotation": 9},
     "no view is rotated"),
    ({"data.manifest": "split.json"}, {"data.labeled_count": 9}, "beside data.manifest"),
    ({"data.manifest": "split.json"}, {"data.split": "first"}, "beside data.manifest"),
    ({"data.manifest": "split.json"}, {"data.split_seed": 9}, "beside data.manifest"),
    ({"data.labeled_count": None}, {"data.split_seed": 9}, "where data.labeled_count is null"),
    ({"data.labeled_count": None}, {"data.split": "first"}, "where data.labeled_count is null"),
    ({"data.split": "first"}, {"data.split_seed": 9}, "beside data.split = first"),
    ({}, {"data.unlabeled_images": "more"}, "without data.unlabeled_annotations"),
    ({"data.unlabeled_annotations": "a.json"}, {"data.include_labeled": True}, "beside data.unlabeled_annotations"),
    ({}, {"data.min_detection_score": 0.9}, "without data.unlabeled_detections"),
    ({"data.val_detections": "d.json"}, {"data.min_detection_score": 0.9},
     "without data.unlabeled_detections: boxes of data.val_detections all count")]


@pytest.mark.parametrize(("beside", "given", "words"), IDLE, ids=lambda value: str(value)[:50])
def test_what_changes_nothing_is_refused_and_named(beside: dict[str, Any], given: dict[str, Any], words: str) -> None:
    config = change(change(Config(), beside), given)
    name = next(iter(given))
    with pytest.raises(InputError, match=f"^{name} has no effect .*{words}.*; leave that out$"):
        require_effect(given, config)
    require_effect(beside, change(Config(), beside))
    if name not in idle(Config()):
        require_effect(given, change(Config(), given))
        require_effect(given, config, change(Config(), given))


def test_a_method_without_a_hard_view_does_not_rotate_it() -> None:
    config = Config(method=SupervisedConfig())
    assert set(idle(config)) >= {"view.hard_rotation_probability"}
    with pytest.raises(InputError, match="on supervised, which has no hard view"):
        require_effect(["view.hard_rotation_probability"], config)
    assert "view.rotation" in idle(change(config, {"view.easy_rotation_probability": 0}))


def test_who_is_unlabeled_is_nothing_to_a_supervised_training() -> None:
    given = {"data.unlabeled_count": 5, "data.include_labeled": True, "data.unlabeled_annotations": "a.json",
             "data.unlabeled_images": "more", "data.unlabeled_detections": "d.json", "data.min_detection_score": 0.9}
    supervised = change(Config(method=SupervisedConfig()), given)
    for name in given:
        with pytest.raises(InputError, match=f"^{name} has no effect on supervised, which learns from the labeled"):
            require_effect([name], supervised)
    require_effect(["data.unlabeled_count"], supervised, Config())  # a reference beside what learns from them


def test_further_backbones_of_a_single_network_are_idle_where_they_differ() -> None:
    for names, is_idle in ((["resnet50"], False), (["resnet50"] * 2, False), (["resnet50", "resnet18"], True),
                           (["resnet50"] * 3, True)):
        config = change(Config(method=SupervisedConfig()), {"model.backbones": names})
        assert ("model.backbones" in idle(config)) is is_idle
    assert "model.backbones" not in idle(change(Config(), {"model.backbones": ["resnet50", "resnet18"]}))


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_sets_has_an_effect_on_its_method(preset: str) -> None:
    config = PRESETS[preset]()
    default = Config()
    assert [name for name in idle(config) if name in changed(config, default)] == []


def test_every_idle_field_is_one_of_the_config() -> None:
    """And its value plays no part in whether it is idle."""
    seen = set()
    for beside, _, _ in IDLE:
        for kind in METHOD_NAMES.values():
            names = {field.name for field in dataclasses.fields(kind)}
            config = dataclasses.replace(Config(), method=kind())
            config = change(config, {name: value for name, value in beside.items()
                                     if not name.startswith("method.") or name[7:] in names})
            seen |= idle(config).keys()
            for name in idle(config).keys() - {"model.backbones"}:
                section, _, field = name.partition(".")
                assert hasattr(getattr(config, section), field), name
    assert seen >= {name for _, given, _ in IDLE for name in given}


def test_what_was_set_is_told_by_comparison() -> None:
    assert changed(change(Config(), {"train.epochs": 3, "data.sigma": 1}), Config()) == ["data.sigma", "train.epochs"]
    assert changed(Config(), configs.from_dict(configs.to_dict(Config()))) == []
