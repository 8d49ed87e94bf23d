"""Presets: functions that return a `Config`.

Each docstring opens with the command, then says what was published, where it departs from how that was trained as far
as this is known, and what a run costs, if that is. "The public code" is that of Dual (xierc/Semi_Human_Pose), on which
SSPCM builds; no code of the paper's is known. All presets share these departures: labeled images are not among the
unlabeled ones (`data.include_labeled`), labeled and hard images share BatchNorm's batch, with `train.workers` of N a
run takes 1/N of the steps at the same learning rate, and all targets together weigh as much as the labels (two of
`method.unsup_weight` 0.5, as the paper says), where the public code weighs them twice.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trs.config import Config, DataConfig, EvalConfig, ModelConfig, TrainConfig, TRSConfig, ViewConfig


def demo(people: int = 1000, epochs: int = 5, batch: int = 16, workers: int = 1,
         unlabeled: int | None = None) -> Config:
    """`python run_tune.py`. Drawn people and a small network: minutes on 2 cores, no download.

    Of fewer people as large a part is kept apart to choose by, and of fewer steps as large a part burns in.
    """
    unlabeled = unlabeled or 640 * people // 1000
    return Config(
        data=DataConfig(
            root="runs/drawn", drawn_people=people, labeled_count=30, unlabeled_count=unlabeled, dev_count=people // 5,
            input_size=(96, 64), sigma=1.0,
            train_annotations="annotations/person_keypoints_train.json", train_images="train",
            val_annotations="annotations/person_keypoints_val.json", val_images="val"),
        view=ViewConfig(scale=0.1, rotation=10),
        model=ModelConfig(backbones=("resnet_tiny", "resnet_tiny"), head_channels=32),
        train=TrainConfig(epochs=epochs, batch_size=batch, workers=workers, warmup_steps=40, lr_drops=(0.8,),
                          burn_in=epochs * -(-unlabeled // (batch * workers)) // 4, learning_rate=4e-3),
        eval=EvalConfig(decoder="dark"))


def coco_1k() -> Config:
    """`python -m jobs.train --preset coco-1k --data.root /data/coco --use-gpu`.

    COCO with 1,000 labeled people, ResNet18. Paper, Table II: 50.9 AP (GT boxes, no flip test). 70 epochs with drops at
    50 and 60, as the public code's joint cutout; the paper says 100, 70 and 90. The public code loads two different
    ImageNet weights, whose names it does not tell; here torchvision's and Gluon's. It draws the first 1,000 people in
    the file's order (`data.split first`). Cost not measured.
    """
    return Config(model=ModelConfig(pretrained=("imagenet", "timm:resnet18.gluon_in1k")),
                  train=TrainConfig(epochs=70, lr_drops=(50 / 70, 60 / 70)))


def coco_5k() -> Config:
    """`python -m jobs.train --preset coco-5k --data.root /data/coco --use-gpu`.

    COCO with 5,000 labeled people, ResNet18. Paper, Table II: 60.4 AP. Weights and people as
    coco-1k's. Cost not measured.
    """
    return _with_labels(coco_1k(), 5000, epochs=100, lr_drops=(0.7, 0.9))


def coco_10k() -> Config:
    """`python -m jobs.train --preset coco-10k --data.root /data/coco --use-gpu`.

    COCO with 10,000 labeled people, ResNet18. Paper, Table II: 62.9 AP. Weights and people as
    coco-1k's. Cost not measured.
    """
    return _with_labels(coco_1k(), 10_000, epochs=100, lr_drops=(0.7, 0.9))


def coco_1k_resnet50() -> Config:
    """`python -m jobs.train --preset coco-1k-resnet50 --data.root /data/coco --use-gpu`.

    COCO with 1,000 labeled people, ResNet50. Paper, Table II: 52.2 AP. Departs as coco-1k; one file of weights for both
    peers, as in the public code. Cost not measured.
    """
    return _with_backbones(coco_1k(), "resnet50", "resnet50")


def coco_5k_resnet50() -> Config:
    """`python -m jobs.train --preset coco-5k-resnet50 --data.root /data/coco --use-gpu`.

    COCO with 5,000 labeled people, ResNet50. Paper, Table II: 63.5 AP. Weights and people as
    coco-1k-resnet50's. Cost not measured.
    """
    return _with_backbones(coco_5k(), "resnet50", "resnet50")


def coco_10k_resnet50() -> Config:
    """`python -m jobs.train --preset coco-10k-resnet50 --data.root /data/coco --use-gpu`.

    COCO with 10,000 labeled people, ResNet50. Paper, Table II: 67.6 AP. Weights and people as
    coco-1k-resnet50's. Cost not measured.
    """
    return _with_backbones(coco_10k(), "resnet50", "resnet50")


def coco_5k_mixed() -> Config:
    """`python -m jobs.train --preset coco-5k-mixed --data.root /data/coco --use-gpu`.

    A ResNet50 (network a) and a ResNet18 (network b) teach each other, 5,000 labeled people. Paper, Table X: 61.4 AP,
    10,000 labeled: 63.7. People as coco-1k's. Cost not measured.
    """
    return _with_backbones(coco_5k(), "resnet50", "resnet18")


def coco_wild() -> Config:
    """`python -m jobs.train --preset coco-wild --data.root /data/coco --use-gpu --workers 8`.

    COCO's training set labeled, 123K more images with detected boxes not, ResNet50. Paper, Table III: 74.9 AP. Detected
    boxes count from a score of 0.5 on (`data.min_detection_score`), in the public code from 0. Cost not measured.
    """
    return Config(
        data=DataConfig(labeled_count=None, unlabeled_annotations="annotations/image_info_unlabeled2017.json",
                        unlabeled_detections="annotations/unlabeled2017_person_detections.json"),
        model=ModelConfig(backbones=("resnet50", "resnet50"), pretrained=("imagenet",)),
        train=TrainConfig(epochs=400, lr_drops=(0.75, 0.875)))


def coco_wild_resnet101() -> Config:
    """`python -m jobs.train --preset coco-wild-resnet101 --data.root /data/coco --use-gpu --workers 8`.

    As coco-wild with ResNet101. Paper, Table III: 75.8 AP. Cost not measured.
    """
    return _with_backbones(coco_wild(), "resnet101", "resnet101")


def coco_wild_hrnet_w48() -> Config:
    """`python -m jobs.train --preset coco-wild-hrnet-w48 --data.root /data/coco --use-gpu --workers 8`.

    As coco-wild with HRNet-W48 at 384x288, two hard views of each image. The paper has no such row; MultiAugs reports
    79.5 AP for its two networks, after 300 epochs with drops at 220 and 260 in batches of 8 to 10, its two views made
    hard in two different ways; here 400, 300 and 350, 32, and one way. Cost not measured.
    """
    base = _with_backbones(coco_wild(), "hrnet_w48", "hrnet_w48")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, input_size=(384, 288), sigma=3.0),
                               method=TRSConfig(paths=2, unsup_weight=0.25))


def mpii_1k() -> Config:
    """`python -m jobs.train --preset mpii-1k --data.root /data/mpii --use-gpu`.

    MPII with 1,000 labeled and 10,000 unlabeled people, ResNet18. Paper, Table V: 79.1 PCKh@0.5. One file of weights
    for both peers, as in the public code. Cost not measured.
    """
    return Config(
        data=DataConfig(input_size=(256, 256), labeled_count=1000, unlabeled_count=10_000,
                        train_annotations="annot/train.json", train_images="images",
                        val_annotations="annot/valid.json", val_images="images"),
        model=ModelConfig(pretrained=("imagenet",)), train=TrainConfig(epochs=100, lr_drops=(0.5, 0.7)),
        eval=EvalConfig(metric="pckh"))


def mpii_aic() -> Config:
    """`python -m jobs.train --preset mpii-aic --data.root /data --use-gpu --workers 4`.

    10,000 labeled people of MPII (/data/mpii), 100,000 unlabeled ones of AI Challenger (/data/aic), ResNet18. Paper,
    Table IV: 85.7 PCKh@0.5. Cost not measured.
    """
    base = mpii_1k()
    data = dataclasses.replace(
        base.data, labeled_count=10_000, unlabeled_count=100_000, train_annotations="mpii/annot/train.json",
        train_images="mpii/images", val_annotations="mpii/annot/valid.json", val_images="mpii/images",
        unlabeled_annotations="aic/keypoint_train_annotations_20170909.json",
        unlabeled_images="aic/keypoint_train_images_20170902")
    return dataclasses.replace(base, data=data)


def _with_labels(config: Config, count: int, **train: Any) -> Config:
    return dataclasses.replace(config, data=dataclasses.replace(config.data, labeled_count=count),
                               train=dataclasses.replace(config.train, **train))


def _with_backbones(config: Config, *backbones: str) -> Config:
    """Other backbones; the two weights of coco-1k are a ResNet18's."""
    return dataclasses.replace(config, model=dataclasses.replace(config.model, backbones=backbones,
                                                                 pretrained=("imagenet",)))


