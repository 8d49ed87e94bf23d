"""The categories of a COCO file: which of them are people of one skeleton, and what that skeleton is."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trs.data.annotations.fields import Identity, finite, identity
from trs.data.annotations.reading import Reading
from trs.errors import InputError, printable
from trs.keypoint_names import canonical
from trs.keypoint_sets import KnownSet, named_set, sets_of
from trs.skeleton import Skeleton, limbs_by_name, of_names

_PAIRS = ("mirror_pairs", "flip_pairs", "swap_pairs", "symmetric_pairs", "keypoint_flip_map", "keypoints_flip_map",
          "flip_map", "symmetry")
"""Fields in which tools write pairs of keypoints that a mirror image exchanges."""
_ORDERS = ("flip_idx", "flip_index", "flip_indices", "flip_order")
"""Fields in which tools write the keypoint that each keypoint becomes, as ultralytics does."""
_SIGMAS = ("sigmas", "keypoint_sigmas", "keypoints_sigmas", "oks_sigmas", "kpt_oks_sigmas")
"""Fields in which tools write OKS sigmas."""


@dataclass(frozen=True, eq=False)
class Category:
    """A category as its file declares it.

    key: what its id is compared by.
    id: as the file writes it.
    title: its name.
    names: of its keypoints as the file writes them; none where it has none.
    record: all that the file says.
    """

    key: Identity
    id: int | str
    title: str
    names: tuple[str, ...]
    record: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Categories:
    """The categories of a file.

    declared: by key.
    """

    declared: dict[Identity, Category]

    def find(self, written: Any) -> Category | None:
        """Find the category of a record, which names it by its id, or by its name; None if it is not declared.

        Records of a file with one category need not name it.
        """
        key = identity(written)
        if key is None:
            return next(iter(self.declared.values())) if len(self.declared) == 1 else None
        found = self.declared.get(key)
        if found is None and isinstance(key, str):
            titled = [one for one in self.declared.values() if one.title.casefold() == key.casefold()]
            return titled[0] if len(titled) == 1 else None
        return found

    def called(self, keys: Collection[Identity]) -> tuple[Identity, ...]:
        """What records may call these categories: their ids, and the names that are no other's."""
        chosen = [one for one in self.declared.values() if one.key in keys]
        return (*(one.key for one in chosen), *(one.title for one in chosen if one.title != str(one.key)
                                                and self.find(one.title) is one))


def categories_of(path: Path, content: list[dict[str, Any]], reading: Reading) -> Categories:
    """Read the categories of a file.

    Raises:
        InputError: two of them have one id.
    """
    if not content and reading.keypoint_names is not None:
        content = [{"id": 1, "name": "person"}]
    declared: dict[Identity, Category] = {}
    for place, record in enumerate(content, start=1):
        key = identity(record.get("id"))
        key = place if key is None else key
        if key in declared:
            raise InputError(f"{path}: category id {printable(str(key))} occurs twice; ids must be unique")
        declared[key] = Category(key, key if isinstance(key, int) else str(record["id"]),
                                 str(record.get("name", key)), _names(record.get("keypoints")), record)
    return Categories(declared)


def _names(written: Any) -> tuple[str, ...]:
    """The names of keypoints in the forms that tools write; none if they cannot be told apart."""
    if isinstance(written, dict) and sorted(map(str, written.values())) == sorted(map(str, range(len(written)))):
        written = sorted(written, key=lambda name: int(written[name]))  # each name with its place
    if isinstance(written, dict):
        written = [written[key] for key in sorted(written, key=lambda key: (len(str(key)), str(key)))]
    if isinstance(written, str):
        written = written.split(",")
    if not isinstance(written, list | tuple):
        return ()
    found = [one.get("name", one.get("label")) if isinstance(one, dict) else one for one in written]
    names = [str(one).strip() for one in found if isinstance(one, str | int | float)]
    return tuple(names) if len(names) == len(written) and len(set(names)) == len(names) and all(names) else ()


@dataclass(frozen=True, eq=False)
class Choice:
    """The categories whose people are used, all of one skeleton.

    keys: of the categories.
    skeleton: of their keypoints.
    written: the keypoints' names as the file writes them.
    note: what to say of the choice, if there was one.
    idle: names of the categories that have keypoints and no people.
    """

    keys: frozenset[Identity]
    skeleton: Skeleton
    written: tuple[str, ...]
    note: str | None
    idle: list[str]


