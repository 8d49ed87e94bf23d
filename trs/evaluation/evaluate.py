"""Evaluation of a method on a people table: every worker predicts its share, one scores the whole."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from trs.config import Config
from trs.data.datasets import Datasets
from trs.data.ground_truth import GroundTruth
from trs.distributed import broadcast_buffers, rank
from trs.errors import Diverged, InputError
from trs.evaluation.coco_eval import Numbers, coco_numbers
from trs.evaluation.oks import ScoredPoses, coco_results, score_poses
from trs.evaluation.oks_nms import oks_nms
from trs.evaluation.pck import pck, pckh
from trs.evaluation.predict import gather, predict, share_of_crops
from trs.evaluation.protocol import ENSEMBLE, TEST
from trs.methods.base import Method

Keep = Callable[[str, list[dict[str, Any]]], object]
"""Receives a predictor's name and its results in COCO's format, to write or to draw them."""


def evaluate(method: Method, datasets: Datasets, config: Config, device: torch.device, bad_images: list[str],
             keep: Keep = lambda name, results: None) -> Numbers:
    """Metrics of every network, of the mean of those that the method is scored by, and of the ensemble.

    Whole batches are dealt to the workers, so that each person sees the same arithmetic whatever their number, and the
    AP is the same to the last bit.

    Returns: on rank 0 the means over `method.scored`: COCO's ten numbers (`trs.evaluation.coco_eval`) where the set has
        a COCO file, `pck`, and `pckh` with its groups where it has head sizes; and `ap_NAME`, `pck_NAME`,
        `pckh_NAME` for each network and for `ensemble`. All are finite, or None where there is nobody to score. On the
        other ranks nothing.

    Raises:
        Diverged: on every rank, a network's poses are not finite.
    """
    broadcast_buffers(method.networks)
    crops = share_of_crops(datasets.val, config, bad_images)
    local = predict(method.predictors, method.peers, crops, config.eval, config.model.fuse,
                    datasets.skeleton.flip_order, device)
    poses = {name: gather(found, len(datasets.skeleton)) for name, found in local.items()}
    _require_finite(poses)
    if rank() > 0:
        return {}
    scores = {name: _score(datasets, config, rows, keypoints, functools.partial(keep, name))
              for name, (rows, keypoints) in poses.items()}
    means = {metric: _mean([scores[name][metric] for name in method.scored]) for metric in scores[ENSEMBLE]}
    return {**means, **{f"{metric}_{name}": score[metric] for name, score in scores.items() for metric in MEASURES
                        if metric in score}}


def evaluate_test(method: Method, datasets: Datasets, config: Config, device: torch.device, bad_images: list[str],
                  keep: Keep = lambda name, results: None) -> Numbers:
    """As `evaluate`, on the people who choose nothing.

    Returns: `test_ap`, `test_pckh` and `test_pck`, the means over the networks that the method is scored by, and each
        with `_ensemble`, as far as the test set allows them.
    """
    found = evaluate(method, datasets.of_test(), config, device, bad_images,
                     lambda name, results: keep(f"{TEST}{name}", results))
    return {f"{TEST}{name}": found[name] for measure in MEASURES for name in (measure, f"{measure}_{ENSEMBLE}")
            if name in found}


def _require_finite(poses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Raises Diverged if a network has given anything but numbers: compared with thresholds, NaN would be no miss."""
    diverged = {name: int((~np.isfinite(keypoints).all((1, 2))).sum()) for name, (_, keypoints) in poses.items()}
    diverged = {name: count for name, count in diverged.items() if count and name != ENSEMBLE}
    if diverged:
        name, count = next(iter(diverged.items()))
        raise Diverged(f"network {name} has diverged: {count:,} of its {len(poses[name][0]):,} poses are not finite; "
                       "lower train.learning_rate or method.unsup_weight")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _score(datasets: Datasets, config: Config, rows: np.ndarray, keypoints: np.ndarray,
           keep: Callable[[list[dict[str, Any]]], object]) -> Numbers:
    """Every metric that the validation set allows."""
    poses = score_poses(datasets.val, rows, keypoints)
    if config.data.val_detections is not None:
        poses = oks_nms(datasets.val, poses, np.array(datasets.skeleton.sigmas), config.data.input_size)
    results = coco_results(datasets.val, poses, 1 if datasets.truth is None else datasets.truth.category_id)
    keep(results)
    return {metric: value for name, measure in MEASURES.items() if name in metrics_of(datasets)
            for metric, value in measure(datasets, poses, results).items()}


MEASURES: dict[str, Callable[[Datasets, ScoredPoses, list[dict[str, Any]]], Numbers]] = {
    "ap": lambda datasets, poses, results: coco_numbers(_truth(datasets), results, datasets.skeleton.sigmas),
    "pckh": lambda datasets, poses, results: pckh(datasets.val, poses.rows, poses.keypoints, datasets.skeleton),
    "pck": lambda datasets, poses, results: pck(datasets.val, poses.rows, poses.keypoints)}
"""By the name that `EvalConfig.metric` knows."""


def _truth(datasets: Datasets) -> GroundTruth:
    assert datasets.truth is not None, "AP is measured where metrics_of allows it"
    return datasets.truth


def metrics_of(datasets: Datasets) -> list[str]:
    """The measures that a validation set allows: AP needs a COCO file, PCK labels, PCKh head sizes."""
    allowed = {"ap": datasets.truth is not None, "pckh": bool(np.isfinite(datasets.val.head_sizes).any()),
               "pck": bool(datasets.val.keypoint_weights.any())}
    return [name for name in MEASURES if allowed[name]]


def require_metric(datasets: Datasets, metric: str) -> None:
    """Raises InputError if the validation set does not allow the metric."""
    allowed = metrics_of(datasets)
    if metric not in allowed:
        raise InputError(f"this validation set has no {metric}, only {' and '.join(allowed)}; set "
                         f"eval.metric to {allowed[0] if allowed else 'ap'}")