def lspet() -> Config:
    """`python -m jobs.train --preset lspet --data.root /data/lspet --use-gpu`.

    Leeds Sports Pose Extended in COCO layout, 500 labeled people, 14 keypoints, ResNet18. No published score; cost not
    measured.
    """
    return Config(
        data=DataConfig(input_size=(128, 128), labeled_count=500,
                        train_annotations="annotations/person_keypoints_train.json", train_images="train",
                        val_annotations="annotations/person_keypoints_val.json", val_images="val"),
        train=TrainConfig(epochs=50))


def lspet_small() -> Config:
    """`python -m jobs.train --preset lspet-small --data.root /data/lspet`.

    LSPET with a small network at 64x64: a study that two CPU cores finish, see docs/study.md. About 10 minutes a run.
    """
    base = lspet()
    return dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, input_size=(64, 64), sigma=1.0),
        view=ViewConfig(rotation=40),
        model=ModelConfig(backbones=("resnet_tiny", "resnet_tiny"), head_channels=32),
        train=TrainConfig(epochs=15, learning_rate=2e-3, warmup_steps=50, precision="bfloat16"),
        eval=EvalConfig(decoder="dark", every=5))


PRESETS = {
    "demo": demo, "coco-1k": coco_1k, "coco-5k": coco_5k, "coco-10k": coco_10k, "coco-1k-resnet50": coco_1k_resnet50,
    "coco-5k-resnet50": coco_5k_resnet50, "coco-10k-resnet50": coco_10k_resnet50, "coco-5k-mixed": coco_5k_mixed,
    "coco-wild": coco_wild, "coco-wild-resnet101": coco_wild_resnet101, "coco-wild-hrnet-w48": coco_wild_hrnet_w48,
    "mpii-1k": mpii_1k, "mpii-aic": mpii_aic, "lspet": lspet, "lspet-small": lspet_small}
