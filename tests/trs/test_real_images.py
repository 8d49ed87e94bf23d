"""Genuine COCO and LSPET files through the whole of `trs`: a few steps, the split, the AP."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trs import loop
from trs.config import Config
from trs.data.annotations.formats import load_people
from trs.data.datasets import Datasets, load_datasets
from trs.data.reader import stream_of
from trs.errors import InputError
from trs.evaluation.coco_eval import coco_numbers
from trs.evaluation.evaluate import require_metric
from trs.evaluation.oks import coco_results, score_poses
from trs.evaluation.results import write_results
from trs.host import Metrics, PlainHost
from trs.methods.build import build_method
from trs.presets import PRESETS
from trs.skeleton import AIC, MPII
from trs.training import start_training


def small(preset: str, root: Path, **data: object) -> Config:
    """A preset on a few people and a small network, everything else as it is."""
    config = PRESETS[preset]()
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, root=str(root), **data),
        model=dataclasses.replace(config.model, backbones=("resnet_tiny", "resnet_tiny"), pretrained=(),
                                  head_channels=16),
        train=dataclasses.replace(config.train, epochs=1, batch_size=12))


@dataclasses.dataclass
class KeepingHost(PlainHost):
    """A host that writes predictions into a folder."""

    folder: Path = Path()

    def keep(self, predictor: str, results: list[dict[str, Any]]) -> None:
        write_results(self.folder, predictor, results)


def train(config: Config, datasets: Datasets, folder: Path) -> Metrics:
    training = start_training(config, datasets, build_method(config, len(datasets.skeleton)), torch.device("cpu"))
    streams = {name: stream_of(people, datasets.skeleton.flip_order, config)
               for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}
    host = KeepingHost(streams, folder=folder)
    loop.train(training, host)
    return host.reports[-1]


def direct_ap(config: Config, datasets: Datasets, results: Path) -> float:
    truth = COCO(str(Path(config.data.root) / config.data.val_annotations))
    evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(datasets.skeleton.sigmas)
    evaluation.params.imgIds = np.unique(datasets.val.image_ids).tolist()
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


@pytest.mark.parametrize("preset", ["coco-1k", "coco-wild"])
def test_genuine_coco_trains_and_its_ap_is_pycocotools(coco_small: Path, tmp_path: Path, preset: str) -> None:
    config = small(preset, coco_small, labeled_count=24 if preset == "coco-1k" else None)
    datasets = load_datasets(config.data)
    if preset == "coco-1k":
        assert (len(datasets.labeled), len(datasets.unlabeled)) == (24, 62)
        assert not set(datasets.labeled.ids) & set(datasets.unlabeled.ids)
    else:
        assert (len(datasets.labeled), len(datasets.unlabeled)) == (86, 70)
    assert len(datasets.val) == 175
    metrics = train(config, datasets, tmp_path)
    assert metrics["bad_images"] == 0 and metrics["loss"] > 0
    for name in ("a", "b", "ensemble"):
        assert metrics[f"ap_{name}"] == pytest.approx(direct_ap(config, datasets, tmp_path / f"{name}.json"), abs=1e-12)


def test_lspet_trains_with_its_own_fourteen_keypoints(lspet: Path, tmp_path: Path) -> None:
    config = small("lspet", lspet, labeled_count=24, unlabeled_count=24, val_count=20, input_size=(64, 64))
    datasets = load_datasets(config.data)
    assert len(datasets.skeleton) == 14 and len(datasets.val) == 20
    assert datasets.skeleton.flip_order == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]
    metrics = train(config, datasets, tmp_path)
    assert metrics["bad_images"] == 0
    assert metrics["ap_a"] == pytest.approx(direct_ap(config, datasets, tmp_path / "a.json"), abs=1e-12)


def of_samples(root: Path, file: str, **data: object) -> Config:
    """Two steps on the few genuine people of another dataset, labeled and unlabeled alike."""
    config = small("lspet", root, train_annotations=file, val_annotations=file, train_images=".", val_images=".",
                   labeled_count=None, include_labeled=True, input_size=(64, 64), **data)
    return dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=2, batch_size=10))


def test_mpii_trains_and_is_measured_by_pckh(samples: Path, tmp_path: Path) -> None:
    config = of_samples(samples / "mpii", "test_mpii.json")
    config = dataclasses.replace(config, eval=dataclasses.replace(config.eval, metric="pckh"))
    datasets = load_datasets(config.data)
    assert datasets.truth is None and len(datasets.val) == 5
    metrics = train(config, datasets, tmp_path)
    assert metrics["step"] == 2 and metrics["bad_images"] == 0 and "ap" not in metrics
    groups = {"head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"}
    assert groups == {name.removesuffix("_pckh") for name in metrics if name.endswith("_pckh")}
    assert 0 <= metrics["pckh"] <= 1 and {"pckh_a", "pckh_reviewer_b", "pckh_ensemble", "pck"} <= metrics.keys()
    with pytest.raises(InputError, match=r"has no ap, only pckh and pck; set eval\.metric to pckh"):
        require_metric(datasets, "ap")


@pytest.mark.parametrize(("name", "file", "people"), [("aic", "test_aic.json", 9),
                                                      ("crowdpose", "test_crowdpose.json", 4)])
def test_aic_and_crowdpose_train_and_are_measured_by_ap(samples: Path, tmp_path: Path, name: str, file: str,
                                                        people: int) -> None:
    config = of_samples(samples / name, file)
    datasets = load_datasets(config.data)
    assert len(datasets.val) == people and len(datasets.skeleton) == 14
    metrics = train(config, datasets, tmp_path)
    assert metrics["step"] == 2 and metrics["bad_images"] == 0 and 0 <= metrics["ap"] <= 1
    results = coco_results(datasets.val, score_poses(datasets.val, np.arange(people), truth_of(datasets)))
    perfect = coco_numbers(datasets.truth, results, datasets.skeleton.sigmas)
    assert perfect["ap"] == pytest.approx(1.0)


def truth_of(datasets: Datasets) -> np.ndarray:
    return np.concatenate([datasets.val.keypoints, datasets.val.keypoint_weights[..., None]], axis=-1)


def test_labels_of_mpii_and_images_of_aic_over_the_keypoints_that_both_have(samples: Path, tmp_path: Path) -> None:
    shared = tuple(name for name in AIC.names if name in MPII.names)
    assert len(shared) == 13  # the neck is another point
    config = of_samples(samples, "mpii/test_mpii.json", unlabeled_annotations="aic/test_aic.json",
                        unlabeled_images="aic", keypoints=shared)
    config = dataclasses.replace(config, eval=dataclasses.replace(config.eval, metric="pckh"), data=dataclasses.replace(
        config.data, train_images="mpii", val_images="mpii"))
    datasets = load_datasets(config.data)
    assert (len(datasets.labeled), len(datasets.unlabeled), len(datasets.skeleton)) == (5, 9, 13)
    joint = shared.index("left_knee")
    np.testing.assert_array_equal(datasets.val.keypoints[:, joint],
                                  load_people(samples / "mpii" / "test_mpii.json", samples)[0].keypoints[:, 4])
    assert datasets.unlabeled.keypoint_weights.sum() == 0
    assert train(config, datasets, tmp_path)["step"] == 2


def test_some_of_cocos_keypoints_are_scored_by_pycocotools_too(coco_small: Path) -> None:
    limbs = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
    config = small("coco-1k", coco_small, labeled_count=24, keypoints=limbs)
    datasets = load_datasets(config.data)
    results = coco_results(datasets.val, score_poses(datasets.val, np.arange(len(datasets.val)), truth_of(datasets)))
    perfect = coco_numbers(datasets.truth, results, datasets.skeleton.sigmas)
    assert perfect["ap"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="there is no keypoint 'tail'"):
        load_datasets(dataclasses.replace(config.data, keypoints=("tail",)))


def test_detected_boxes_are_suppressed_and_every_image_counts(samples: Path, tmp_path: Path) -> None:
    config = of_samples(samples / "crowdpose", "test_crowdpose.json", val_detections="test_crowdpose_det_AP_40.json")
    datasets = load_datasets(config.data)
    assert len(datasets.val) == 6 and datasets.truth.image_ids.tolist() == [103319, 106848]
    metrics = train(config, datasets, tmp_path)
    assert 0 <= metrics["ap"] <= 1 and "pck" not in metrics
    assert len(json.loads((tmp_path / "a.json").read_text())) <= 6
