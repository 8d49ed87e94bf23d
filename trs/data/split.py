"""Which people are labeled, which are not, and the manifest that remembers it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from trs.data.person_table import PersonTable
from trs.errors import InputError, printable
from trs.files import read_json, write_text

_FIELDS = {"method", "seed", "labeled_ids"}
_LARGEST = 2**63 - 1
"""The largest id of a `PersonTable`."""


@dataclass(frozen=True)
class Split:
    """The ids of the labeled people, and how they were chosen."""

    method: Literal["random", "first"]
    seed: int
    labeled_ids: tuple[int, ...]


def draw_split(ids: np.ndarray, count: int | None, method: Literal["random", "first"], seed: int) -> Split:
    """Choose `count` labeled people (None: all).

    The random draw depends on the set of ids and the seed alone, not on the order of the file.

    Raises:
        InputError: more labeled people are asked for than there are.
    """
    count = len(ids) if count is None else count
    if count > len(ids):
        raise InputError(f"data.labeled_count is {count}, but the training set has only {len(ids)} labeled people")
    order = ids if method == "first" else np.random.default_rng(seed).permutation(np.sort(ids))
    return Split(method, seed, tuple(int(i) for i in order[:count]))


def draw_dev(people: PersonTable, count: int, seed: int) -> np.ndarray:
    """Choose the people who are kept out of training, to choose on: those of whole images, until there are `count`.

    Returns: [N] bool. The draw depends on the images' ids and the seed alone, and not on how many are labeled.

    Raises:
        InputError: nobody would be left to learn from.
    """
    images, place, of_image = np.unique(people.image_ids, return_inverse=True, return_counts=True)
    order = np.random.default_rng([seed, 1]).permutation(len(images))
    drawn = order[: int(np.searchsorted(np.cumsum(of_image[order]), count)) + 1]
    chosen: np.ndarray = np.isin(place, drawn)
    if chosen.all():
        raise InputError(f"data.dev_count is {count}, but the training set has only {len(people)} labeled people")
    return chosen


def apply_split(people: PersonTable, split: Split, include_labeled: bool = False) -> tuple[PersonTable, PersonTable]:
    """The labeled people and the others, whose labels are removed.

    Raises:
        InputError: the split names people that the table does not have.
    """
    labeled = np.isin(people.ids, split.labeled_ids)
    if labeled.sum() != len(split.labeled_ids):
        raise InputError(f"the split names {len(split.labeled_ids)} people, but only {labeled.sum()} of them are in "
                         "the annotations; it was made for another file")
    unlabeled = np.ones(len(people), bool) if include_labeled else ~labeled
    return people.take(labeled), people.take(unlabeled).without_labels(people.keypoints.shape[1])


def save_split(split: Split, path: Path) -> None:
    """Write the manifest as JSON."""
    write_text(path, json.dumps(asdict(split)) + "\n")


def load_split(path: Path) -> Split:
    """Read a manifest.

    Raises:
        InputError: it is missing or not a manifest.
    """
    try:
        return _of_plain(read_json(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{printable(str(path))} is not a split manifest (a run's split.json): {reason}") from error


def _of_plain(content: object) -> Split:
    """The split that a manifest holds; nothing is turned into something else.

    Raises:
        ValueError: it holds none; the message says why.
    """
    if not isinstance(content, dict) or not content.keys() >= _FIELDS:
        raise ValueError(f"it must hold {', '.join(sorted(_FIELDS))}")
    method, seed, ids = content["method"], content["seed"], content["labeled_ids"]
    if method not in ("random", "first"):
        raise ValueError("its method must be random or first")
    if type(seed) is not int:
        raise ValueError("its seed must be a whole number")
    if not isinstance(ids, list) or not all(type(one) is int and abs(one) <= _LARGEST for one in ids):
        raise ValueError("its labeled_ids must be whole numbers")
    if len(set(ids)) < len(ids):
        raise ValueError("it names somebody twice among its labeled_ids")
    return Split(method, seed, tuple(ids))
