"""What the loop asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from trs.config import ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.models.pose import Peers, PoseNetwork

MakeNetwork = Callable[[int], PoseNetwork]
"""Builds the pose network of peer number i, with its own backbone and initial weights."""

Forward = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""`Method.trained`, or what the loop wrapped around it (DDP): pictures by network name to heatmaps by name."""


class Method(ABC):
    """A way to train pose networks.

    networks: every network by name; together they are the method's state.
    trained: those that gradients reach: what DDP wraps and the optimiser updates.
    peers: names of the networks that start apart, one backbone each; their mean heatmap is the ensemble.
    uses_unlabeled: whether `losses` reads the unlabelled batch; if not, no such picture is read from disk.
    uses_pseudo_labels: whether the unlabeled batch has labels that a first stage has made.
    """

    networks: nn.ModuleDict
    trained: Peers
    peers: ClassVar[tuple[str, ...]]
    uses_unlabeled: ClassVar[bool] = True
    uses_pseudo_labels: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, config: Any, view: ViewConfig, make_network: MakeNetwork) -> None: ...

    @abstractmethod
    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """The losses of one step as scalars by name; `loss` is the one to minimise, the others are for the log."""

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the networks whose mean score is the method's."""
        return self.peers

    @property
    def predictors(self) -> dict[str, PoseNetwork]:
        """The networks that evaluation looks at, by name."""
        return {name: cast(PoseNetwork, network) for name, network in self.networks.items()}

    def after_step(self, step: int) -> None:  # noqa: B027 (most methods have nothing to do here)
        """Called after each optimiser step."""

    def after_epoch(self) -> None:  # noqa: B027 (most methods have nothing to do here)
        """Called after the last step of each epoch, before it is evaluated."""
