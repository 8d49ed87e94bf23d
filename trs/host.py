"""Who runs a training: a host gives the loop its images, keeps its state, and listens to what it measures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from trs.data.reader import Rows, Stream, read_ahead
from trs.errors import Interruption
from trs.methods.base import Forward
from trs.training import Training

Metrics = dict[str, float | None]
"""A number each, or None where there is nothing to measure: never NaN."""
ShareRows = dict[str, range]
"""The rows of a share of a step, by stream: `labeled` and `unlabeled`."""


class Host(Protocol):
    """What a training needs of whoever runs it: images, a place for its state, and somebody who listens.

    Every worker has one, and every method is called on every worker after the same steps.

    checkpoint_every: steps between two checkpoints within an epoch.
    reported_step: the last step whose evaluation was reported, 0 before the first.
    """

    checkpoint_every: int
    reported_step: int

    def read(self, shares: Iterator[ShareRows]) -> Iterator[dict[str, Rows]]:
        """Read the rows of these shares, one after the other, ahead of the loop."""
        ...

    def wrap(self, networks: nn.Module) -> Forward:
        """Put DDP around the trained networks, where there are several workers."""
        ...

    def save(self, training: Training) -> None:
        """Keep the state, on one of the workers."""
        ...

    def interrupted(self, step: int) -> Interruption | None:
        """Say after each step whether this worker ought to stop; what one worker says holds for all."""
        ...

    def keep(self, predictor: str, results: list[dict[str, Any]]) -> None:
        """Take the poses of an evaluation, in COCO's result format."""
        ...

    def report(self, metrics: Metrics) -> None:
        """Take the metrics since the last report, those of the evaluation on rank 0 only, and note their step."""
        ...


@dataclass
class PlainHost:
    """A host of one process, without Ray: threads read, reports are collected, nothing is saved.

    streams: `trs.data.reader.Stream`s by name.
    reports: of all evaluations, oldest first.
    """

    streams: dict[str, Stream]
    reports: list[Metrics] = field(default_factory=list)
    checkpoint_every: int = sys.maxsize
    reported_step: int = 0

    def read(self, shares: Iterator[ShareRows]) -> Iterator[dict[str, Rows]]:
        """Read with two threads."""
        return read_ahead(self.streams, shares)

    def wrap(self, networks: nn.Module) -> Forward:
        """One process needs no DDP."""
        return networks

    def save(self, training: Training) -> None:
        """Keep nothing."""

    def interrupted(self, step: int) -> Interruption | None:
        """Never stop early."""
        return None

    def keep(self, predictor: str, results: list[dict[str, Any]]) -> None:
        """Keep nothing."""

    def report(self, metrics: Metrics) -> None:
        """Append to the reports."""
        self.reports.append(metrics)
        self.reported_step = int(metrics["step"] or 0)
