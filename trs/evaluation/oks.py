"""OKS-AP through pycocotools, on any keypoint set."""

from __future__ import annotations

import contextlib
import functools
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trs.data.people import People
from trs.skeleton import Skeleton

MIN_KEYPOINT_SCORE = 0.2
"""Heat below which a keypoint does not count towards a person's score (SimpleBaseline)."""


def coco_results(people: People, rows: np.ndarray, keypoints: np.ndarray, category_id: int = 1) -> list[dict[str, Any]]:
    """Poses in COCO's result format, ordered by annotation id, so that no tie depends on who computed them.

    Args:
        people: the table that was predicted.
        rows: [N] rows of `people`.
        keypoints: [N, K, 3] x, y in the picture (continuous) and score.
        category_id: of the people in the ground truth.
    """
    results = []
    for row, pose in sorted(zip(rows.tolist(), keypoints, strict=True), key=lambda item: people.ids[item[0]]):
        heat = pose[:, 2]
        sure = heat[heat > MIN_KEYPOINT_SCORE]
        score = people.scores[row] * (sure.mean() if len(sure) else 0.0)
        # Back to COCO's pixel indices, see trs.data.geometry.
        written = np.column_stack([pose[:, :2] - 0.5, heat])
        results.append({"image_id": int(people.image_ids[row]), "category_id": category_id, "score": float(score),
                        "keypoints": [round(float(value), 4) for value in written.ravel()]})
    return results


def oks_ap(ground_truth: str, image_ids: np.ndarray, results: list[dict[str, Any]],
           skeleton: Skeleton) -> dict[str, float]:
    """AP, AP at OKS 0.5 and 0.75, AR and AR at 0.5 of a list of results.

    Args:
        ground_truth: COCO keypoint file.
        image_ids: the pictures that count.
        results: in COCO's result format.
        skeleton: whose sigmas apply.
    """
    if not results:
        return dict.fromkeys(("ap", "ap50", "ap75", "ar", "ar50"), 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _ground_truth(ground_truth)
        evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(skeleton.sigmas)
        evaluation.params.imgIds = np.unique(image_ids).tolist()
        evaluation.params.catIds = [skeleton.category_id]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50, ap75, _, _, ar, ar50, *_ = (float(value) for value in evaluation.stats)
    return {"ap": ap, "ap50": ap50, "ap75": ap75, "ar": ar, "ar50": ar50}


@functools.lru_cache(maxsize=2)
def _ground_truth(path: str) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(path)
    # COCOeval reads two fields that some datasets leave out.
    for record in truth.anns.values():
        record.setdefault("iscrowd", 0)
        record.setdefault("num_keypoints", sum(visible > 0 for visible in record.get("keypoints", [])[2::3]))
    return truth
