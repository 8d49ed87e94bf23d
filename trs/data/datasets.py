"""The datasets of a training, from the paths in its config: labeled, unlabeled, validation, and perhaps test."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trs.config import DataConfig
from trs.data.annotations.annotations import Annotations
from trs.data.annotations.detections import load_detections
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Findings
from trs.data.annotations.reading import reading_of
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import PersonTable
from trs.data.split import Split, apply_split, draw_dev, draw_split, load_split
from trs.data.synthetic import draw_dataset
from trs.errors import InputError, printable
from trs.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Datasets:
    """What a training reads.

    val: whom a training is measured on while it runs, and by whom is chosen.
    truth: what OKS-AP scores poses of the validation set against; None for a dataset of a format without images' ids.
    split: which people of the training set are labeled.
    notes: sentences on who was left out of the files, and on what these leave open.
    test: people who choose nothing, measured at the end; None where nobody is kept for that (`data.dev_count`).
    test_truth: as `truth`, of the test set.
    """

    labeled: PersonTable
    unlabeled: PersonTable
    val: PersonTable
    skeleton: Skeleton
    truth: GroundTruth | None
    split: Split
    notes: tuple[str, ...] = ()
    test: PersonTable | None = None
    test_truth: GroundTruth | None = None

    def of_test(self) -> Datasets:
        """The same with the test set in the place of the validation set."""
        assert self.test is not None, "there is a test set"
        return dataclasses.replace(self, val=self.test, truth=self.test_truth, test=None, test_truth=None)


def load_datasets(data: DataConfig, split: Split | None = None) -> Datasets:
    """Load the datasets and draw the split, or use one that is given.

    Raises:
        InputError: anything missing, malformed or empty; the message names it and the remedy.
    """
    root, reading = dataset_root(data), reading_of(data)
    read = load_people(root / data.train_annotations, _folder(root / data.train_images), reading)
    skeleton, order = read.skeleton.select(data.keypoints or read.skeleton.names)
    people, notes = read.people.select(order), _notes(data, read.findings, len(read.people))
    dev = None
    if data.dev_count is not None:
        apart = draw_dev(people, data.dev_count, data.split_seed)
        dev, people = _dev(read, order, people.take(apart)), people.take(~apart)
    if split is None:
        split = (load_split(Path(data.manifest)) if data.manifest else
                 draw_split(people.ids, data.labeled_count, data.split, data.split_seed))
    labeled, unlabeled = apply_split(people, split, data.include_labeled)
    if data.unlabeled_annotations is not None:
        unlabeled, further = _extra_people(root, data, len(skeleton), read.categories)
        notes += further
    measured = validation(root, data, skeleton)
    val = measured if dev is None else dev
    unlabeled = unlabeled.take(np.arange(len(unlabeled))[: data.unlabeled_count])
    for name, found, file, said in (("labeled", labeled, data.train_annotations, notes),
                                    ("test" if data.dev_count else "val", measured.people, data.val_annotations,
                                     measured.notes)):
        if len(found) == 0:
            raise InputError(f"the {name} set is empty: no person with a labeled keypoint and a box"
                             f"{''.join(f'; {sentence}' for sentence in said)}; check {root / file}")
    whole = Datasets(labeled, unlabeled, val.people, skeleton, val.truth, split,
                     (*notes, *measured.notes, *open_questions(skeleton)))
    if data.dev_count is None:
        return whole
    return dataclasses.replace(whole, test=measured.people, test_truth=measured.truth)


def _dev(read: Annotations, order: list[int], people: PersonTable) -> Validation:
    """People of the training set, and everybody else in their images, as a validation set."""
    truth = None if read.truth is None else read.truth.select(order).of_images(np.unique(people.image_ids))
    return Validation(people, truth, [])


def _notes(data: DataConfig, findings: Findings, used: int) -> list[str]:
    """What is to be said of a file of so many people; raises InputError if too many of them are damaged."""
    if used:  # a file without any is told as an empty set
        findings.require_few_faults(used, data.max_left_out, f"data.max_left_out = {data.max_left_out}")
    return findings.line()


def open_questions(skeleton: Skeleton) -> list[str]:
    """What the names of the keypoints leave open."""
    said = []
    if skeleton.flip_order is None:
        said.append("no mirror pairs are known for these keypoints, so no image is mirrored; name them with "
                    "data.mirror_pairs")
    if skeleton.guessed:
        sigma = skeleton.sigmas[skeleton.names.index(skeleton.guessed[0])]
        said.append(f"the OKS sigma of {_listed(skeleton.guessed)} is a guess, {sigma}; give it with data.sigmas")
    return said


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:3])) + (f" and {len(names) - 3} more keypoints" if len(names) > 3 else "")


def _extra_people(root: Path, data: DataConfig, keypoint_count: int, categories: Collection[int | str]
                  ) -> tuple[PersonTable, list[str]]:
    """Unlabeled people of another file than the training set's, and what is to be said of them."""
    annotations, images = root / str(data.unlabeled_annotations), _folder(root / data.unlabeled_images)
    if data.unlabeled_detections is None:
        read = load_people(annotations, images, reading_of(data))
        return read.people.without_labels(keypoint_count), _notes(data, read.findings, len(read.people))
    found, findings = load_detections(annotations, root / data.unlabeled_detections, images, keypoint_count,
                                      data.min_detection_score, categories, reading_of(data))
    return found, findings.line()


