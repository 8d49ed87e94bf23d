"""The optimization, the evaluation, and a training as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trs.config.checks import ADDED, MAY_CHANGE, MOST_IMAGES, SHARED, check_fields, require, within
from trs.config.data import DataConfig, ViewConfig
from trs.config.methods import MethodConfig, MethodSettings, SupervisedConfig, TRSConfig
from trs.config.model import ModelConfig


@dataclass(frozen=True)
class TrainConfig:
    """The optimization: whatever changes what is learned, and nothing about machines."""

    epochs: int = field(default=100, metadata=SHARED | within(1))
    """Passes over the larger dataset, the labeled or the unlabeled one."""
    batch_size: int = field(default=32, metadata=within(1, MOST_IMAGES))
    """Labeled images, and as many unlabeled ones, per worker and step; a step of `workers` such shares."""
    burn_in: int = field(default=0, metadata=ADDED)
    """Supervised steps before unlabeled images count, for a method that learns from them: each peer learns from the
    labels alone, from weights of its own. They are a part of the run's steps; what remembers begins after them."""
    optimizer: Literal["adam", "adamw"] = field(default="adam", metadata=ADDED)
    """Adam (the paper's), or AdamW, whose weight decay does not pass through the moments."""
    learning_rate: float = 1e-3
    """The highest learning rate, of one worker; see rate_scaling."""
    rate_scaling: Literal["none", "root", "linear"] = field(default="none", metadata=ADDED)
    """How the learning rate follows the workers, N of which take 1/N of the steps, each of N times as many images: not
    at all, by the root of N as Adam's moments ask for (Malladi et al., NeurIPS 2022), or by N (Goyal et al., 2017)."""
    backbone_rate: float = field(default=1.0, metadata=ADDED)
    """Factor of the learning rate for the backbones; less than 1 moves pretrained ones less than the fresh heads."""
    weight_decay: float = field(default=0.0, metadata=ADDED)
    """Of all weights: a part of the gradient with adam, apart from it with adamw."""
    clip_norm: float | None = field(default=None, metadata=ADDED)
    """Longest gradient, over all weights together; a longer one is shortened. None takes every finite one as it is."""
    schedule: Literal["drops", "cosine"] = field(default="drops", metadata=ADDED)
    """How the learning rate falls: in the steps of lr_drops, or as half a cosine, to 0 at the run's end."""
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
    max_skipped_steps: int = field(default=10, metadata=MAY_CHANGE)
    """Steps in a row whose gradients may be NaN or infinite, and are skipped, before the run stops."""
    workers: int = field(default=1, metadata=SHARED | within(1))
    """Processes that train together (DDP): so many shares of `batch_size` make a step."""

    def __post_init__(self) -> None:
        check_fields(self, "train")
        require(self.learning_rate > 0, f"train.learning_rate must be positive, got {self.learning_rate}")
        require(all(0 < share <= 1 for share in self.lr_drops), "train.lr_drops are shares of the run in (0, 1]")
        require(self.clip_norm != 0, "train.clip_norm must be positive, or null to clip nothing")


@dataclass(frozen=True)
class EvalConfig:
    """How poses are read from heatmaps and scored."""

    flip_test: bool = False
    """Average the heatmaps of the image and of its mirror image."""
    metric: Literal["ap", "pckh", "pck"] = field(default="ap", metadata=SHARED)
    """What a search maximizes and the best checkpoint is kept by: COCO's OKS-AP, MPII's PCKh@0.5, or PCK@0.2."""
    decoder: Literal["quarter", "axes", "dark", "udp"] = "quarter"
    """Sub-cell position: a quarter cell towards the higher neighbor, a Newton step axis by axis (0.1's "dark"), or the
    full one on a blurred map, with DARK's derivatives or with UDP's."""
    batch_size: int = field(default=64, metadata=MAY_CHANGE | within(1, MOST_IMAGES))
    """Images in a forward pass."""
    every: int = field(default=1, metadata=within(1))
    """Epochs between two evaluations, each with a checkpoint; the last epoch always has one."""

    def __post_init__(self) -> None:
        check_fields(self, "eval")


@dataclass(frozen=True)
class Config:
    """One training, whole: what config.yaml in a run's folder holds."""

    data: DataConfig = field(default_factory=DataConfig)
    view: ViewConfig = field(default_factory=ViewConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    method: MethodConfig = field(default_factory=TRSConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        for name, kind in (("data", DataConfig), ("view", ViewConfig), ("model", ModelConfig),
                           ("method", MethodSettings), ("train", TrainConfig), ("eval", EvalConfig)):
            require(isinstance(getattr(self, name), kind), f"{name} must be a {kind.__name__}")
        given, method = len(self.model.backbones), self.method
        require(given <= most_backbones(method), f"model.backbones names {given} backbones, but {method.name} trains "
                f"{len(method.peers)} networks that start apart: leave out the others")
        require(len(self.model.pretrained) <= most_backbones(method), "model.pretrained names "
                f"{len(self.model.pretrained)} weights, but {method.name} trains {len(method.peers)} networks that "
                "start apart: leave out the others")


def most_backbones(method: MethodSettings) -> int:
    """How many backbones may be named beside a method: one a peer, or more where it stands beside other methods.

    A method with a single network is compared with those of two on the same settings, and takes the first; the
    supervised reference stands beside all.
    """
    return 3 if isinstance(method, SupervisedConfig) else max(2, len(method.peers))