def choose(path: Path, categories: Categories, counts: Mapping[Identity, Counter[int]], reading: Reading,
           wanted: Sequence[str] = ()) -> Choice:
    """Choose the categories of the keypoints that most people have, or the one that was asked for.

    Args:
        path: of the file, for messages.
        categories: of the file.
        counts: in each category, the records with so many keypoints.
        reading: what a person says of the file.
        wanted: canonical names that the keypoints must include, where there is such a category.

    Raises:
        InputError: there is no such category, or nothing names its keypoints.
    """
    people = Counter({key: found.total() for key, found in counts.items()})
    offered = list(categories.declared.values())
    if reading.category is not None:
        asked = [one for one in offered if reading.category in (str(one.id), one.title)]
        if len(asked) != 1:
            there = ", ".join(f"{printable(one.title)} ({printable(str(one.id))})" for one in offered)
            raise InputError(f"{path}: data.category = {reading.category!r} is {'more than one' if asked else 'no'} "
                             f"category of the file; there are {there or 'none'}")
        offered = asked
    given = _given_names(reading)
    written: dict[Identity, tuple[str, ...]] = {}
    groups: dict[tuple[str, ...], list[Category]] = {}
    for one in offered:
        if names := given or one.names or _borrowed(one, categories, counts):
            written[one.key] = names
            groups.setdefault(canonical(names), []).append(one)  # two spellings are one set
    if given:  # all of them have these names; those without people say nothing
        groups = {canonical(given): [one for one in offered if people[one.key]] or offered}
    if not groups:
        raise InputError(_nameless(path, sum(counts.values(), Counter())))
    group = max(groups, key=lambda names: (set(wanted) <= set(names), sum(people[one.key] for one in groups[names])))
    chosen = [one for one in groups[group] if people[one.key]] or groups[group]
    names = written[chosen[0].key]
    return Choice(frozenset(one.key for one in chosen), _skeleton(path, chosen[0], names, reading), names,
                  _note(chosen, [one for one in categories.declared.values() if one not in chosen], people,
                        borrowed=not given and not chosen[0].names),
                  [printable(one.title) for one in categories.declared.values() if one.names and not people[one.key]])


def _given_names(reading: Reading) -> tuple[str, ...]:
    names = reading.keypoint_names or ()
    if repeated := [name for name, count in Counter(map(str.strip, names)).items() if count > 1]:
        raise InputError(f"data.keypoint_names names {printable(repeated[0])!r} twice; name distinct keypoints")
    return named_set(names[0]).names if len(names) == 1 else tuple(names)


def _borrowed(category: Category, categories: Categories, counts: Mapping[Identity, Counter[int]]) -> tuple[str, ...]:
    """The names of as many keypoints as the people of a nameless category have, from the one that has no people.

    CVAT files a skeleton that is grouped with a box under the box's label.
    """
    lengths = counts.get(category.key, Counter())
    named = {one.names for one in categories.declared.values() if len(one.names) in lengths and not counts.get(one.key)}
    return named.pop() if len(named) == 1 and len(lengths) == 1 else ()


def _nameless(path: Path, counts: Counter[int]) -> str:
    if not counts:
        return f"{path}: nobody has keypoints there, only boxes or outlines; export the file with the keypoints"
    count = counts.most_common(1)[0][0]
    known = sets_of(count)
    return (f"{path}: no category names its keypoints, of which people have {count}; name them with "
            f"data.keypoint_names, one by one or by a known set{f' such as {known[0]}' if known else ''}")


def _note(chosen: list[Category], others: list[Category], people: Counter[Identity], borrowed: bool) -> str | None:
    def listed(categories: list[Category]) -> str:
        return ", ".join(f"{printable(one.title)} ({people[one.key]:,})" for one in categories)

    left = [one for one in others if people[one.key]]
    said = ["their keypoints' names are another category's, which has as many"] if borrowed else []
    if len(chosen) > 1 and any(people[one.key] for one in chosen):
        said.append(f"people of {len(chosen)} categories of the same keypoints are taken as one: {listed(chosen)}")
    elif left:
        said.append(f"the category is {listed(chosen)}")
    if left:
        said.append(f"left out are {listed(left)}")
    return f"{', '.join(said)}; data.category chooses another" if said else None


def _skeleton(path: Path, category: Category, names: tuple[str, ...], reading: Reading) -> Skeleton:
    """The skeleton of a category: what was given, what its fields say, and what its names tell, in this order."""
    found = dataclasses.replace(of_names(names), category_id=category.id)
    limbs = _limbs(category.record.get("skeleton"), names)
    mirror = _mirror_given(path, reading, names)
    if mirror is None:
        mirror = _mirror_written(category.record, names)
    found = dataclasses.replace(found, limbs=limbs or limbs_by_name(found.names),
                                mirror=found.mirror if mirror is None else mirror)
    written = _sigmas_written(category.record, names)
    if written is not None:
        found = dataclasses.replace(found, sigmas=written, sigmas_from="the file's category", guessed=())
    return _with_sigmas(found, reading, names)