class Validation(NamedTuple):
    """The people that networks are measured on; for the other fields see `Datasets`."""

    people: PersonTable
    truth: GroundTruth | None
    notes: list[str]


def validation(root: Path, data: DataConfig, skeleton: Skeleton) -> Validation:
    """Load the people of the validation file.

    Args:
        root: of the dataset.
        data: names of the files.
        skeleton: the training's; other keypoints of the file are left out.
    """
    annotations, images, reading = root / data.val_annotations, _folder(root / data.val_images), reading_of(data)
    read = load_people(annotations, images, reading, skeleton.names)
    order, notes = read.skeleton.select(skeleton.names)[1], _notes(data, read.findings, len(read.people))
    people = _first_images(read.people.select(order), data.val_count)
    counted = np.unique(people.image_ids)
    if data.val_detections is not None:
        detected, findings = load_detections(annotations, root / data.val_detections, images, len(skeleton), 0.0,
                                             read.categories, reading)
        notes += findings.line()
        if data.val_count is None and read.truth is not None:
            counted = read.truth.image_ids  # a detection in an image without people is a mistake that counts
        people = detected.take(np.isin(detected.image_ids, counted))
    truth = None if read.truth is None else read.truth.select(order).of_images(counted)
    return Validation(people, truth, notes)


def people_to_choose_on(root: Path, data: DataConfig, skeleton: Skeleton) -> PersonTable:
    """Load the validation set of `Datasets` alone, see `validation`."""
    if data.dev_count is None:
        return validation(root, data, skeleton).people
    read = load_people(root / data.train_annotations, _folder(root / data.train_images), reading_of(data))
    people = read.people.select(read.skeleton.select(skeleton.names)[1])
    return people.take(draw_dev(people, data.dev_count, data.split_seed))


def require_unlabeled(datasets: Datasets) -> None:
    """Raises InputError if there is nothing unlabeled to learn from."""
    if len(datasets.unlabeled) == 0:
        raise InputError("the unlabeled set is empty: label fewer people (data.labeled_count), add images "
                         "(data.unlabeled_annotations), or choose the method supervised")


def dataset_root(data: DataConfig) -> Path:
    """The folder of the dataset; where it is one of drawn people, they are drawn.

    Raises:
        InputError: there is none.
    """
    if not data.root:
        raise InputError("where is the dataset? data.root must name its folder")
    root = Path(data.root).absolute()
    if not root.exists() and data.drawn_people:
        # Another process may draw the same people at the same time; whoever is first has drawn them for all.
        with contextlib.suppress(FileExistsError):
            draw_dataset(root, train_count=data.drawn_people, val_count=max(1, 2 * data.drawn_people // 5))
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
