"""The switches of every method; the paper's are in `TRSConfig`.

This module does not import torch: drivers and reading tasks start seconds sooner without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from trs.config.checks import ADDED, check_fields, require, within

Warmup = Literal["tenth", "mean"]
"""How an average's momentum begins: see `trs.schedule.ema_momentum`."""
AugmentationName = Literal["cutout", "mixup", "cutmix", "rand_augment", "joint_cutout", "ssco", "keypoint_mix"]


class MethodSettings:
    """What the config of every method tells about it.

    name: of the method, in files and on the command line.
    peers: names of the networks that start apart, one backbone each; their mean heatmap is the ensemble.
    first_stage: the method whose trained network must label the unlabeled people before this one can start.
    """

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the networks whose mean score is the method's."""
        return self.peers

    @property
    def consistency_weight(self) -> float:
        """Weight of all that a network learns from unlabeled images, beside 1 for what it learns from labels."""
        return 0.0

    name: ClassVar[str]
    peers: ClassVar[tuple[str, ...]] = ("a",)
    first_stage: ClassVar[type[MethodSettings] | None] = None


@dataclass(frozen=True)
class SupervisedConfig(MethodSettings):
    """Networks on the labeled set alone: the honest baseline, and every method's burn-in (`train.burn_in`)."""

    name = "supervised"
    networks: int = field(default=1, metadata=ADDED | within(1, 3))
    """Networks that learn beside each other from weights of their own, and nothing of each other: their ensemble is the
    baseline of other ensembles."""

    def __post_init__(self) -> None:
        check_fields(self, "method")

    @property
    def peers(self) -> tuple[str, ...]:  # type: ignore[override]  # the others' number is fixed
        """Names of the networks."""
        return ("a", "b", "c")[:self.networks]


@dataclass(frozen=True)
class PseudoPoseConfig(MethodSettings):
    """Train supervised, label the unlabeled people once, train anew on both."""

    name = "pseudo_pose"
    first_stage: ClassVar[type[MethodSettings] | None] = SupervisedConfig
    unsup_weight: float = 1.0
    """Weight of the pseudo-labeled people's loss."""
    confidence_threshold: float = field(default=0.2, metadata=within(0, 1))
    """Keypoints of which the first stage is less confident get no pseudo label."""

    @property
    def consistency_weight(self) -> float:
        """That of the pseudo labels."""
        return self.unsup_weight

    def __post_init__(self) -> None:
        check_fields(self, "method")


@dataclass(frozen=True)
class DataDistillConfig(PseudoPoseConfig):
    """PseudoPose whose labels are read from the mean heatmap over mirror images and scales (Radosavovic et al.)."""

    name = "data_distill"
    scales: tuple[float, ...] = field(default=(0.8, 1.0, 1.2), metadata=within(0.1, 10))
    """Sizes at which each image is labeled, once as it is and once mirrored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.scales) > 0, "method.scales needs at least one size, such as 1")


@dataclass(frozen=True)
class ConsistencyConfig(MethodSettings):
    """What all methods share whose student learns a teacher's easy view on a hard view."""

    unsup_weight: float = 1.0
    """Lambda of Eq. 12: weight of the consistency losses, beside a weight of 1 for the supervised ones."""
    ramp_up: int = 0
    """Steps over which lambda rises linearly from 0; 0 starts with all of it."""
    augment: tuple[AugmentationName, ...] = ()
    """What makes the view hard, in this order, before its affine; without a name the affine is all."""
    mix_count: int = 5
    """Keypoints that Keypoint-Mix blends (paper, Table VIII); 0 switches it off."""
    patch_half_size: tuple[int, int] = field(default=(10, 19), metadata=within(1, 128))
    """Smallest and largest half-size of a patch that is blended, pasted or cut out, in pixels of a 256x192 input;
    scales with the height."""
    paths: int = field(default=1, metadata=within(1, 64))
    """Independent hard views of each image, whose losses are summed (multi-path, as in MultiAugs)."""
    confidence_threshold: float = field(default=0.0, metadata=within(0, 1))
    """Keypoints of which the teachers are less confident are left out of the consistency; 0 keeps all."""

    @property
    def consistency_weight(self) -> float:
        """Lambda for each target and path of a student."""
        return self.unsup_weight * self.paths * self.targets

    @property
    def targets(self) -> int:
        """Networks that supervise a student on each path."""
        return 1

    def __post_init__(self) -> None:
        check_fields(self, "method")
        low, high = self.patch_half_size
        require(low <= high, f"method.patch_half_size must rise, got {low} {high}")


@dataclass(frozen=True)
class TrainedTeacherConfig(ConsistencyConfig):
    """What the methods share whose teachers are trained networks, not only averages of such."""

    teacher_mode: Literal["train", "eval"] = "train"
    """BatchNorm of a trained network while it teaches: batch statistics (as in Dual's public code) or running ones."""


