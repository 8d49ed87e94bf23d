"""What the files of earlier versions mean in the words of this one.

A file that a command wrote says which version's words it is in; 0.1 wrote none. A file that names only some sections
was written by hand, and means what it says today.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from trs.config.checks import shown
from trs.config.methods import MeanTeacherConfig, TRSConfig
from trs.config.training import Config
from trs.errors import InputError

VERSION = 2
"""1: 0.1. 2: `method.ema_warmup`; the decoder `dark` is the published one; `model.pretrained` is a list;
`view.heatmap_warp`."""


def of_today(plain: Mapping[str, Any], sections: Collection[str]) -> dict[str, Any]:
    """The sections of a file, with values that mean today what theirs meant when it was written.

    Args:
        plain: what the file holds.
        sections: what a whole file has.

    Raises:
        InputError: a version that is not known here.
    """
    found = {name: dict(value) if isinstance(value, Mapping) else value for name, value in plain.items()}
    version = found.pop("version", 1 if found.keys() >= set(sections) else VERSION)
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(f"version {shown(version)} of a config is not known here, only 1 to {VERSION}: read it with "
                         "what wrote it, or write a new one")
    if version < 2:
        _from_0_1(found)
    return found


def _from_0_1(found: dict[str, Any]) -> None:
    method, evaluation, view = found.get("method"), found.get("eval"), found.get("view")
    if isinstance(view, dict):
        view.setdefault("heatmap_warp", "bilinear")
    if isinstance(method, dict) and "ema_momentum" in method:
        method.setdefault("ema_warmup", "mean")
    if isinstance(evaluation, dict) and evaluation.get("decoder") == "dark":
        evaluation["decoder"] = "axes"
    model = found.get("model")
    if isinstance(model, dict) and (model.get("pretrained") is None or isinstance(model["pretrained"], str)):
        model["pretrained"] = [model["pretrained"]] if model.get("pretrained") else []
    cluster, train = found.get("cluster") or {}, found.get("train")
    if isinstance(cluster, dict) and isinstance(train, dict):
        cpus = cluster.get("cpus_per_worker", train.get("cpus_per_worker", 1))
        threads = int(cpus) if isinstance(cpus, int | float) and 1 <= cpus < 1000 else 1
        found["cluster"] = {"threads": threads, **cluster}


def kept_from_0_1(config: Config) -> list[str]:
    """What a training keeps of the way in which 0.1 trained, in a sentence; none of one that is of today."""
    method = config.method
    if not isinstance(method, TRSConfig | MeanTeacherConfig) or method.ema_warmup != "mean":
        return []
    kept = {"method.ema_warmup mean": True, "eval.decoder axes": config.eval.decoder == "axes",
            "view.heatmap_warp bilinear": config.view.heatmap_warp == "bilinear"}
    names = ", ".join(name for name, holds in kept.items() if holds)
    return [f"this trains as version 0.1 did, with {names}; in short runs a mean of all weights holds reviewers back"]


def as_0_1_trained(config: Config) -> Config:
    """The training that 0.1 made of the same settings."""
    method, evaluation = config.method, config.eval
    if isinstance(method, TRSConfig | MeanTeacherConfig):
        method = dataclasses.replace(method, ema_warmup="mean")
    if evaluation.decoder == "dark":
        evaluation = dataclasses.replace(evaluation, decoder="axes")
    model = dataclasses.replace(config.model, pretrained=config.model.pretrained[:1])
    view = dataclasses.replace(config.view, heatmap_warp="bilinear")
    return dataclasses.replace(config, view=view, model=model, method=method, eval=evaluation)


def as_0_1_wrote(plain: dict[str, Any]) -> dict[str, Any]:
    """A config's plain values in the words of 0.1, without a version; as they are where it had no words for them.

    Fields that 0.1 did not have are there as well.
    """
    model, method, evaluation = dict(plain["model"]), dict(plain["method"]), dict(plain["eval"])
    view = dict(plain["view"])
    if (view.pop("heatmap_warp") != "bilinear" or method.pop("ema_warmup", "mean") != "mean"
            or evaluation["decoder"] == "dark" or len(model["pretrained"]) > 1):
        return plain
    model["pretrained"] = next(iter(model["pretrained"]), None)
    if evaluation["decoder"] == "axes":
        evaluation["decoder"] = "dark"
    return {**{name: value for name, value in plain.items() if name != "version"},
            "view": view, "model": model, "method": method, "eval": evaluation}
