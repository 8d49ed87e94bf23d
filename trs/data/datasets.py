"""The three datasets of a training, from the paths in its config: labeled, unlabeled, validation."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trs.config import DataConfig
from trs.data.annotations.detections import load_detections
from trs.data.annotations.formats import load_people
from trs.data.person_table import PersonTable
from trs.data.split import Split, apply_split, draw_split, load_split
from trs.data.synthetic import draw_dataset
from trs.errors import InputError
from trs.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Datasets:
    """What a training reads.

    ground_truth: COCO file of the validation set, for pycocotools; None for a dataset of another format.
    scored_images: [n] ids of the validation images that AP counts.
    split: which people of the training set are labeled.
    """

    labeled: PersonTable
    unlabeled: PersonTable
    val: PersonTable
    skeleton: Skeleton
    ground_truth: str | None
    scored_images: np.ndarray
    split: Split


def load_datasets(data: DataConfig, split: Split | None = None) -> Datasets:
    """Load the datasets and draw the split, or use one that is given.

    Raises:
        InputError: anything missing, malformed or empty; the message names it and the remedy.
    """
    root = _root(data)
    people, whole, _ = load_people(root / data.train_annotations, _folder(root / data.train_images))
    skeleton, order = whole.select(data.keypoints or whole.names)
    people = people.select(order)
    if split is None:
        split = (load_split(Path(data.manifest)) if data.manifest else
                 draw_split(people.ids, data.labeled_count, data.split, data.split_seed))
    labeled, unlabeled = apply_split(people, split, data.include_labeled)
    if data.unlabeled_annotations is not None:
        unlabeled = _extra_people(root, data, len(skeleton))
    val, scored_images, ground_truth = validation(root, data, skeleton)
    datasets = Datasets(labeled, unlabeled.take(np.arange(len(unlabeled))[: data.unlabeled_count]), val, skeleton,
                        ground_truth, scored_images, split)
    for name in ("labeled", "val"):
        if len(getattr(datasets, name)) == 0:
            raise InputError(f"the {name} set is empty: no person with a labeled keypoint and a box; check the "
                             f"annotations under {root}")
    return datasets


def _extra_people(root: Path, data: DataConfig, keypoint_count: int) -> PersonTable:
    """Unlabeled people of another file than the training set's."""
    annotations, images = root / str(data.unlabeled_annotations), _folder(root / data.unlabeled_images)
    if data.unlabeled_detections is None:
        return load_people(annotations, images).people.without_labels(keypoint_count)
    return load_detections(annotations, root / data.unlabeled_detections, images, keypoint_count,
                           data.min_detection_score)


class Validation(NamedTuple):
    """The people that networks are measured on; for the other fields see `Datasets`."""

    people: PersonTable
    scored_images: np.ndarray
    ground_truth: str | None


def validation(root: Path, data: DataConfig, skeleton: Skeleton) -> Validation:
    """Load the validation set.

    Args:
        root: of the dataset.
        data: names of the files.
        skeleton: the training's; other keypoints of the file are left out.
    """
    annotations, images = root / data.val_annotations, _folder(root / data.val_images)
    annotated, found, image_ids = load_people(annotations, images)
    people = _first_images(annotated.select(found.select(skeleton.names)[1]), data.val_count)
    scored_images = np.unique(people.image_ids)
    ground_truth = None if image_ids is None else str(annotations)
    if data.val_detections is None:
        return Validation(people, scored_images, ground_truth)
    detected = load_detections(annotations, root / data.val_detections, images, len(skeleton), min_score=0.0)
    if data.val_count is None and image_ids is not None:
        # A detection in an image without people is a mistake that counts.
        return Validation(detected, image_ids, ground_truth)
    return Validation(detected.take(np.isin(detected.image_ids, scored_images)), scored_images, ground_truth)


def require_unlabeled(datasets: Datasets) -> None:
    """Raises InputError if there is nothing unlabeled to learn from."""
    if len(datasets.unlabeled) == 0:
        raise InputError("the unlabeled set is empty: label fewer people (data.labeled_count), add images "
                         "(data.unlabeled_annotations), or choose the method supervised")


def _root(data: DataConfig) -> Path:
    if not data.root:
        raise InputError("where is the dataset? data.root must name its folder")
    root = Path(data.root).absolute()
    if not root.exists() and data.drawn_people:
        # Another process may draw the same people at the same time; whoever is first has drawn them for all.
        with contextlib.suppress(FileExistsError):
            draw_dataset(root, train_count=data.drawn_people, val_count=max(1, data.drawn_people // 8))
    return _folder(root)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; check data.root and the image folders")
    return path


def _first_images(people: PersonTable, count: int | None) -> PersonTable:
    """Take the people of whole images, in the file's order, until there are at least `count`."""
    if count is None or count >= len(people):
        return people
    last = people.image_ids[:count]
    return people.take(np.isin(people.image_ids, last))
