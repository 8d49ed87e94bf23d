"""The burn-in that several trainings share: it is trained once, in a folder of its own, and all of them go on from it.

A training that goes on from there ends in the same weights as one that has burned in by itself: the burn-in's state is
whole, and nothing of what comes after has a say in it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from jobs.config import Job, as_learned
from trs import checkpoint_folders as checkpoints
from trs import config as configs
from trs.config import Config, SupervisedConfig, TRSConfig


def burn_in_of(job: Job) -> Job | None:
    """The supervised training of its peers that a training begins with; None where there is none to share.

    It depends on all settings but the method's, and those of what it does not do: look at hard views, and evaluate.
    Reviewers that learn from labels are a part of the burn-in, which is then the training's own.
    """
    config = job.config
    trains_more = isinstance(config.method, TRSConfig) and config.method.reviewer_update != "ema"
    if config.train.burn_in == 0 or trains_more or isinstance(config.method, SupervisedConfig):
        return None
    alike = Config()
    model = dataclasses.replace(config.model, fuse=alike.model.fuse)
    view = dataclasses.replace(config.view, heatmap_warp=alike.view.heatmap_warp,
                               hard_rotation_probability=alike.view.hard_rotation_probability)
    return dataclasses.replace(job, config=dataclasses.replace(
        config, method=SupervisedConfig(networks=len(config.method.peers)), model=model, view=view, eval=alike.eval))


def name_of(burn_in: Job) -> str:
    """The name of its folder: equal burn-ins have the same."""
    burn_in = dataclasses.replace(burn_in, config=as_learned(burn_in.config))  # the data may have moved
    content = json.dumps(configs.to_dict(burn_in.config), sort_keys=True)
    return f"burn_in-{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def state_of(burn_in: Job, folder: Path) -> Path:
    """The checkpoint that the trainings go on from, in the burn-in's folder; it is there once the burn-in is done."""
    return folder / checkpoints.folder_name(burn_in.config.train.burn_in)
