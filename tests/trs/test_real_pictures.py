"""Genuine COCO and LSPET files through the whole of `trs`: a few steps, the split, the AP."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trs import loop
from trs.config import PRESETS, Config
from trs.data.sets import Sets, load_sets
from trs.data.stream import read_ahead, stream_of
from trs.evaluation.results import write_results
from trs.methods.build import build_method


def small(preset: str, root: Path, **data: object) -> Config:
    """A preset on a few people and a small network, everything else as it is."""
    config = PRESETS[preset]()
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, root=str(root), **data),
        model=dataclasses.replace(config.model, backbones=("resnet_tiny", "resnet_tiny"), pretrained=None,
                                  head_channels=16),
        train=dataclasses.replace(config.train, epochs=1, batch_size=12))


def train(config: Config, sets: Sets, folder: Path) -> loop.Metrics:
    training = loop.start(config, sets, build_method(config, len(sets.skeleton)), torch.device("cpu"))
    streams = {name: stream_of(people, sets.skeleton.flip_order, config)
               for name, people in (("labeled", sets.labeled), ("unlabeled", sets.unlabeled))}
    reports: list[loop.Metrics] = []
    loop.train(training, lambda steps: read_ahead(streams, steps), lambda metrics, save: reports.append(metrics),
               keep=lambda name, results: write_results(folder, name, results))
    return reports[-1]


def direct_ap(sets: Sets, results: Path) -> float:
    truth = COCO(sets.ground_truth)
    evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(sets.skeleton.sigmas)
    evaluation.params.imgIds = np.unique(sets.val.image_ids).tolist()
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


@pytest.mark.parametrize("preset", ["coco-1k", "coco-wild"])
def test_genuine_coco_trains_and_its_ap_is_pycocotools(coco_small: Path, tmp_path: Path, preset: str) -> None:
    config = small(preset, coco_small, labeled_count=24 if preset == "coco-1k" else None)
    sets = load_sets(config.data)
    if preset == "coco-1k":
        assert (len(sets.labeled), len(sets.unlabeled)) == (24, 62)
        assert not set(sets.labeled.ids) & set(sets.unlabeled.ids)
    else:
        assert (len(sets.labeled), len(sets.unlabeled)) == (86, 70)
    assert len(sets.val) == 175
    metrics = train(config, sets, tmp_path)
    assert metrics["bad_images"] == 0 and metrics["loss"] > 0
    for name in ("a", "b", "ensemble"):
        assert metrics[f"ap_{name}"] == direct_ap(sets, tmp_path / f"{name}.json")


def test_lspet_trains_with_its_own_fourteen_keypoints(lspet: Path, tmp_path: Path) -> None:
    config = small("lspet", lspet, labeled_count=24, unlabeled_count=24, val_count=20, input_size=(64, 64))
    sets = load_sets(config.data)
    assert len(sets.skeleton) == 14 and len(sets.val) == 20
    assert sets.skeleton.flip_order == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]
    metrics = train(config, sets, tmp_path)
    assert metrics["bad_images"] == 0
    assert metrics["ap_a"] == direct_ap(sets, tmp_path / "a.json")
