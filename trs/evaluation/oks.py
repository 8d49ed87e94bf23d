"""OKS-AP through pycocotools, on any keypoint set."""

from __future__ import annotations

import contextlib
import functools
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trs.data.people import AREA_OF_BOX, People
from trs.skeleton import Skeleton, from_category

MIN_KEYPOINT_SCORE = 0.2
"""Heat below which a keypoint does not count towards a person's score (SimpleBaseline)."""


def mean_heat(keypoints: np.ndarray) -> np.ndarray:
    """[N] the mean heat of the keypoints [N, K, 3] above MIN_KEYPOINT_SCORE."""
    heat = keypoints[..., 2]
    sure = heat > MIN_KEYPOINT_SCORE
    return (heat * sure).sum(-1) / np.maximum(sure.sum(-1), 1)


def pose_scores(people: People, rows: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """[N] the box's score times the pose's mean heat (SimpleBaseline)."""
    return people.scores[rows] * mean_heat(keypoints)


def coco_result(image_id: int, pose: np.ndarray, score: float, category_id: int) -> dict[str, Any]:
    """A pose [K, 3] of x, y in the picture (continuous) and heat as a record of COCO's result format."""
    # Back to COCO's pixel indices, see trs.data.geometry.
    written = (pose - [0.5, 0.5, 0.0]).ravel().tolist()
    return {"image_id": image_id, "category_id": category_id, "score": float(score),
            "keypoints": [round(value, 4) for value in written]}


def coco_results(people: People, rows: np.ndarray, keypoints: np.ndarray, category_id: int = 1) -> list[dict[str, Any]]:
    """Poses in COCO's result format, ordered by annotation id, so that no tie depends on who computed them.

    Args:
        people: the table that was predicted.
        rows: [N] rows of `people`.
        keypoints: [N, K, 3] x, y in the picture (continuous) and score.
        category_id: of the people in the ground truth.
    """
    scores = pose_scores(people, rows, keypoints)
    return [coco_result(int(people.image_ids[rows[index]]), keypoints[index], scores[index], category_id)
            for index in np.argsort(people.ids[rows], kind="stable")]


def oks_ap(ground_truth: str, image_ids: np.ndarray, results: list[dict[str, Any]],
           skeleton: Skeleton) -> dict[str, float]:
    """AP, AP at OKS 0.5 and 0.75, AR and AR at 0.5 of a list of results.

    Args:
        ground_truth: COCO keypoint file.
        image_ids: the pictures that count.
        results: in COCO's result format.
        skeleton: whose sigmas apply, and whose keypoints of the file's count.
    """
    if not results:
        return dict.fromkeys(("ap", "ap50", "ap75", "ar", "ar50"), 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _ground_truth(ground_truth, skeleton)
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
def _ground_truth(path: str, skeleton: Skeleton) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(path)
    category = next(category for category in truth.dataset["categories"] if category.get("keypoints"))
    order = from_category(category).select(skeleton.names)[1]
    for record in truth.anns.values():
        keypoints = np.array(record.get("keypoints", [])).reshape(-1, 3)
        if len(keypoints) and order != list(range(len(keypoints))):
            record["keypoints"] = keypoints[order].ravel().tolist()
            record.pop("num_keypoints", None)
        # COCOeval reads three fields that some datasets leave out.
        record.setdefault("iscrowd", 0)
        record.setdefault("num_keypoints", sum(visible > 0 for visible in record.get("keypoints", [])[2::3]))
        if record.get("area") is None and "bbox" in record:
            record["area"] = AREA_OF_BOX * record["bbox"][2] * record["bbox"][3]
    return truth
