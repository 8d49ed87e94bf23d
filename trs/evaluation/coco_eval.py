"""COCO's ten keypoint numbers, counted by hotcoco or pycocotools on a cleaned copy of the ground truth.

The two agree to the last bit; hotcoco is many times faster. What either of them would stumble over is put right before:
annotation ids are positive, areas too, keypoints are counted, there is one category, and poses are finite.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trs.data.ground_truth import GroundTruth

try:
    from hotcoco import COCO, COCOeval
except ImportError:  # a platform without its wheels
    from pycocotools.coco import COCO  # type: ignore[no-redef]  # the same class of the other library
    from pycocotools.cocoeval import COCOeval  # type: ignore[no-redef]

Numbers = dict[str, float | None]
"""By name; None where there is nobody to score, as for AP M without people of a medium size."""
MAX_DETECTIONS = 20
"""Poses of an image that count, the best first (COCO's keypoint evaluation)."""
NAMES = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")
"""In COCO's order."""
_CATEGORY = 1


def coco_numbers(truth: GroundTruth, results: Sequence[dict[str, Any]], sigmas: Sequence[float],
                 max_detections: int = MAX_DETECTIONS) -> Numbers:
    """COCO's ten numbers of poses.

    Args:
        truth: whom they are scored against.
        results: in COCO's result format, image ids as in `truth`; poses that are not finite score nothing.
        sigmas: [K] of the keypoints.
        max_detections: poses of an image that count.
    """
    images = set(truth.image_ids.tolist())
    counted = [result for result in results if result["image_id"] in images and _is_finite(result)]
    if not counted:
        return {name: 0.0 if there else None for name, there in _anybody(truth).items()}
    found = _evaluate(truth, counted, sigmas, max_detections).eval
    assert found is not None, "it was accumulated"
    return _read(found)


def unmatched(truth: GroundTruth, results: Sequence[dict[str, Any]], sigmas: Sequence[float], max_detections: int
              ) -> np.ndarray:
    """[n] rows of `truth.records`: labeled people that no pose matches at the strictest threshold."""
    evaluation = _evaluate(truth, results, sigmas, max_detections)
    missed = [number - 1 for image in evaluation.evalImgs if image is not None and tuple(image["aRng"]) == (0, 1e10)
              for number, match, ignored in zip(image["gtIds"], image["gtMatches"][-1], image["gtIgnore"], strict=True)
              if not match and not ignored]
    return np.array(sorted(missed), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Matches:
    """How D poses were matched at T thresholds: what an AP over any choice of images is counted from.

    images: [D] rows of `GroundTruth.image_ids`, the poses of the highest score first.
    right: [T, D] bool, the pose is somebody's.
    ignored: [T, D] bool, nobody is blamed for it, or its place is nobody's to find.
    people: [n] of each image, who are to be found.
    """

    images: np.ndarray
    right: np.ndarray
    ignored: np.ndarray
    people: np.ndarray


def match(truth: GroundTruth, results: Sequence[dict[str, Any]], sigmas: Sequence[float]) -> Matches:
    """Match poses of any size with people, see `coco_numbers`."""
    images = np.unique(truth.image_ids)
    people = np.bincount(np.searchsorted(images, truth.people.image_ids), minlength=len(images))
    counted = [result for result in results if result["image_id"] in set(images.tolist()) and _is_finite(result)]
    found = [] if not counted else [
        image for image in _evaluate(truth, counted, sigmas, MAX_DETECTIONS).evalImgs
        if image is not None and tuple(image["aRng"]) == (0, 1e10) and len(image["dtScores"])]
    if not found:
        return Matches(np.zeros(0, np.int64), np.zeros((10, 0), bool), np.zeros((10, 0), bool), people)
    scores = np.concatenate([image["dtScores"] for image in found])
    order = np.argsort(-scores, kind="stable")
    rows = np.repeat([image["image_id"] - 1 for image in found], [len(image["dtScores"]) for image in found])
    return Matches(rows[order], np.concatenate([np.asarray(image["dtMatches"]) > 0 for image in found], 1)[:, order],
                   np.concatenate([np.asarray(image["dtIgnore"]) > 0 for image in found], 1)[:, order], people)


def _is_finite(result: dict[str, Any]) -> bool:
    return math.isfinite(result["score"]) and all(map(math.isfinite, result["keypoints"]))


def _anybody(truth: GroundTruth) -> dict[str, bool]:
    """By the numbers' names, whether there is anybody to find."""
    areas = truth.records.areas[~truth.ignored]
    sizes = {"medium": ((areas >= 32**2) & (areas <= 96**2)).any(), "large": (areas >= 96**2).any()}
    return {name: bool(sizes.get(name.partition("_")[2], len(areas) > 0)) for name in NAMES}


def _evaluate(truth: GroundTruth, results: Sequence[dict[str, Any]], sigmas: Sequence[float],
              max_detections: int) -> COCOeval:
    """A COCOeval of either library, evaluated and accumulated."""
    numbers = {image: number for number, image in enumerate(np.unique(truth.image_ids).tolist(), start=1)}
    poses = [{**result, "image_id": numbers[result["image_id"]], "category_id": _CATEGORY} for result in results]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the sigmas are not COCO's
        known = COCO()
        known.dataset = {"images": [{"id": number} for number in numbers.values()],
                         "categories": [{"id": _CATEGORY, "name": "person"}],
                         "annotations": _annotations(truth, numbers)}
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(poses), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)  # type: ignore[assignment]  # pycocotools needs it
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _annotations(truth: GroundTruth, numbers: dict[Any, int]) -> list[dict[str, Any]]:
    """The records as COCO's evaluation wants them, numbered by their rows from 1: an id of 0 is never matched there."""
    records, labeled = truth.records, truth.records.keypoint_weights > 0
    # Back to COCO's pixel indices, see trs.data.geometry.
    keypoints = np.dstack([records.keypoints - 0.5, 2.0 * labeled]).reshape(len(records), 3 * labeled.shape[1])
    return [{"id": row + 1, "image_id": numbers[image], "category_id": _CATEGORY, "iscrowd": int(crowd), "area": area,
             "bbox": box, "num_keypoints": count, "keypoints": pose}
            for row, (image, crowd, area, box, count, pose) in enumerate(zip(
                records.image_ids.tolist(), truth.crowds.tolist(), records.areas.tolist(), records.boxes.tolist(),
                labeled.sum(1).tolist(), keypoints.tolist(), strict=True))]


def _read(found: dict[str, Any]) -> Numbers:
    """The ten numbers from precisions [10, 101, 1, 3, 1] and recalls [10, 1, 3, 1]: by threshold and range of areas."""
    precision, recall = np.asarray(found["precision"])[:, :, 0, :, 0], np.asarray(found["recall"])[:, 0, :, 0]
    at_50, at_75, every = slice(0, 1), slice(5, 6), slice(None)
    chosen = [(every, 0), (at_50, 0), (at_75, 0), (every, 1), (every, 2)]
    parts = [values[thresholds, ..., area] for values in (precision, recall) for thresholds, area in chosen]
    return {name: float(part[part > -1].mean()) if (part > -1).any() else None
            for name, part in zip(NAMES, parts, strict=True)}
