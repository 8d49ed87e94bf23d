"""Which people are labeled, which are not, and the manifest that remembers it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from trs.data.person_table import PersonTable
from trs.errors import InputError
from trs.files import write_text


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
        content = json.loads(Path(path).read_text())
        return Split(content["method"], int(content["seed"]), tuple(int(i) for i in content["labeled_ids"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a split manifest (a run's split.json): {error}") from error
