"""Which images and annotations a training reads, and how it looks at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trs.config.checks import ADDED, MAY_CHANGE, OWN, check_fields, require, within

_NARROWEST = 0.1
"""Cells of the narrowest target: below, a heatmap is empty unless its keypoint lies on a cell's center."""


@dataclass(frozen=True)
class DataConfig:
    """Which images and annotations a training reads."""

    root: str = field(default="", metadata=MAY_CHANGE)
    """Folder of the dataset; the paths below are relative to it."""
    train_annotations: str = "annotations/person_keypoints_train2017.json"
    """Keypoint file of the training set: COCO, CrowdPose, MPII (HRNet's list or the official .mat), AI Challenger."""
    train_images: str = "train2017"
    """Folder of the training images."""
    val_annotations: str = "annotations/person_keypoints_val2017.json"
    """Keypoint file that the networks are measured on."""
    val_images: str = "val2017"
    """Folder of the validation images."""
    val_detections: str | None = None
    """Person boxes of a detector on the validation images, in COCO's result format; None takes the annotated ones."""
    keypoints: tuple[str, ...] | None = None
    """Names of the keypoints to learn, such as those that two datasets share; None takes all of the training file."""
    category: str | None = field(default=None, metadata=ADDED)
    """Name or id of the category whose people are learned and scored, where a file has several; None takes those of the
    keypoints that most people have."""
    keypoint_names: tuple[str, ...] | None = field(default=None, metadata=ADDED)
    """Names of the points, where a file's category has none; or one known set such as coco, crowdpose or wflw."""
    mirror_pairs: tuple[str, ...] | None = field(default=None, metadata=ADDED)
    """Keypoints that change places in a mirror image, such as eyeL:eyeR; None finds them by their names."""
    sigmas: tuple[str, ...] | None = field(default=None, metadata=ADDED)
    """OKS sigmas as name=value, or one known set such as coco; None takes the category's, or those known by name."""
    exif: Literal["auto", "shown", "stored"] = field(default="auto", metadata=ADDED)
    """Frame of the labels in images with an EXIF turn whose declared size leaves it open: as shown, as stored, or auto:
    as shown in files of COCO's format, as stored in MPII's and AI Challenger's."""
    labeled_count: int | None = field(default=1000, metadata=within(1))
    """Labeled people drawn from the training set; None takes all of them."""
    split: Literal["random", "first"] = "random"
    """How they are drawn: a seeded random draw, or the first in annotation order as the public Dual code does."""
    split_seed: int = 0
    """Seed of the random draw."""
    manifest: str | None = None
    """A saved split (split.json of an earlier run) to use instead of drawing one."""
    include_labeled: bool = False
    """Put the labeled people, without their labels, into the unlabeled set too."""
    unlabeled_count: int | None = None
    """At most this many unlabeled people; None takes all."""
    unlabeled_annotations: str | None = None
    """Extra people without labels: a COCO image list (WILD) with detections, or any keypoint file, whose labels are
    dropped; None takes the rest of the training set."""
    unlabeled_images: str = "unlabeled2017"
    """Folder of those extra images."""
    unlabeled_detections: str | None = None
    """Person boxes of a detector on those extra images, in COCO's result format; None takes the file's own."""
    min_detection_score: float = 0.5
    """Boxes of `unlabeled_detections` below this score are left out; those of `val_detections` all count, since AP
    weighs a box by its score."""
    val_count: int | None = field(default=None, metadata=within(1))
    """Evaluate on the people of the first images only, until this many people; None takes all."""
    dev_count: int | None = field(default=None, metadata=ADDED | within(1))
    """Choose on this many labeled people of the training set, drawn by whole images and kept out of training; those of
    `val_annotations` are then the test set, which is measured after a run's last epoch and chooses nothing. None
    chooses on `val_annotations` themselves."""
    input_size: tuple[int, int] = field(default=(256, 192), metadata=OWN | within(0, 4096))
    """Height and width of the network's input, in pixels; multiples of 32."""
    sigma: float = field(default=2.0, metadata=OWN)
    """Standard deviation of the target heatmaps, in cells of a quarter of the input; less suits small inputs."""
    max_bad_images: float = field(default=0.01, metadata=OWN | MAY_CHANGE | within(0, 1))
    """Share of unreadable images above which the run stops."""
    max_left_out: float = field(default=0.5, metadata=ADDED | OWN | MAY_CHANGE | within(0, 1))
    """Share of a file's labeled people that may be left out for a fault in their records before a run is refused."""
    drawn_people: int = field(default=0, metadata=within(0, 1_000_000))
    """Draw this many people in COCO's format into `root` if it does not exist: the demo's dataset."""

    def __post_init__(self) -> None:
        check_fields(self, "data")
        height, width = self.input_size
        require(height > 0 and width > 0 and height % 32 == 0 and width % 32 == 0,
                 f"data.input_size must be multiples of 32, got {height} {width}")
        require(_NARROWEST <= self.sigma <= min(height, width) / 4,
                f"data.sigma must lie between {_NARROWEST} and the shorter side of the heatmaps, "
                f"{min(height, width) // 4} cells, got {self.sigma}")
        require(self.unlabeled_annotations is not None or self.unlabeled_detections is None,
                 "data.unlabeled_detections are boxes on the images of data.unlabeled_annotations: name these too")
        require(self.dev_count is None or self.val_detections is None,
                "data.dev_count chooses on annotated boxes: leave out data.val_detections")
        require(self.keypoints is None or len(set(self.keypoints)) == len(self.keypoints) > 0,
                 "data.keypoints must name distinct keypoints")

    @property
    def draws_labels(self) -> bool:
        """Whether another `split_seed` labels other people."""
        return self.manifest is None and self.labeled_count is not None and self.split == "random"


Interpolation = Literal["bilinear", "bicubic"]
"""How values between cells are found."""


@dataclass(frozen=True)
class ViewConfig:
    """Ranges of the easy view (made while reading) and of the hard view's affine (made on the device)."""

    scale: float = 0.25
    """Standard deviation of the scale around 1; clipped to [1 - scale, 1 + scale] (xierc/Semi_Human_Pose)."""
    rotation: float = field(default=30.0, metadata=within(0, 180))
    """Standard deviation of the rotation in degrees; clipped to twice this."""
    easy_rotation_probability: float = field(default=0.6, metadata=within(0, 1))
    """Share of easy views that are rotated."""
    hard_rotation_probability: float = field(default=0.8, metadata=within(0, 1))
    """Share of hard views that are rotated once more."""
    flip_probability: float = field(default=0.5, metadata=within(0, 1))
    """Share of easy views that are mirrored."""
    heatmap_warp: Interpolation = "bicubic"
    """How W resamples the easy view's heatmaps for the hard view: bilinear (0.1) takes an eighth of the peaks at a
    sigma of one cell, bicubic a hundredth."""

    def __post_init__(self) -> None:
        check_fields(self, "view")
        require(self.scale < 1, f"view.scale must lie in [0, 1), got {self.scale}")
