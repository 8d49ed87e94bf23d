from pathlib import Path

import pytest

from trs import config as configs
from trs.config import TRSConfig
from trs.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_round_trips_through_yaml(preset: str, tmp_path: Path) -> None:
    config = PRESETS[preset]()
    configs.save(config, tmp_path / "config.yaml")
    assert configs.load(tmp_path / "config.yaml") == config


def test_presets_follow_the_paper() -> None:
    one_k, wild = PRESETS["coco-1k"](), PRESETS["coco-wild"]()
    assert (one_k.data.input_size, one_k.train.learning_rate, one_k.data.labeled_count) == ((256, 192), 1e-3, 1000)
    assert one_k.method == TRSConfig(unsup_weight=0.5, ema_momentum=0.999, mix_count=5)
    assert (wild.train.epochs, wild.data.labeled_count, wild.model.backbones) == (400, None, ("resnet50", "resnet50"))
