"""Problems of a dataset's images: those that cannot be used, that nobody knows which way up, that are in two sets."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from trs.check.report import EXAMPLES, Problem
from trs.config import DataConfig
from trs.data.images import BadImage, image_path, read_header, read_image
from trs.data.person_table import PersonTable
from trs.errors import printable

_KINDS = 12
"""Faults of images of which one example is named."""
Progress = Callable[[int, int], object]
"""Hears how many images of how many have been looked at."""


def in_both(tables: dict[str, PersonTable]) -> Iterator[Problem]:
    """Images of the training that are measured on too, under the same name or as a copy."""
    if "validation" not in tables:
        return
    validation = _paths(tables["validation"])
    for role in tables.keys() - {"validation"}:
        shared = _shared(validation, _paths(tables[role]))
        if shared:
            what = "training" if role == "train" else "the unlabeled set"
            yield Problem("the validation set", f"{len(shared):,} images are in {what} and in validation", len(shared),
                          tuple(sorted(shared)[:EXAMPLES]), "take them out of one of the files, or scores mean little")


def _shared(validation: dict[str, str], others: dict[str, str]) -> set[str]:
    """What those images of the validation set are called that are among the others, or whose bytes are."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in others:
        by_size[os.path.getsize(path)].append(path)
    return {name for path, name in validation.items() if path in others or (
        (alike := by_size.get(os.path.getsize(path))) and _hash(path) in {_hash(other) for other in alike})}


def _paths(people: PersonTable) -> dict[str, str]:
    """The files of a table that are there, and what they are called."""
    found = {}
    for file in np.unique(people.files).tolist():
        try:
            path = image_path(people.root, file)
        except BadImage:
            continue
        if os.path.isfile(path):
            found[path] = printable(file)
    return found


def _hash(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bad_images(tables: dict[str, PersonTable], data: DataConfig, decode: bool, progress: Progress) -> Iterator[Problem]:
    """Images that cannot be used, and those whose frame is open."""
    wanted = {role: list(dict.fromkeys(zip(people.files.tolist(), map(tuple, people.image_sizes.tolist()),
                                           strict=True))) for role, people in tables.items()}
    total, done = sum(map(len, wanted.values())), 0
    for role, images in wanted.items():
        people, bad, kinds, turned, open_ = tables[role], 0, dict[str, str](), list[str](), list[str]()

        def look(image: tuple[str, tuple[int, int]], people: PersonTable = people) -> tuple[str | None, bool, bool]:
            return _look(people, *image, decode)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for (file, _), (fault, is_turned, is_open) in zip(images, pool.map(look, images), strict=True):
                done += 1
                progress(done, total)
                for found, is_so in ((turned, is_turned), (open_, is_open)):
                    if is_so:
                        found.append(printable(file))
                if fault is not None:
                    bad += 1
                    kinds.setdefault(re.sub(r"\d+", "", fault.replace(printable(file), "")), fault)
        folder = f"{role} images"
        if bad:
            stops = bad > data.max_bad_images * len(images)
            yield Problem(folder, f"{bad:,} of {len(images):,} images cannot be used" + (
                f", more than data.max_bad_images = {data.max_bad_images}" if stops else ""), bad,
                tuple(kinds.values())[:_KINDS], "mend them or leave them out", stops)
        if turned:
            yield Problem(folder, f"{len(turned):,} images are turned by their EXIF orientation", len(turned),
                          tuple(turned[:EXAMPLES]), "none, where the declared sizes are those of the labels' frame")
        if open_:
            yield Problem(folder, f"{len(open_):,} of these do not tell by their size whether their labels are turned "
                          f"too; they are read as {people.frame}", len(open_), tuple(open_[:EXAMPLES]),
                          "choose with data.exif, after a look at jobs.explore")


def _look(people: PersonTable, file: str, size: tuple[int, int], decode: bool) -> tuple[str | None, bool, bool]:
    """What is wrong with an image, whether it is turned, and whether that leaves its labels' frame open."""
    try:
        header = read_header(people.root, file)
        if decode:
            read_image(people.root, file, size, people.frame)
        elif header.frame(size, people.frame) is None:
            return f"{printable(file)} is not of the size that its annotation says", header.orientation != 1, False
        return None, header.orientation != 1, header.is_open(size)
    except BadImage as error:
        return str(error), False, False
