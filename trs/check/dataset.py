"""A dataset from its annotation files to its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from trs.check.images import Progress, bad_images, in_both
from trs.check.records import damaged, stray_boxes, stray_keypoints
from trs.check.report import FileReport, Problem, Report, refusal
from trs.config import DataConfig
from trs.data.annotations.annotations import Annotations
from trs.data.annotations.detections import load_detections
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Findings
from trs.data.annotations.reading import reading_of
from trs.data.datasets import dataset_root, load_datasets, open_questions
from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.evaluation.protocol import sigmas_from
from trs.evaluation.self_check import require_perfect


def check_dataset(data: DataConfig, decode: bool, progress: Progress = lambda done, total: None) -> Report:
    """Look at everything that a training would read.

    Args:
        data: names of the files, and what a person says of them.
        decode: whether to decode each image, or to look at its header only.
        progress: hears of each image.

    Raises:
        InputError: there is no such folder.
    """
    root, problems, read = dataset_root(data), list[Problem](), dict[str, Annotations]()
    tables, files = dict[str, PersonTable](), list[FileReport]()
    for role, table, findings, found in _files(root, data, problems):
        tables[role] = table
        files.append(FileReport(findings.file, role, len(table), len(set(table.files.tolist())),
                                {reason.name.lower(): count for reason, count in findings.left_out.items()}))
        problems += [*damaged(findings), *stray_boxes(findings.file, table)]
        if found is not None:
            read[role] = found
            problems += stray_keypoints(findings.file, table)
    if "train" in read:
        problems += [Problem(read["train"].findings.file, sentence, 1, (), "")
                     for sentence in open_questions(read["train"].skeleton)]
    problems += [*in_both(tables), *bad_images(tables, data, decode, progress), *_refusals(data, problems)]
    return _report(read.get("train"), problems, files)


def _files(root: Path, data: DataConfig, problems: list[Problem]
           ) -> Iterator[tuple[str, PersonTable, Findings, Annotations | None]]:
    """Each file by its role: its people, what was left out and, of an annotation file, all of it."""
    categories: tuple[int | str, ...] = (1,)
    reading, count = reading_of(data), 0
    named = [("train", data.train_annotations, data.train_images),
             ("validation", data.val_annotations, data.val_images)]
    if data.unlabeled_annotations is not None and data.unlabeled_detections is None:
        named.append(("unlabeled", data.unlabeled_annotations, data.unlabeled_images))
    for role, file, images in named:
        try:
            found = load_people(root / file, root / images, reading)
        except InputError as error:
            problems.append(refusal(Path(file).name, error))
            continue
        categories, count = (found.categories, len(found.skeleton)) if role == "train" else (categories, count)
        yield role, found.people, found.findings, found
    if data.unlabeled_annotations is not None and data.unlabeled_detections is not None:
        try:
            boxes, findings = load_detections(
                root / data.unlabeled_annotations, root / data.unlabeled_detections, root / data.unlabeled_images,
                count, data.min_detection_score, categories, reading)
            yield "unlabeled", boxes, findings, None
        except InputError as error:
            problems.append(refusal(Path(data.unlabeled_detections).name, error))


def _refusals(data: DataConfig, known: Iterable[Problem]) -> Iterator[Problem]:
    """What a training would be refused for, if that has not been said."""
    try:
        require_perfect(load_datasets(data), data)
    except InputError as error:
        if str(error) not in {problem.problem for problem in known}:
            yield refusal("the dataset", error)


def _report(train: Annotations | None, problems: list[Problem], files: list[FileReport]) -> Report:
    left_out = sum((Counter(file.left_out) for file in files), Counter[str]())
    people = sum(file.people for file in files)
    if train is None:
        return Report(people, dict(left_out), None, {}, "", problems, files)
    names, skeleton = train.written, train.skeleton
    pairs = None if skeleton.mirror is None else [(names[a], names[b]) for a, b in skeleton.mirror_pairs]
    return Report(people, dict(left_out), pairs, dict(zip(names, skeleton.sigmas, strict=True)),
                  sigmas_from(skeleton), problems, files)
