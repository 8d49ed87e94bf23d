"""The random choices of an easy view, and what is never mirrored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from trs.config import Config, ViewConfig
from trs.data.crops import EasyView, draw_easy_view
from trs.data.datasets import Datasets
from trs.data.reader import stream_of

VIEW = ViewConfig(scale=0.2, rotation=20, easy_rotation_probability=0.6, flip_probability=0.3)


def views(mirror: bool = True) -> list[EasyView]:
    return [draw_easy_view(np.random.default_rng(seed), VIEW, mirror) for seed in range(4000)]


def test_the_drawn_ranges_are_those_of_the_config() -> None:
    drawn = views()
    scales, rotations = ([getattr(view, name) for view in drawn] for name in ("scale", "rotation"))
    assert min(scales) == 0.8 and max(scales) == 1.2 and abs(np.mean(scales) - 1) < 0.01
    assert min(rotations) == -40 and max(rotations) == 40 and abs(np.mean(rotations)) < 1
    assert abs(np.mean([rotation != 0 for rotation in rotations]) - 0.6) < 0.03
    assert abs(np.mean([view.flip for view in drawn]) - 0.3) < 0.03


def test_without_mirror_images_all_else_is_drawn_alike() -> None:
    assert views(mirror=False) == [dataclasses.replace(view, flip=False) for view in views()]


@pytest.mark.parametrize("known", [True, False])
def test_where_mirror_pairs_are_not_known_nobody_is_mirrored(datasets: Datasets, config: Config, known: bool) -> None:
    def rows(probability: float) -> dict[str, np.ndarray]:
        changed = dataclasses.replace(config, view=dataclasses.replace(config.view, flip_probability=probability))
        return stream_of(datasets.labeled, datasets.skeleton.flip_order if known else None, changed).read(range(8))

    never, always = rows(0.0), rows(1.0)
    assert np.array_equal(never["image"], always["image"]) is not known
    assert np.array_equal(never["keypoints"], always["keypoints"]) is not known
