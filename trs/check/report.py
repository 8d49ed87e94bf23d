"""What is found out about a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from trs.errors import InputError

EXAMPLES = 5
"""So many of a problem's places are named."""


@dataclass(frozen=True)
class Problem:
    """Something about a dataset that somebody ought to look at.

    file: the annotation file, or the folder of the images.
    problem: what it is, in a sentence.
    count: how often.
    examples: the first ones by name.
    remedy: what to do about it.
    stops: whether no training starts with it, or it stops one.
    """

    file: str
    problem: str
    count: int
    examples: tuple[str, ...]
    remedy: str
    stops: bool = False


@dataclass(frozen=True)
class FileReport:
    """What an annotation file has for a training.

    role: train, validation or unlabeled.
    people: that are used, in so many images.
    left_out: records by the reason's name in small letters.
    """

    file: str
    role: str
    people: int
    images: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class Report:
    """What is known of a dataset.

    people: that are used, of all files.
    left_out: records of all files, by the reason's name in small letters.
    mirror_pairs: of keypoints, as the training's file writes them; None where no pairs are known.
    sigmas: of the keypoints, by the same names.
    sigmas_from: where they come from.
    """

    people: int
    left_out: dict[str, int]
    mirror_pairs: list[tuple[str, str]] | None
    sigmas: dict[str, float]
    sigmas_from: str
    problems: list[Problem]
    files: list[FileReport]


def refusal(file: str, error: InputError) -> Problem:
    """A problem that a training would be refused for, in the words that it would be refused in."""
    return Problem(file, str(error), 1, (), "", stops=True)
