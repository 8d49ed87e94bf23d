"""How a run scores on any draw of the images that it was measured on, from the poses that lie in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trs.data.datasets import Datasets
from trs.evaluation.coco_eval import match
from trs.evaluation.intervals import Score, average_precision, mean_of, share
from trs.evaluation.pck import pck_counts, pckh_counts
from trs.evaluation.results import PREDICTIONS, predicted_people, read_predictions, stack_poses


def score_of_run(metric: str, networks: Sequence[str], run: Path, datasets: Datasets, of: str = "") -> Score:
    """The mean score of some networks of a run.

    Args:
        metric: ap, pck or pckh.
        networks: whose poses count, as in `MethodConfig.scored`.
        run: a folder with their poses in `predictions/`.
        datasets: its validation people are those of the poses.
        of: what the poses' files begin with: `trs.evaluation.protocol.TEST`, or nothing.

    Raises:
        InputError: the poses are not there, or are not of these people.
    """
    results = [read_predictions(run / PREDICTIONS / f"{of}{name}.json") for name in networks]
    if metric != "ap":
        return mean_of([_share_right(metric, datasets, one) for one in results])
    assert datasets.truth is not None, "require_metric has seen to it"
    return mean_of([average_precision(match(datasets.truth, one, datasets.skeleton.sigmas)) for one in results])


def images_drawn(metric: str, datasets: Datasets) -> int:
    """Images that `score_of_run` draws from."""
    people = datasets.truth if metric == "ap" and datasets.truth is not None else datasets.val
    return len(np.unique(people.image_ids))


def _share_right(metric: str, datasets: Datasets, results: list[dict[str, Any]]) -> Score:
    people, predicted = datasets.val, predicted_people(datasets.val, results)
    order = np.argsort(people.ids)
    rows = order[np.searchsorted(people.ids, predicted.ids, sorter=order)]
    poses = rows, stack_poses(results, predicted)
    right, labeled = pck_counts(people, *poses) if metric == "pck" else pckh_counts(people, *poses, datasets.skeleton)
    image = np.unique(people.image_ids, return_inverse=True)[1]
    return share(np.bincount(image, right), np.bincount(image, labeled))
