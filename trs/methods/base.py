"""What the loop asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar, cast

from torch import Tensor, nn

from trs.config import MethodSettings, ViewConfig
from trs.data.batch import LabeledBatch, UnlabeledBatch
from trs.losses import supervised_loss
from trs.models.pose import Peers, PoseNetwork

Batch = TypeVar("Batch", LabeledBatch, UnlabeledBatch)

MakeNetwork = Callable[[int], PoseNetwork]
"""Builds the pose network of peer number i, with its own backbone and initial weights."""

Forward = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""`Method.trained`, or what the loop wrapped around it (DDP): images by network name to heatmaps by name."""


class Method(ABC):
    """A way to train pose networks.

    networks: every network by name; together they are the method's state.
    trained: those that gradients reach: what DDP wraps and the optimizer updates.
    uses_unlabeled: whether `losses` reads the unlabeled batch; if not, no such image is read from disk.
    uses_pseudo_labels: whether the unlabeled batch has labels that a first stage has made.
    """

    config: MethodSettings
    networks: nn.ModuleDict
    trained: Peers
    uses_unlabeled: ClassVar[bool] = True
    uses_pseudo_labels: ClassVar[bool] = False

    def __init__(self, config: MethodSettings, view: ViewConfig, make_network: MakeNetwork) -> None:
        """Make a network for each peer; a method that has more of them adds them."""
        self.config, self.view = config, view
        self.trained = Peers({name: make_network(number) for number, name in enumerate(self.peers)})
        self.networks = nn.ModuleDict(dict(self.trained.items()))

    @property
    def peers(self) -> tuple[str, ...]:
        """Names of the networks that start apart, see `MethodSettings`."""
        return self.config.peers

    def burn_in_loss(self, forward: Forward, labeled: LabeledBatch) -> Tensor:
        """Eq. 9 for every trained network: the loss of a step of the burn-in, in which they learn from labels alone."""
        return supervised_loss(forward({name: labeled.images for name in self.trained}), labeled)

    def after_burn_in(self) -> None:  # noqa: B027 (most methods have nothing to do here)
        """Begin to remember: copies of the peers are made anew, before the first step that sees unlabeled images."""

    @abstractmethod
    def losses(self, forward: Forward, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, step: int,
               epoch: int = 0) -> dict[str, Tensor]:
        """Compute the losses of one step as scalars by name; `loss` is the one to minimize, the others are for the log.

        Args:
            forward: runs trained networks.
            labeled: its labels are true.
            unlabeled: None if the method does not use it.
            step: completed ones after the burn-in.
            epoch: completed ones.
        """

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the networks whose mean score is the method's."""
        return self.config.scored

    @property
    def predictors(self) -> dict[str, PoseNetwork]:
        """The networks that evaluation looks at, by name."""
        return {name: cast(PoseNetwork, network) for name, network in self.networks.items()}

    def after_step(self, step: int) -> None:  # noqa: B027 (most methods have nothing to do here)
        """Finish an optimizer step, after `step` earlier ones since the burn-in."""

    def after_epoch(self) -> None:  # noqa: B027 (most methods have nothing to do here)
        """Finish an epoch, after its last step and before it is evaluated."""


def required(batch: Batch | None) -> Batch:
    """The batch, which the loop gives to every method that says it uses it."""
    assert batch is not None
    return batch
