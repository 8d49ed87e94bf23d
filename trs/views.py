"""What a training would see: how much there is to learn from, and sheets of the views of its people.

Legend: B people, K keypoints, H W image, h w heatmap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trs.augment.hard_view import LocatedKeypoints, augment, hard_view
from trs.config import Config, ConsistencyConfig
from trs.data.batch import denormalize, labeled_batch, unlabeled_batch
from trs.data.crops import crop_keypoints, crop_person
from trs.data.datasets import Datasets
from trs.data.heatmaps import locate
from trs.data.person_table import PersonTable
from trs.data.reader import Rows, stream_of
from trs.keyed_random import derive
from trs.skeleton import Skeleton
from trs.visualize import draw_skeleton, enlarge, grid, sheet

_CELL = 256
"""A crop is enlarged until its longer side has about this many pixels."""


@dataclass(frozen=True, eq=False)
class ViewSheet:
    """A sheet of views.

    image: [H, W, 3] uint8 RGB.
    bad_images: a sentence about each image that cannot be read; another person stands in its place.
    """

    image: np.ndarray
    bad_images: list[str]


def summary(datasets: Datasets) -> list[str]:
    """Sentences on the size of the datasets and of the people's boxes, and on how often each keypoint is labeled."""
    lines = [f"{len(people):,} {name} people in {len(np.unique(people.files)):,} images{_box_sizes(people)}"
             for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled),
                                  ("validation", datasets.val))]
    shares = datasets.labeled.keypoint_weights.mean(0)
    return [*lines, "labeled keypoints: " + ", ".join(
        f"{name} {share:.0%}" for name, share in zip(datasets.skeleton.names, shares, strict=True))]


def _box_sizes(people: PersonTable) -> str:
    if not len(people):
        return ""
    low, middle, high = np.quantile(people.boxes[:, 2:].max(1), [0.05, 0.5, 0.95])
    return f", their boxes {low:.0f} to {high:.0f} pixels long, in the median {middle:.0f}"


def labeled_views(datasets: Datasets, config: Config, count: int) -> ViewSheet:
    """A sheet with a labeled person in each row: as annotated, the easy view, and what the method makes of that.

    The hard view needs a teacher that says where the keypoints are. None is trained yet; the annotation stands in.

    Args:
        datasets: of the training.
        config: of the training; its method decides which columns there are.
        count: rows.
    """
    rows = stream_of(datasets.labeled, datasets.skeleton.flip_order, config).read(range(count))
    # An image that cannot be read is replaced by another one, so the people are those that the ids name.
    people = {number: row for row, number in enumerate(datasets.labeled.ids.tolist())}
    columns = {"annotated": [_annotated(datasets, people[number], config) for number in rows["id"].tolist()],
               **_training_views(rows, config, datasets.skeleton)}
    return ViewSheet(sheet(list(columns.values()), list(columns)), _bad_images(rows))


def _annotated(datasets: Datasets, person: int, config: Config) -> np.ndarray:
    """The plain crop of a labeled person (a row of the table) with the annotated keypoints."""
    image, matrix = crop_person(datasets.labeled, person, config.data.input_size)
    keypoints, weights = crop_keypoints(datasets.labeled, person, matrix, None)
    return _with_skeleton(image, np.column_stack([keypoints, weights]), datasets.skeleton)


def _training_views(rows: Rows, config: Config, skeleton: Skeleton) -> dict[str, list[np.ndarray]]:
    """By title, B views of the people in a stream's rows: easy and, if the method has them, augmented and hard."""
    cpu, count = torch.device("cpu"), len(rows["id"])
    easy = labeled_batch(rows, cpu, config.data.sigma)
    heatmaps = easy.heatmaps * easy.keypoint_weights[..., None, None]
    views = {"easy": _drawn(easy.images, heatmaps, skeleton)}
    method = config.method
    if isinstance(method, ConsistencyConfig):
        unlabeled = unlabeled_batch(rows, cpu, config.data.sigma)
        if method.augment:
            keypoints, confidence = locate(heatmaps)
            located = LocatedKeypoints(keypoints, confidence > 0, derive(unlabeled.keys, 0))
            augmented, _ = augment(unlabeled.images, located, method)
            views[" + ".join(method.augment)] = _drawn(augmented, heatmaps, skeleton)
        hard = hard_view(unlabeled, heatmaps, method, config.view)
        views["hard"] = _drawn(hard.images[:count], hard.of_heatmaps(heatmaps[None])[0, :count], skeleton)
    return views


def _drawn(images: Tensor, heatmaps: Tensor, skeleton: Skeleton) -> list[np.ndarray]:
    """Normalized images [B, 3, H, W] with the keypoints of heatmaps [B, K, h, w]."""
    keypoints, confidence = locate(heatmaps)
    poses = torch.cat([keypoints, confidence[..., None]], dim=-1).double().numpy()
    return [_with_skeleton(image, pose, skeleton)
            for image, pose in zip(denormalize(images).numpy(), poses, strict=True)]


def _with_skeleton(image: np.ndarray, pose: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    factor = max(1, round(_CELL / max(image.shape[:2])))
    return draw_skeleton(enlarge(image, factor), pose * [factor, factor, 1], skeleton)


def unlabeled_views(datasets: Datasets, config: Config, count: int) -> ViewSheet:
    """A sheet with the easy views of `count` unlabeled people, whose boxes are all that is known."""
    rows = stream_of(datasets.unlabeled, datasets.skeleton.flip_order, config).read(range(count))
    images = rows["image"]
    factor = max(1, round(_CELL / 2 / max(images.shape[1:3])))
    return ViewSheet(grid([enlarge(image, factor) for image in images], columns=max(1, count // 3)), _bad_images(rows))


def _bad_images(rows: Rows) -> list[str]:
    return [sentence for sentence in rows["bad"].tolist() if sentence]