@dataclass(frozen=True)
class SingleConfig(TrainedTeacherConfig):
    """One network: its easy view supervises its own hard view (Xie et al. 2021)."""

    name = "single"
    augment: tuple[AugmentationName, ...] = ("joint_cutout",)


@dataclass(frozen=True)
class DualConfig(TrainedTeacherConfig):
    """Two networks, each one's easy view supervises the other's hard view (Xie et al. 2021)."""

    name = "dual"
    peers = ("a", "b")
    unsup_weight: float = 2.0
    """The public code weighs supervised losses 0.5 and consistency 1; to Adam only the ratio matters."""
    augment: tuple[AugmentationName, ...] = ("joint_cutout",)


@dataclass(frozen=True)
class SSPCMConfig(TrainedTeacherConfig):
    """Two teachers that are a Dual, and a student that learns where the closest two of four agree (Huang et al. 2023).
    """

    name = "sspcm"
    peers = ("a", "b", "c")
    unsup_weight: float = 2.0
    """As in Dual."""
    augment: tuple[AugmentationName, ...] = ("ssco",)
    confidence_threshold: float = field(default=0.1, metadata=within(0, 1))
    """Keypoints of which the two teachers are less confident in the mean are left out."""

    @property
    def scored(self) -> tuple[str, ...]:
        """The student; its teachers' scores stand beside it."""
        return ("c",)


@dataclass(frozen=True)
class MeanTeacherConfig(ConsistencyConfig):
    """One network and its moving average, which teaches it (Tarvainen and Valpola 2017)."""

    name = "mean_teacher"
    ema_momentum: float = 0.999
    """Momentum of the teacher, after its warm-up."""
    ema_warmup: Warmup = "tenth"
    """The teacher's memory while it is young: a tenth of the run so far, or the plain mean of all of it (0.1)."""
    reviewer_mode: Literal["eval", "train"] = "train"
    """BatchNorm of the teacher: the student's running statistics, or those of its own batches; see TRS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_momentum("ema_momentum", self.ema_momentum)


@dataclass(frozen=True)
class FixMatchConfig(TrainedTeacherConfig):
    """One network: where its easy view is sure, a fresh Gaussian there is the hard view's label (Sohn et al. 2020)."""

    name = "fixmatch"
    augment: tuple[AugmentationName, ...] = ("rand_augment", "cutout")
    confidence_threshold: float = field(default=0.5, metadata=within(0, 1))
    """Confidence from which a keypoint becomes a label."""


@dataclass(frozen=True)
class TRSConfig(TrainedTeacherConfig):
    """Teacher-Reviewer-Student and every switch that the paper leaves open."""

    name = "trs"
    peers = ("a", "b")
    unsup_weight: float = 0.5
    augment: tuple[AugmentationName, ...] = ("keypoint_mix",)
    ema_momentum: float = 0.999
    """Alpha of Eq. 7, after its warm-up."""
    ema_warmup: Warmup = "tenth"
    """A reviewer's memory while it is young: a tenth of the run so far, or the plain mean of all of it (0.1)."""
    ema_momentum_b: float | None = None
    """Beta of Eq. 7, the second reviewer's momentum; None takes ema_momentum."""
    locator: Literal["teacher", "teacher_and_reviewer"] = "teacher"
    """Whose easy-view heatmaps tell the augmentations where the keypoints are."""
    reviewers: bool = True
    """False leaves the reviewers out of the targets (the ablation without reviewers)."""
    reviewer_role: Literal["teacher", "student", "both"] = "teacher"
    """Which reviewer supervises a student: the teacher's, the student's own, or both."""
    reviewer_update: Literal["ema", "ema_and_supervised"] = "ema"
    """Reviewers follow by EMA only (Eq. 7), or also take the labeled gradients (text of Eq. 2-3)."""
    reviewer_mode: Literal["eval", "train"] = "train"
    """BatchNorm of a reviewer: its peer's running statistics, which do not belong to its averaged weights, or those of
    its own batches, with which reviewers see better than their peers (docs/study.md)."""

    @property
    def reads_reviewers(self) -> bool:
        """Whether a loss hangs on what a reviewer sees."""
        return self.reviewers or self.locator == "teacher_and_reviewer"

    @property
    def targets(self) -> int:
        """The teacher, and the reviewers that `reviewer_role` names."""
        return 1 + self.reviewers * (2 if self.reviewer_role == "both" else 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_momentum("ema_momentum", self.ema_momentum)
        _require_momentum("ema_momentum_b", self.ema_momentum_b)


def _require_momentum(name: str, momentum: float | None) -> None:
    require(momentum is None or momentum < 1, f"method.{name} must lie in [0, 1), got {momentum}")


MethodConfig = (SupervisedConfig | PseudoPoseConfig | DataDistillConfig | SingleConfig | DualConfig | SSPCMConfig
                | MeanTeacherConfig | FixMatchConfig | TRSConfig)

METHOD_NAMES: dict[str, type[MethodConfig]] = {kind.name: kind for kind in get_args(MethodConfig)}
