"""A training as it stands: its config, people, networks and optimizer, and the step that it has come to."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from trs import bad_images
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.checkpoint import Checkpoint, Counters
from trs.config import Config
from trs.data.datasets import Datasets
from trs.data.person_table import PersonTable
from trs.distributed import rank, world_size
from trs.methods.base import Method
from trs.optimizer import build_optimizer
from trs.running_statistics import RunningStatistics
from trs.schedule import require_after_burn_in, steps_per_epoch
from trs.warm_start import load_given, restore_networks, restore_optimizer, restore_peers, warm_start


@dataclass
class Training:
    """All that a run changes."""

    config: Config
    datasets: Datasets
    method: Method
    optimizer: torch.optim.Optimizer
    device: torch.device
    counters: Counters = field(default_factory=Counters)

    @property
    def steps_per_epoch(self) -> int:
        """An epoch passes over the larger of the two datasets, whichever the method reads: equal epochs are equal."""
        return steps_per_epoch(len(self.datasets.labeled), len(self.datasets.unlabeled), self.config.train)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.train.epochs * self.steps_per_epoch

    @property
    def burn_in(self) -> int:
        """Supervised steps before unlabeled images count."""
        return self.config.train.burn_in if self.method.uses_unlabeled else 0

    @property
    def images_met(self) -> int:
        """Images that the steps so far have looked at: no more than there are, however often they have come."""
        share = self.config.train.batch_size * self.config.train.workers
        steps = (self.counters.step, max(0, self.counters.step - self.burn_in))
        met = sum(min(done * share, len(people)) for done, people in zip(steps, self._tables, strict=False))
        return min(self._image_count, met)

    @functools.cached_property
    def statistics(self) -> RunningStatistics:
        """Room for what a step must be able to undo."""
        return RunningStatistics(self.method.networks)

    @functools.cached_property
    def _image_count(self) -> int:
        return bad_images.images_of(*self._tables)

    @property
    def _tables(self) -> list[PersonTable]:
        return [self.datasets.labeled, *([self.datasets.unlabeled] if self.method.uses_unlabeled else [])]

    @property
    def shares(self) -> range:
        """The shares of a step that are this worker's."""
        return range(rank(), self.config.train.workers, world_size())

    @functools.cached_property
    def _plain_config(self) -> dict[str, Any]:
        return configs.to_dict(self.config)

    def save(self, folder: Path) -> None:
        """Write the whole state."""
        checkpoints.save(folder, self.method.networks, self.optimizer, self.counters,
                         self._plain_config, self.datasets.skeleton)


def start_training(config: Config, datasets: Datasets, method: Method, device: torch.device,
          resumed: Checkpoint | None = None, burned_in: Checkpoint | None = None) -> Training:
    """Make a fresh training, a warm-started one (`train.init_from`), or one that is resumed from a checkpoint.

    Args:
        config: of the training.
        datasets: that it learns from.
        method: with fresh networks.
        device: that it computes on.
        resumed: of the same training.
        burned_in: of the supervised training of the peers that its burn-in is (`jobs.training.burn_in`), at the end
            of it; the training goes on as if it had been its own.

    Raises:
        InputError: a checkpoint that does not fit, or a burn-in that leaves no step for unlabeled images.
    """
    if resumed is None and config.train.init_from:
        warm_start(method.networks, method.peers, load_given(config.train.init_from))
    method.networks.to(device)
    optimizer = build_optimizer(method.trained, config.train)
    training = Training(config, datasets, method, optimizer, device)
    if method.uses_unlabeled:
        require_after_burn_in(config.train, len(datasets.labeled), len(datasets.unlabeled))
    if burned_in is not None and resumed is None:
        restore_peers(method, burned_in)
        restore_optimizer(optimizer, burned_in)
        training.counters = burned_in.counters
    if resumed is not None:
        restore_networks(method.networks, resumed)
        restore_optimizer(optimizer, resumed)
        training.counters = resumed.counters
    return training