def _limbs(written: Any, names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Limbs from pairs or chains of names, of numbers from 1 or from 0, or from a flat list; none if they do not fit.

    CrowdPose's file carries COCO's list of limbs, which counts more keypoints than there are.
    """
    if not isinstance(written, list):
        return ()
    chains = [chain for chain in written if isinstance(chain, list)]
    if not chains:
        chains = [written[start:start + 2] for start in range(0, len(written), 2)]
    pairs = [pair for chain in chains for pair in itertools.pairwise(chain)]
    numbers = [identity(end) for pair in pairs for end in pair if end not in names]
    first = 0 if 0 in numbers else 1

    def place(end: Any) -> int:
        if end in names:
            return names.index(end)
        number = identity(end)
        return number - first if isinstance(number, int) else len(names)

    limbs = tuple((place(start), place(end)) for start, end in pairs)
    return limbs if all(0 <= end < len(names) for limb in limbs for end in limb) else ()


def _mirror_given(path: Path, reading: Reading, names: tuple[str, ...]) -> tuple[int, ...] | None:
    """The mirror order that a person has named in pairs; none of them says that no keypoint has a side.

    Raises:
        InputError: a pair that is no two keypoints of the file, or a keypoint in two pairs.
    """
    if reading.mirror_pairs is None:
        return None
    plain = {name: place for spelled in (canonical(names), names) for place, name in enumerate(spelled)}
    order = list(range(len(names)))
    for pair in reading.mirror_pairs:
        places = [plain.get(name.strip()) for name in pair.split(":")]
        if len(places) != 2 or None in places:
            raise InputError(f"{path}: data.mirror_pairs: {printable(pair)!r} is not a pair LEFT:RIGHT of keypoints of "
                             f"the file; there are {', '.join(map(printable, names))}")
        left, right = (place for place in places if place is not None)
        if left == right or order[left] != left or order[right] != right:
            raise InputError(f"{path}: data.mirror_pairs: {printable(pair)!r} names a keypoint that has a pair already")
        order[left], order[right] = right, left
    return tuple(order)


def _mirror_written(record: dict[str, Any], names: tuple[str, ...]) -> tuple[int, ...] | None:
    """The mirror order that a category's own fields tell; None if they do not, or not to the end."""
    order = next((_order(record[field], len(names)) for field in _ORDERS if record.get(field)), None)
    pairs = next((record[field] for field in _PAIRS if record.get(field)), None)
    if order is not None or pairs is None:
        return order
    limbs = _limbs([list(pair) for pair in (pairs.items() if isinstance(pairs, dict) else pairs)
                    if isinstance(pair, list | tuple)], names)
    found = list(range(len(names)))
    for left, right in limbs:
        found[left], found[right] = right, left
    return tuple(found) if limbs and _is_order(found) else None


def _order(written: Any, count: int) -> tuple[int, ...] | None:
    numbers = [identity(one) for one in written] if isinstance(written, list) else []
    order = [one for one in numbers if isinstance(one, int)]
    return tuple(order) if len(order) == count and _is_order(order) else None


def _is_order(order: Sequence[int]) -> bool:
    """Whether a mirror image of the mirror image is the image."""
    return all(0 <= one < len(order) and order[one] == place for place, one in enumerate(order))


def _sigmas_written(record: dict[str, Any], names: tuple[str, ...]) -> tuple[float, ...] | None:
    """Sigmas that a category's fields tell, in the keypoints' order or by their names."""
    for field in _SIGMAS:
        written = record.get(field)
        if isinstance(written, dict):
            written = [written.get(name) for name in names]
        if isinstance(written, list) and len(written) == len(names):
            values = tuple(finite(value) for value in written)
            if all(value > 0 for value in values):  # NaN is not
                return values
    return None


def _with_sigmas(skeleton: Skeleton, reading: Reading, names: tuple[str, ...]) -> Skeleton:
    """The skeleton with the sigmas that a person has given, as name=value, or by the name of a known set.

    Raises:
        InputError: a name or a value that is none.
    """
    if reading.sigmas is None:
        return skeleton
    if len(reading.sigmas) == 1 and "=" not in reading.sigmas[0]:
        known = named_set(reading.sigmas[0])
        return dataclasses.replace(skeleton, sigmas=_sigmas_of(known, skeleton), sigmas_from=known.title, guessed=())
    values, guessed = dict(zip(skeleton.names, skeleton.sigmas, strict=True)), set(skeleton.guessed)
    spelled = {name: plain for spelling in (skeleton.names, names)
               for name, plain in zip(spelling, skeleton.names, strict=True)}
    for given in reading.sigmas:
        name, _, value = given.partition("=")
        if name.strip() not in spelled or not finite(value) > 0:
            raise InputError(f"data.sigmas: {printable(given)!r} is not NAME=VALUE of a keypoint of the file with a "
                             f"positive value; there are {', '.join(map(printable, names))}")
        values[spelled[name.strip()]] = finite(value)
        guessed.discard(spelled[name.strip()])
    source = "data.sigmas" if len(reading.sigmas) == len(names) else f"{skeleton.sigmas_from} and data.sigmas"
    return dataclasses.replace(skeleton, sigmas=tuple(values.values()), sigmas_from=source,
                               guessed=tuple(name for name in skeleton.guessed if name in guessed))


def _sigmas_of(known: KnownSet, skeleton: Skeleton) -> tuple[float, ...]:
    """The sigmas of a known set by the keypoints' names, or, where these are others, in its order."""
    sigmas = known.sigmas or ()
    by_name = dict(zip(canonical(known.names), sigmas, strict=False))
    if sigmas and set(skeleton.names) <= by_name.keys():
        return tuple(by_name[name] for name in skeleton.names)
    if len(sigmas) != len(skeleton):
        raise InputError(f"data.sigmas: {known.title} has {len(sigmas)} sigmas, the file {len(skeleton)} keypoints of "
                         "other names; give them as NAME=VALUE")
    return sigmas
