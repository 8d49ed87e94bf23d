"""What a training is: frozen, typed dataclasses, each field documented, validated when they are made.

`to_dict` and `from_dict` carry a `Config` through YAML and back; `trs.presets` has some ready-made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import cattrs
import cattrs.strategies
import yaml

from trs.errors import InputError
from trs.files import write_whole

BackboneName = Literal["resnet_tiny", "resnet_small", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
                       "hrnet_w32", "hrnet_w48"]
AugmentationName = Literal["cutout", "mixup", "cutmix", "rand_augment", "joint_cutout", "ssco", "keypoint_mix"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


@dataclass(frozen=True)
class DataConfig:
    """Which pictures and annotations a training reads."""

    root: str = ""
    """Folder of the dataset; the paths below are relative to it."""
    train_annotations: str = "annotations/person_keypoints_train2017.json"
    """Keypoint file of the training set: COCO, CrowdPose, MPII (HRNet's list or the official .mat), AI Challenger."""
    train_images: str = "train2017"
    """Folder of the training pictures."""
    val_annotations: str = "annotations/person_keypoints_val2017.json"
    """Keypoint file that the networks are measured on."""
    val_images: str = "val2017"
    """Folder of the validation pictures."""
    val_detections: str | None = None
    """Person boxes of a detector on the validation pictures, in COCO's result format; None takes the annotated ones."""
    keypoints: tuple[str, ...] | None = None
    """Names of the keypoints to learn, such as those that two datasets share; None takes all of the training file."""
    labeled_count: int | None = 1000
    """Labelled people drawn from the training set; None takes all of them."""
    split: Literal["random", "first"] = "random"
    """How they are drawn: a seeded random draw, or the first in annotation order as the public Dual code does."""
    split_seed: int = 0
    """Seed of the random draw."""
    manifest: str | None = None
    """A saved split (split.json of an earlier run) to use instead of drawing one."""
    include_labeled: bool = False
    """Put the labelled people, without their labels, into the unlabelled set too."""
    unlabeled_count: int | None = None
    """At most this many unlabelled people; None takes all."""
    unlabeled_annotations: str | None = None
    """Extra people without labels: a COCO image list (WILD) with detections, or any keypoint file, whose labels are
    dropped; None takes the rest of the training set."""
    unlabeled_images: str = "unlabeled2017"
    """Folder of those extra pictures."""
    unlabeled_detections: str | None = None
    """Person boxes of a detector on those extra pictures, in COCO's result format; None takes the file's own."""
    min_detection_score: float = 0.5
    """Detected boxes below this score are left out."""
    val_count: int | None = None
    """Evaluate on the people of the first pictures only, until this many people; None takes all."""
    input_size: tuple[int, int] = (256, 192)
    """Height and width of the network's input, in pixels; multiples of 32."""
    sigma: float = 2.0
    """Standard deviation of the target heatmaps, in cells of a quarter of the input; less suits small inputs."""
    max_bad_images: float = 0.01
    """Share of unreadable pictures above which the run stops."""
    drawn_people: int = 0
    """Draw this many labelled-format people into `root` if it does not exist: the demo's dataset."""

    def __post_init__(self) -> None:
        height, width = self.input_size
        _require(height > 0 and width > 0 and height % 32 == 0 and width % 32 == 0,
                 f"data.input_size must be multiples of 32, got {height} {width}")
        _require(self.labeled_count is None or self.labeled_count > 0, "data.labeled_count must be positive")
        _require(self.sigma > 0, "data.sigma must be positive")
        _require(0 <= self.max_bad_images <= 1, "data.max_bad_images is a share between 0 and 1")
        _require(self.unlabeled_annotations is not None or self.unlabeled_detections is None,
                 "data.unlabeled_detections are boxes on the pictures of data.unlabeled_annotations: name these too")
        _require(self.keypoints is None or len(set(self.keypoints)) == len(self.keypoints) > 0,
                 "data.keypoints must name distinct keypoints")


@dataclass(frozen=True)
class ViewConfig:
    """Ranges of the easy view (made while reading) and of the hard view's affine (made on the device)."""

    scale: float = 0.25
    """Standard deviation of the scale around 1; clipped to [1 - scale, 1 + scale] (xierc/Semi_Human_Pose)."""
    rotation: float = 30.0
    """Standard deviation of the rotation in degrees; clipped to twice this."""
    easy_rotation_probability: float = 0.6
    """Share of easy views that are rotated."""
    hard_rotation_probability: float = 0.8
    """Share of hard views that are rotated once more."""
    flip_probability: float = 0.5
    """Share of easy views that are mirrored."""

    def __post_init__(self) -> None:
        _require(0 <= self.scale < 1, "view.scale must lie in [0, 1)")
        for name in ("easy_rotation_probability", "hard_rotation_probability", "flip_probability"):
            _require(0 <= getattr(self, name) <= 1, f"view.{name} must lie in [0, 1]")


@dataclass(frozen=True)
class ModelConfig:
    """The pose networks."""

    backbones: tuple[BackboneName, ...] = ("resnet18", "resnet18")
    """One backbone a peer; a method with a single network uses the first."""
    pretrained: str | None = None
    """'imagenet' (from torchvision's cache), a torchvision .pth or a .safetensors file; None starts from scratch."""
    levels: int = 2
    """Backbone stages with a head of their own, counted from the last: 1, 2 or 3 (paper, Table VII)."""
    head_channels: int = 256
    """Channels of the deconvolutions (SimpleBaseline: 256)."""
    fuse: Literal["last", "mean"] = "last"
    """Which level's heatmaps inference reads: the last stage's, or the mean of all."""

    def __post_init__(self) -> None:
        _require(len(self.backbones) >= 1, "model.backbones needs at least one name")
        _require(self.levels in (1, 2, 3), f"model.levels must be 1, 2 or 3, got {self.levels}")
        _require(self.head_channels > 0, "model.head_channels must be positive")


class MethodSettings:
    """What the config of every method tells about it.

    first_stage: the method whose trained network must label the unlabelled people before this one can start.
    """

    first_stage: ClassVar[type[MethodSettings] | None] = None


@dataclass(frozen=True)
class SupervisedConfig(MethodSettings):
    """One network on the labelled set alone: the honest baseline."""


@dataclass(frozen=True)
class PseudoPoseConfig(MethodSettings):
    """Train supervised, label the unlabelled people once, train anew on both."""

    first_stage: ClassVar[type[MethodSettings] | None] = SupervisedConfig
    unsup_weight: float = 1.0
    """Weight of the pseudo-labelled people's loss."""
    confidence_threshold: float = 0.2
    """Keypoints that the first stage sees with less heat get no pseudo label."""

    def __post_init__(self) -> None:
        _require(self.unsup_weight >= 0, "method.unsup_weight must not be negative")


@dataclass(frozen=True)
class DataDistillConfig(PseudoPoseConfig):
    """PseudoPose whose labels are read from the mean heatmap over mirror images and scales (Radosavovic et al.)."""

    scales: tuple[float, ...] = (0.8, 1.0, 1.2)
    """Sizes at which each picture is labelled, once as it is and once mirrored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(len(self.scales) > 0 and min(self.scales) > 0, "method.scales must be positive")


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
    patch_half_size: tuple[int, int] = (10, 19)
    """Smallest and largest half-size of a patch that is blended, pasted or cut out, in pixels of a 256x192 input;
    scales with the height."""
    paths: int = 1
    """Independent hard views of each picture, whose losses are summed (multi-path, as in MultiAugs)."""
    confidence_threshold: float = 0.0
    """Keypoints that the teachers see with less heat are left out of the consistency; 0 keeps all."""
    teacher_mode: Literal["train", "eval"] = "train"
    """BatchNorm of a trained network while it teaches: batch statistics (as in Dual's public code) or running ones."""

    def __post_init__(self) -> None:
        _require(self.unsup_weight >= 0, "method.unsup_weight must not be negative")
        _require(self.ramp_up >= 0, "method.ramp_up must not be negative")
        _require(self.mix_count >= 0, "method.mix_count must not be negative")
        _require(self.paths >= 1, "method.paths must be at least 1")
        low, high = self.patch_half_size
        _require(0 < low <= high, f"method.patch_half_size must rise, got {low} {high}")


@dataclass(frozen=True)
class SingleConfig(ConsistencyConfig):
    """One network: its easy view supervises its own hard view (Xie et al. 2021)."""

    augment: tuple[AugmentationName, ...] = ("joint_cutout",)


@dataclass(frozen=True)
class DualConfig(ConsistencyConfig):
    """Two networks, each one's easy view supervises the other's hard view (Xie et al. 2021)."""

    unsup_weight: float = 2.0
    """The public code weighs supervised losses 0.5 and consistency 1; to Adam only the ratio matters."""
    augment: tuple[AugmentationName, ...] = ("joint_cutout",)


@dataclass(frozen=True)
class SSPCMConfig(ConsistencyConfig):
    """Two teachers that are a Dual, and a student that learns where the closest two of four agree (Huang et al. 2023).
    """

    unsup_weight: float = 2.0
    """As in Dual."""
    augment: tuple[AugmentationName, ...] = ("ssco",)
    confidence_threshold: float = 0.1
    """Keypoints that the two teachers see with less heat in the mean are left out."""


@dataclass(frozen=True)
class MeanTeacherConfig(ConsistencyConfig):
    """One network and its moving average, which teaches it (Tarvainen and Valpola 2017)."""

    ema_momentum: float = 0.999
    """Momentum of the teacher, warmed up as min(1 - 1/(t+1), ema_momentum)."""
    reviewer_mode: Literal["eval", "train"] = "train"
    """BatchNorm of the teacher: the student's running statistics, or those of its own batches; see TRS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_momentum(self.ema_momentum)


@dataclass(frozen=True)
class FixMatchConfig(ConsistencyConfig):
    """One network: where its easy view is sure, a fresh Gaussian there is the hard view's label (Sohn et al. 2020)."""

    augment: tuple[AugmentationName, ...] = ("rand_augment", "cutout")
    confidence_threshold: float = 0.5
    """Heat from which a keypoint is sure enough to be a label."""


@dataclass(frozen=True)
class TRSConfig(ConsistencyConfig):
    """Teacher-Reviewer-Student and every switch that the paper leaves open."""

    unsup_weight: float = 0.5
    augment: tuple[AugmentationName, ...] = ("keypoint_mix",)
    ema_momentum: float = 0.999
    """Alpha of Eq. 7, warmed up as min(1 - 1/(t+1), alpha)."""
    ema_momentum_b: float | None = None
    """Beta of Eq. 7, the second reviewer's momentum; None takes ema_momentum."""
    locator: Literal["teacher", "teacher_and_reviewer"] = "teacher"
    """Whose easy-view heatmaps tell the augmentations where the keypoints are."""
    reviewers: bool = True
    """False leaves the reviewers out of the targets (the ablation without reviewers)."""
    reviewer_role: Literal["teacher", "student", "both"] = "teacher"
    """Which reviewer supervises a student: the teacher's, the student's own, or both."""
    reviewer_update: Literal["ema", "ema_and_supervised"] = "ema"
    """Reviewers follow by EMA only (Eq. 7), or also take the labelled gradients (text of Eq. 2-3)."""
    reviewer_mode: Literal["eval", "train"] = "train"
    """BatchNorm of a reviewer: its peer's running statistics, which do not belong to its averaged weights, or those of
    its own batches, with which reviewers see better than their peers (docs/study.md)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_momentum(self.ema_momentum)
        _require_momentum(self.ema_momentum if self.ema_momentum_b is None else self.ema_momentum_b)


def _require_momentum(momentum: float) -> None:
    _require(0 <= momentum < 1, f"method.ema_momentum must lie in [0, 1), got {momentum}")


MethodConfig = (SupervisedConfig | PseudoPoseConfig | DataDistillConfig | SingleConfig | DualConfig | SSPCMConfig
                | MeanTeacherConfig | FixMatchConfig | TRSConfig)


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation and its place on the machines."""

    epochs: int = 100
    """Passes over the larger of the two sets."""
    batch_size: int = 32
    """Labelled pictures, and as many unlabelled ones, per worker and step; a step of `workers` such shares."""
    learning_rate: float = 1e-3
    """Adam's learning rate."""
    lr_drops: tuple[float, ...] = (0.7, 0.9)
    """Shares of the run after which the learning rate is divided by 10."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises linearly from 0."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """'auto' is bfloat16 autocast on a GPU that has it, float32 elsewhere."""
    init_from: tuple[str, ...] = ()
    """Runs or checkpoints to start the networks from: one of the same method, or a supervised one for each peer."""
    seed: int = 0
    """Seed of the initial weights, the order of the samples and their augmentation."""
    max_skipped_steps: int = 10
    """Steps in a row whose gradients may be NaN or infinite, and are skipped, before the run stops."""
    workers: int = 1
    """Processes that train together (DDP)."""
    min_workers: int | None = None
    """Go on with so few when nodes are lost, each doing several shares of a step; by default with all or none."""
    resize_seconds: float = 60.0
    """With min_workers: how often to look whether lost workers can be had again."""
    checkpoint_every: int = 500
    """Steps between two checkpoints within an epoch: what the loss of a machine costs at most."""
    use_gpu: bool = False
    """One GPU for each worker."""
    cpus_per_worker: float = 1.0
    """CPUs reserved for a worker."""
    data_cpus: float = 1.0
    """CPUs of the Ray Data tasks that read for one worker; each task takes at most one."""
    max_failures: int = 3
    """Failures in a row without a newer checkpoint; as long as it gets further, a run may lose its machines."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "workers", "checkpoint_every"):
            _require(getattr(self, name) >= 1, f"train.{name} must be at least 1, got {getattr(self, name)}")
        _require(1 <= (self.min_workers or 1) <= self.workers, "train.min_workers must be from 1 to train.workers")
        _require(self.learning_rate > 0, "train.learning_rate must be positive")
        _require(all(0 < share <= 1 for share in self.lr_drops), "train.lr_drops are shares of the run in (0, 1]")
        _require(min(self.cpus_per_worker, self.data_cpus) > 0,
                 "train.cpus_per_worker and data_cpus must be positive")


@dataclass(frozen=True)
class EvalConfig:
    """How poses are read from heatmaps and scored."""

    flip_test: bool = False
    """Average the heatmaps of the picture and of its mirror image."""
    metric: Literal["ap", "pckh", "pck"] = "ap"
    """What a search maximises and the best checkpoint is kept by: COCO's OKS-AP, MPII's PCKh@0.5, or PCK@0.2."""
    decoder: Literal["quarter", "dark", "udp"] = "quarter"
    """Sub-cell position: a quarter cell towards the higher neighbour, DARK's Taylor step, or UDP's on a blurred map."""
    batch_size: int = 64
    """Pictures in a forward pass."""
    every: int = 1
    """Epochs between two evaluations, each with a checkpoint; the last epoch always has one."""

    def __post_init__(self) -> None:
        _require(self.batch_size >= 1 and self.every >= 1, "eval.batch_size and eval.every must be at least 1")


@dataclass(frozen=True)
class Config:
    """One training, whole: what config.yaml in a run's folder holds."""

    data: DataConfig = field(default_factory=DataConfig)
    view: ViewConfig = field(default_factory=ViewConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    method: MethodConfig = field(default_factory=TRSConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)


METHOD_NAMES: dict[str, type[MethodConfig]] = {
    "supervised": SupervisedConfig, "pseudo_pose": PseudoPoseConfig, "data_distill": DataDistillConfig,
    "single": SingleConfig, "dual": DualConfig, "sspcm": SSPCMConfig, "mean_teacher": MeanTeacherConfig,
    "fixmatch": FixMatchConfig, "trs": TRSConfig}


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    names = {kind: name for name, kind in METHOD_NAMES.items()}
    cattrs.strategies.configure_tagged_union(
        MethodConfig, converter, tag_name="name", tag_generator=lambda kind: names[kind])
    return converter


def to_dict(config: Config) -> dict[str, Any]:
    """The config as plain numbers, strings, lists and dictionaries, fit for YAML and JSON."""
    plain = _converter().unstructure(config)
    return yaml.safe_load(yaml.safe_dump(_lists(plain)))


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def from_dict(plain: dict[str, Any]) -> Config:
    """The config that `to_dict` wrote.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, named.
    """
    try:
        return _converter().structure(plain, Config)
    except Exception as error:
        reasons = "; ".join(cattrs.transform_error(error, format_exception=_reason))
        raise InputError(f"not a valid config: {reasons}") from error


def _reason(error: BaseException, kind: type | None) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyError):
        return f"there is no method {error}; there are {', '.join(METHOD_NAMES)}"
    return cattrs.v.format_exception(error, kind)


def save(config: Config, path: Path) -> None:
    """Write the config as YAML."""
    write_whole(path, yaml.safe_dump(to_dict(config), sort_keys=False))


def load(path: Path) -> Config:
    """Read a config that `save` wrote; only plain YAML is read, tags that build objects are refused.

    Raises:
        InputError: the file is missing, is not YAML, or holds no valid config.
    """
    try:
        plain = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise InputError(f"cannot read the config {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not plain YAML: {str(error).splitlines()[0]}") from error
    _require(isinstance(plain, dict), f"{path} holds no config: expected keys such as data, model, method")
    return from_dict(plain)
