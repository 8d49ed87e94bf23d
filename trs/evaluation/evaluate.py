"""Evaluation of a method on a people table: every worker predicts its share, one scores the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from trs.config import Config
from trs.data.sets import Sets
from trs.distributed import broadcast_buffers, gather_rows, rank, world_size
from trs.evaluation.oks import coco_results, oks_ap
from trs.evaluation.pck import pck, pckh
from trs.evaluation.predict import Poses, predict, read_crops
from trs.methods.base import Method

METRICS = ("ap", "pck", "pckh")
"""What a single network is judged by; the first that is there is what a search maximises, see `EvalConfig.metric`."""

Keep = Callable[[str, list[dict[str, Any]]], object]
"""Takes a predictor's name and its results in COCO's format, to write or to draw them."""


def evaluate(method: Method, sets: Sets, config: Config, device: torch.device, complain: list[str],
             keep: Keep = lambda name, results: None) -> dict[str, float]:
    """Metrics of every network, of the peers' mean and of their ensemble.

    Whole batches are dealt to the workers, so that each person sees the same arithmetic whatever their number, and the
    AP is the same to the last bit.

    Returns: on rank 0 the means over `method.peers`: `ap`, `ap50`, `ap75`, `ar`, `ar50` where the set has a COCO file,
        `pck`, and `pckh` with its groups where it has head sizes; and `ap_NAME`, `pck_NAME`, `pckh_NAME` for each
        network and for `ensemble`. On the other ranks nothing.
    """
    broadcast_buffers(method.networks)
    batches = np.split(np.arange(len(sets.val)), range(config.eval.batch_size, len(sets.val), config.eval.batch_size))
    crops = read_crops(sets.val, batches[rank()::world_size()], config.data.input_size, complain)
    local = predict(method.predictors, method.peers, crops, config.eval, config.model.fuse, sets.skeleton.flip_order,
                    device)
    poses = {name: _gather(found, len(sets.skeleton)) for name, found in local.items()}
    if rank() > 0:
        return {}
    scores = {name: _score(sets, rows, keypoints, lambda results, name=name: keep(name, results))
              for name, (rows, keypoints) in poses.items()}
    means = {metric: float(np.mean([scores[peer][metric] for peer in method.peers])) for metric in scores["ensemble"]}
    return {**means, **{f"{metric}_{name}": score[metric] for name, score in scores.items() for metric in METRICS
                        if metric in score}}


def _score(sets: Sets, rows: np.ndarray, keypoints: np.ndarray, keep: Callable[[list[dict[str, Any]]], object]
           ) -> dict[str, float]:
    """Every metric that the validation set allows."""
    results = coco_results(sets.val, rows, keypoints, sets.skeleton.category_id)
    keep(results)
    scores = {}
    if sets.ground_truth is not None:
        scores |= oks_ap(sets.ground_truth, sets.val.image_ids, results, sets.skeleton)
    if sets.val.keypoint_weights.any():
        scores |= pck(sets.val, rows, keypoints)
    if np.isfinite(sets.val.head_sizes).any():
        scores |= pckh(sets.val, rows, keypoints, sets.skeleton)
    return scores


def _gather(poses: Poses, keypoint_count: int) -> tuple[np.ndarray, np.ndarray]:
    keypoints = poses.keypoints.reshape(-1, keypoint_count, 3)
    return gather_rows(poses.rows).cpu().numpy(), gather_rows(keypoints).cpu().numpy()
