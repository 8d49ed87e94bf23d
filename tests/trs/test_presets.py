"""What each preset is: the numbers that were published, written down once more beside their source."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from trs import config as configs
from trs.config import Config, TRSConfig
from trs.presets import PRESETS

TRS = TRSConfig(unsup_weight=0.5, ema_momentum=0.999, mix_count=5)
"""The paper's lambda, the reviewers' momentum and Keypoint-Mix (its Table VIII)."""


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_round_trips_through_yaml(preset: str, tmp_path: Path) -> None:
    config = PRESETS[preset]()
    configs.save(config, tmp_path / "config.yaml")
    assert configs.load(tmp_path / "config.yaml") == config


@dataclass(frozen=True)
class Published:
    """What a preset's source says; the defaults are those of COCO at 256x192 with ResNet18.

    epochs: passes over the larger set.
    drops: epochs after which the rate falls tenfold.
    labels: labeled people; None are all.
    unlabeled: at most so many people without labels; None are all.
    """

    epochs: int
    drops: tuple[int, ...]
    labels: int | None
    unlabeled: int | None = None
    backbones: tuple[str, str] = ("resnet18", "resnet18")
    pretrained: tuple[str, ...] = ("imagenet",)
    size: tuple[int, int] = (256, 192)
    sigma: float = 2.0
    rate: float = 1e-3
    warmup: int = 0
    batch: int = 32
    levels: int = 2
    channels: int = 256
    scale: float = 0.25
    rotation: float = 30.0
    method: TRSConfig = TRS
    metric: str = "ap"
    decoder: str = "quarter"


TWO_50 = ("resnet50", "resnet50")
TWO_18 = ("imagenet", "timm:resnet18.gluon_in1k")
"""Two weights for two peers, as the public code has for a ResNet18."""
OF_5K, OF_10K = ((100, (70, 90), count) for count in (5000, 10_000))  # SimpleBaseline's 70 and 90 of 100
OF_WILD = (400, (300, 350), None)  # Dual's
TINY = {"backbones": ("resnet_tiny", "resnet_tiny"), "pretrained": (), "channels": 32, "sigma": 1.0,
        "decoder": "dark"}

PUBLISHED = {
    "demo": Published(5, (), 30, 640, size=(96, 64), rate=4e-3, warmup=40, batch=16, scale=0.1, rotation=10, **TINY),
    # Dual's recipe with joint cutout: 50 and 60 of 70.
    "coco-1k": Published(70, (50, 60), 1000, pretrained=TWO_18),
    "coco-1k-resnet50": Published(70, (50, 60), 1000, backbones=TWO_50),
    "coco-5k": Published(*OF_5K, pretrained=TWO_18), "coco-5k-resnet50": Published(*OF_5K, backbones=TWO_50),
    "coco-10k": Published(*OF_10K, pretrained=TWO_18), "coco-10k-resnet50": Published(*OF_10K, backbones=TWO_50),
    "coco-5k-mixed": Published(*OF_5K, backbones=("resnet50", "resnet18")),
    "coco-wild": Published(*OF_WILD, backbones=TWO_50),
    "coco-wild-resnet101": Published(*OF_WILD, backbones=("resnet101", "resnet101")),
    # MultiAugs': two paths, whose losses are summed, so that lambda is half of it; sigma as HRNet has it at 384x288.
    "coco-wild-hrnet-w48": Published(*OF_WILD, backbones=("hrnet_w48", "hrnet_w48"), size=(384, 288), sigma=3.0,
                                     method=TRSConfig(paths=2, unsup_weight=0.25)),
    "mpii-1k": Published(100, (50, 70), 1000, 10_000, size=(256, 256), metric="pckh"),
    "mpii-aic": Published(100, (50, 70), 10_000, 100_000, size=(256, 256), metric="pckh"),
    # Nobody's but ours.
    "lspet": Published(50, (35, 45), 500, size=(128, 128), pretrained=()),
    "lspet-small": Published(15, (), 500, size=(64, 64), rate=2e-3, warmup=50, rotation=40, **TINY)}
SHARES = {"demo": (0.8,), "lspet-small": (0.7, 0.9)}
"""Where the rate falls in shares of the run, if that is within an epoch."""


def numbers_of(config: Config) -> dict[str, object]:
    data, train, model = config.data, config.train, config.model
    return {"epochs": train.epochs, "labels": data.labeled_count, "unlabeled": data.unlabeled_count,
            "backbones": model.backbones, "pretrained": model.pretrained, "size": data.input_size, "sigma": data.sigma,
            "rate": train.learning_rate, "warmup": train.warmup_steps, "batch": train.batch_size,
            "levels": model.levels, "channels": model.head_channels, "scale": config.view.scale,
            "rotation": config.view.rotation, "method": config.method, "metric": config.eval.metric,
            "decoder": config.eval.decoder}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_its_published_numbers(preset: str) -> None:
    config, expected = PRESETS[preset](), PUBLISHED[preset]
    found = numbers_of(config)
    assert found == {name: getattr(expected, name) for name in found}
    shares = SHARES.get(preset) or tuple(drop / expected.epochs for drop in expected.drops)
    assert config.train.lr_drops == pytest.approx(shares)


def test_presets_differ() -> None:
    """Each has a row of the paper, or a use, of its own."""
    assert len(PRESETS) > 10
    assert all(one() != other() for one, other in itertools.combinations(PRESETS.values(), 2))


def test_files_are_where_the_datasets_have_them() -> None:
    wild, mpii, aic = (PRESETS[name]().data for name in ("coco-wild", "mpii-1k", "mpii-aic"))
    assert wild.unlabeled_annotations == "annotations/image_info_unlabeled2017.json"
    assert wild.unlabeled_detections == "annotations/unlabeled2017_person_detections.json"
    assert (mpii.train_annotations, mpii.val_annotations) == ("annot/train.json", "annot/valid.json")
    assert (aic.train_annotations, aic.val_annotations) == ("mpii/annot/train.json", "mpii/annot/valid.json")
    assert aic.unlabeled_annotations == "aic/keypoint_train_annotations_20170909.json"
