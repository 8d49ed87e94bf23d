"""The labels of a validation set, scored against themselves: whatever is not perfect there would spoil every score."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trs.config import Config, DataConfig
from trs.data.datasets import Datasets
from trs.data.ground_truth import GroundTruth
from trs.errors import InputError
from trs.evaluation.coco_eval import coco_numbers, unmatched
from trs.evaluation.oks import coco_results, score_poses

_EXAMPLES = 5


def require_sound(datasets: Datasets, config: Config) -> None:
    """Find before anything starts what would spoil the scores of a training or an evaluation.

    Raises:
        InputError: labels that do not match themselves, or a flip test of keypoints whose mirror pairs are not known.
    """
    require_perfect(datasets, config.data)
    if config.eval.flip_test and datasets.skeleton.flip_order is None:
        raise InputError("eval.flip_test needs the keypoints' mirror pairs, which their names do not tell; name them "
                         "with data.mirror_pairs")


def require_perfect(datasets: Datasets, data: DataConfig) -> None:
    """`require_perfect_labels` for all that poses are scored against."""
    chosen_on = data.val_annotations if datasets.test is None else data.train_annotations
    for truth, file in ((datasets.truth, chosen_on), (datasets.test_truth, data.val_annotations)):
        if truth is not None:
            require_perfect_labels(truth, datasets.skeleton.sigmas, Path(file).name)


def require_perfect_labels(truth: GroundTruth, sigmas: Sequence[float], file: str) -> None:
    """Score the labels as poses, as many an image as the fullest one has people, and expect an AP of 1.

    Args:
        truth: whom poses are scored against.
        sigmas: [K] of the keypoints.
        file: that the labels come from, for the message.

    Raises:
        InputError: some of the labels do not match themselves; they are named. Or there are none.
    """
    people = truth.people
    if not len(people):
        raise InputError(f"{file} holds nobody to score: no person with a labeled keypoint and a box")
    poses = np.concatenate([people.keypoints, np.ones((*people.keypoint_weights.shape, 1))], axis=-1)
    # Of two people in one pose the one with fewer labels comes first: it fits the other's labels as well as its own.
    few_first = dataclasses.replace(people, scores=1 / people.keypoint_weights.sum(1))
    results = coco_results(people, score_poses(few_first, np.arange(len(people)), poses))
    fullest = int(np.unique(people.image_ids, return_counts=True)[1].max(initial=0))
    ap = coco_numbers(truth, results, sigmas, fullest)["ap"]
    if ap is None or ap < 1 - 1e-9:
        missed = truth.records.take(unmatched(truth, results, sigmas, fullest)).ids.tolist()
        raise InputError(f"{file}: its labels, taken for poses, score an AP of {ap}, not 1: {len(missed)} people do "
                         f"not match themselves, first {', '.join(map(str, missed[:_EXAMPLES]))}; mend their records")
