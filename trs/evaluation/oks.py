"""OKS-AP through pycocotools, on any keypoint set."""

from __future__ import annotations

import contextlib
import functools
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trs.data.person_table import AREA_OF_BOX, PersonTable
from trs.skeleton import Skeleton, from_category

MIN_KEYPOINT_SCORE = 0.2
"""Heat below which a keypoint does not count towards a person's score (SimpleBaseline)."""


def mean_heat(keypoints: np.ndarray) -> np.ndarray:
    """[N] the mean heat of the keypoints [N, K, 3] above MIN_KEYPOINT_SCORE."""
    heat = keypoints[..., 2]
    sure = heat > MIN_KEYPOINT_SCORE
    return (heat * sure).sum(-1) / np.maximum(sure.sum(-1), 1)


def pose_scores(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """[N] the box's score times the pose's mean heat (SimpleBaseline)."""
    return people.scores[rows] * mean_heat(keypoints)


def coco_result(image_id: int, pose: np.ndarray, score: float, category_id: int) -> dict[str, Any]:
    """A pose [K, 3] of x, y in the picture (continuous) and heat as a record of COCO's result format."""
    # Back to COCO's pixel indices, see trs.data.geometry.
    written = (pose - [0.5, 0.5, 0.0]).ravel().tolist()
    return {"image_id": image_id, "category_id": category_id, "score": float(score),
            "keypoints": [round(value, 4) for value in written]}


def coco_results(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, category_id: int = 1) -> list[dict[str, Any]]:
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


OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def similarities(keypoints: np.ndarray, people: PersonTable, sigmas: np.ndarray) -> np.ndarray:
    """[N, K] COCO's keypoint similarity (https://cocodataset.org/#keypoints-eval); NaN where nothing is annotated."""
    squared = np.square(keypoints[..., :2] - people.keypoints).sum(-1)
    found = np.exp(-squared / (2 * people.areas[:, None] * np.square(2 * sigmas)))
    return np.where(people.keypoint_weights > 0, found, np.nan)


def oks(similarity: np.ndarray) -> np.ndarray:
    """[N] object keypoint similarities from [N, K] keypoint similarities."""
    return np.nanmean(similarity, axis=1)


def keypoint_scores(similarity: np.ndarray) -> np.ndarray:
    """[K] the share of the annotated keypoints that are right, a mean over COCO's ten thresholds.

    What AP is for whole people: 1 if every keypoint of this name lies within its tolerance at each threshold.
    """
    right = (similarity[..., None] >= OKS_THRESHOLDS).mean(-1)
    annotated = ~np.isnan(similarity)
    return (right * annotated).sum(0) / np.maximum(annotated.sum(0), 1)


def pose_similarity(pose: np.ndarray, area: float, others: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
                    ) -> np.ndarray:
    """[n] OKS of one pose [K, 2] with others [n, K, 2], relative to the mean of the two areas."""
    squared = ((others - pose) ** 2).sum(-1)
    scale = (2 * sigmas) ** 2 * ((area + areas) / 2 + np.spacing(1))[:, None]
    return np.exp(-squared / scale / 2).mean(-1)
