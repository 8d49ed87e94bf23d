"""Fields that change nothing beside the others: who sets one of them has something else in mind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from trs.config.methods import ConsistencyConfig, MethodConfig, SupervisedConfig, TRSConfig
from trs.config.training import Config
from trs.errors import InputError

_OF_PATCHES = {"cutout", "joint_cutout", "ssco", "keypoint_mix"}
"""Augmentations that blend, paste or cut out a patch."""
_OF_UNLABELED = ("include_labeled", "unlabeled_count", "unlabeled_annotations", "unlabeled_images",
                 "unlabeled_detections", "min_detection_score")
"""Fields of the data that say who is unlabeled."""


def require_effect(names: Iterable[str], *configs: Config) -> None:
    """Check that what was set changes something.

    What a preset, a file or a search has set may lie idle: it is there for other settings than these.

    Args:
        names: of the fields that were set.
        configs: that they were set in; a field must have an effect in one of them.

    Raises:
        InputError: one has none; the message says why.
    """
    reasons = [idle(config) for config in configs]
    for name in names:
        if all(name in each for each in reasons):
            why = Counter(each[name] for each in reasons).most_common(1)[0][0]  # a reference has reasons of its own
            raise InputError(f"{name} has no effect {why}; leave that out")


def changed(config: Config, before: Config) -> list[str]:
    """The dotted names of the fields in which two configs of one method differ."""
    return [f"{section}.{name}" for section, settings in vars(config).items()
            for name, value in vars(settings).items() if value != getattr(getattr(before, section), name)]


def idle(config: Config) -> dict[str, str]:
    """The fields that have no effect in this training, by their dotted names, and why."""
    reasons = {**_idle_data(config), **_idle_views(config), **_idle_method(config.method)}
    if isinstance(config.method, SupervisedConfig):
        reasons |= {f"data.{name}": "on supervised, which learns from the labeled people alone"
                    for name in _OF_UNLABELED}
        reasons["train.burn_in"] = "on supervised, all of whose steps are supervised"
    if config.train.workers == 1:
        reasons["train.rate_scaling"] = "with one worker"
    if config.train.schedule == "cosine":
        reasons["train.lr_drops"] = "beside train.schedule = cosine, which falls by itself"
    if config.model.levels == 1:
        reasons["model.fuse"] = "beside model.levels = 1, whose heatmaps are those of its only level"
    first, *others = config.model.backbones
    if len(config.method.peers) == 1 and (len(others) > 1 or others not in ([], [first])):
        reasons["model.backbones"] = f"beyond the first, {first}: {config.method.name} trains one network"
    return reasons


def _idle_data(config: Config) -> dict[str, str]:
    data = config.data
    drawn: tuple[str, ...]
    if data.manifest is not None:
        drawn, why = ("labeled_count", "split", "split_seed"), "beside data.manifest, which says who is labeled"
    elif data.labeled_count is None:
        drawn, why = ("split", "split_seed"), "where data.labeled_count is null and everybody is labeled"
    elif data.split == "first":
        drawn, why = ("split_seed",), "beside data.split = first, which draws nothing"
    else:
        drawn, why = (), ""
    # Those who choose are drawn by it too.
    reasons = {f"data.{name}": why for name in drawn if name != "split_seed" or data.dev_count is None}
    if data.unlabeled_annotations is None:
        reasons["data.unlabeled_images"] = "without data.unlabeled_annotations, the list of those images"
    else:
        reasons["data.include_labeled"] = "beside data.unlabeled_annotations, whose people are all that is unlabeled"
    if data.unlabeled_detections is None:
        reasons["data.min_detection_score"] = ("without data.unlabeled_detections: boxes of data.val_detections all "
                                               "count, since AP weighs a box by its score")
    return reasons


def _idle_views(config: Config) -> dict[str, str]:
    view, hard, reasons = config.view, isinstance(config.method, ConsistencyConfig), dict[str, str]()
    if not hard:
        reasons["view.hard_rotation_probability"] = f"on {config.method.name}, which has no hard view"
    if view.rotation == 0:
        reasons |= {f"view.{name}": "beside view.rotation = 0"
                    for name in ("easy_rotation_probability", "hard_rotation_probability")}
    if view.easy_rotation_probability == 0 and (view.hard_rotation_probability == 0 or not hard):
        reasons["view.rotation"] = "where no view is rotated: the probabilities are 0"
    return reasons


def _idle_method(method: MethodConfig) -> dict[str, str]:
    reasons = dict[str, str]()
    if isinstance(method, ConsistencyConfig):
        if "keypoint_mix" not in method.augment:
            reasons["method.mix_count"] = "without keypoint_mix among method.augment"
        if _OF_PATCHES.isdisjoint(method.augment):
            reasons["method.patch_half_size"] = f"without one of {', '.join(sorted(_OF_PATCHES))} among method.augment"
        if method.unsup_weight == 0:
            reasons["method.ramp_up"] = "beside method.unsup_weight = 0"
    if isinstance(method, TRSConfig) and not method.reviewers:
        reasons["method.reviewer_role"] = "where method.reviewers is false"
    return reasons
