"""The keypoint sets of public datasets, known by their names in any spelling, and the OKS sigmas of any names.

The facts, and where they are from, are in `keypoint_sets.json` beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypedDict

from trs.errors import InputError
from trs.keypoint_names import canonical

# Per-keypoint standard deviation of human annotators, relative to the person's size: COCO's keypoint evaluation,
# and the nearest body part of COCO's for neck and head top.
_BODY_PARTS = {"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
               "hip": 0.107, "knee": 0.087, "ankle": 0.089, "neck": 0.079, "headtop": 0.079, "head": 0.079}
_GUESS = 0.079


class _Written(TypedDict, total=False):
    """A set as the file has it."""

    titles: list[str]
    names: list[str]
    also_spelled: list[str]
    pairs: list[list[int]]
    sigmas: list[float]
    sigmas_by_name: bool


@dataclass(frozen=True)
class KnownSet:
    """A keypoint set of a public dataset.

    title: of the dataset.
    names: of the K keypoints, as the dataset writes them.
    mirror_order: the keypoint that each of them becomes in a mirror image.
    sigmas: K OKS sigmas; None where the dataset has none.
    """

    title: str
    names: tuple[str, ...]
    mirror_order: tuple[int, ...]
    sigmas: tuple[float, ...] | None


@dataclass(frozen=True)
class _Entry:
    """A set and what it is known by.

    titles: the first is `known.title`.
    spellings: the keypoints' names in each spelling, in the set's order.
    by_name: whether each sigma is that of the keypoint at its place.
    """

    known: KnownSet
    titles: tuple[str, ...]
    spellings: tuple[tuple[str, ...], ...]
    by_name: bool


def known_set(names: Sequence[str]) -> KnownSet | None:
    """The set whose keypoints have these names in this order, in any spelling; None if there is none."""
    keys = _keys(tuple(names))
    return next((entry.known for entry in _entries() if len(entry.known.names) == len(names)
                 and any(keys == _keys(spelling) for spelling in entry.spellings)), None)


def named_set(title: str) -> KnownSet:
    """The set of this title, in any spelling: `ap10k` is AP-10K.

    Raises:
        InputError: there is none.
    """
    for entry in _entries():
        for known in entry.titles:
            if _key(known) == _key(title):
                return replace(entry.known, title=known)
    there = ", ".join(entry.known.title for entry in _entries())
    raise InputError(f"there is no keypoint set {title!r}; there are {there}, and other datasets of the same keypoints")


def sets_of(count: int) -> list[str]:
    """The titles of the sets of so many keypoints, the best known first."""
    return [entry.known.title for entry in _entries() if len(entry.known.names) == count]


def sigmas_of(names: Sequence[str]) -> tuple[tuple[float, ...], str, tuple[str, ...]]:
    """The OKS sigmas of K keypoints of any spelling, where they come from, and whose are a guess.

    They are, in this order: those of the set that has these names in this order; those of COCO's body parts, if all
    are; those of the set that has all of these names among others; and of each keypoint that of COCO's body part, or a
    guess.

    Returns: K sigmas, their source in words, and the canonical names of the guessed ones.
    """
    known, spelled = known_set(names), canonical(names)
    if known is not None and known.sigmas is not None:
        return known.sigmas, known.title, ()
    parts = [_BODY_PARTS.get(_key(name.removeprefix("left_").removeprefix("right_"))) for name in spelled]
    guessed = tuple(name for name, part in zip(spelled, parts, strict=True) if part is None)
    wider = _set_with(names) if guessed else None
    if wider is not None:
        return (*wider, ())
    source = "body parts of COCO" if len(guessed) < len(names) else "a guess"
    return tuple(_GUESS if part is None else part for part in parts), source, guessed


def _set_with(names: Sequence[str]) -> tuple[tuple[float, ...], str] | None:
    """The sigmas that the sets with all of these names give them, and the first one's title, if all agree.

    Sets that have them in the same order are asked first: toes are listed by COCO-WholeBody and by Halpe.
    """
    ordered: dict[tuple[float, ...], str] = {}
    found: dict[tuple[float, ...], str] = {}
    keys = _keys(tuple(names))
    for entry in _entries():
        if entry.known.sigmas is None or not entry.by_name:
            continue
        for spelling in entry.spellings:
            place = {key: index for index, key in enumerate(_keys(spelling))}
            if place.keys() >= set(keys):
                places = [place[key] for key in keys]
                sigmas = tuple(entry.known.sigmas[index] for index in places)
                found.setdefault(sigmas, entry.known.title)
                if places == sorted(places):
                    ordered.setdefault(sigmas, entry.known.title)
    asked = ordered or found
    return next(iter(asked.items())) if len(asked) == 1 else None


@cache
def _entries() -> tuple[_Entry, ...]:
    listed: list[_Written] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))["keypoint_sets"]
    return tuple(_entry(written) for written in listed)


def _entry(written: _Written) -> _Entry:
    names, titles = tuple(written["names"]), tuple(written["titles"])
    order = list(range(len(names)))
    for left, right in written["pairs"]:
        order[left], order[right] = right, left
    sigmas = tuple(written["sigmas"]) if "sigmas" in written else None
    spellings = (names, tuple(written["also_spelled"])) if "also_spelled" in written else (names,)
    return _Entry(KnownSet(titles[0], names, tuple(order), sigmas), titles, spellings,
                  written.get("sigmas_by_name", True))


@cache
def _keys(names: tuple[str, ...]) -> tuple[str, ...]:
    """What is the same in all spellings of these names."""
    return tuple(map(_key, canonical(names)))


def _key(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
