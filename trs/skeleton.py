"""What a keypoint set is: names, limbs, mirror pairs and OKS sigmas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from trs.errors import InputError, printable
from trs.keypoint_names import canonical, mirror_order
from trs.keypoint_sets import known_set, named_set, sigmas_of

_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
_MIDDLE = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("head", "neck"), ("head_top", "neck"),
           ("head_top", "upper_neck"), ("upper_neck", "thorax"), ("thorax", "pelvis"))


@dataclass(frozen=True)
class Skeleton:
    """A keypoint set of K keypoints.

    names: K names in `trs.keypoint_names.canonical` form; where it is told by the name, the side comes first: `left_x`.
    limbs: pairs of keypoint indices, 0-based.
    sigmas: K OKS sigmas.
    category_id: of the file's category, as the file writes it.
    mirror: the keypoint that each keypoint becomes in a mirror image; None where that is not known.
    sigmas_from: what the sigmas come from, for people.
    guessed: names of the keypoints whose sigma is a guess.
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    category_id: int | str = 1
    mirror: tuple[int, ...] | None = None
    sigmas_from: str = ""
    guessed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def select(self, names: Sequence[str]) -> tuple[Skeleton, list[int]]:
        """The skeleton of some of the keypoints, and which ones these are.

        Args:
            names: in any spelling of `trs.keypoint_names`.

        Raises:
            InputError: a name that does not exist, or one of a mirror pair without the other: in a mirror image it
                would get the other's place.
        """
        spelled = names if set(names) <= set(self.names) else canonical(names)
        absent = [name for name in spelled if name not in self.names]
        if absent:
            raise InputError(f"there is no keypoint {printable(absent[0])!r}; there are "
                             f"{', '.join(map(printable, self.names))}")
        order = [self.names.index(name) for name in spelled]
        mirror = self.mirror or tuple(range(len(self)))
        alone = [place for place in order if mirror[place] not in order]
        if alone:
            raise InputError(f"{printable(self.names[alone[0]])} and {printable(self.names[mirror[alone[0]]])} are a "
                             "mirror pair; choose both or neither")
        return Skeleton(
            tuple(spelled), tuple((order.index(a), order.index(b)) for a, b in self.limbs if a in order and b in order),
            tuple(self.sigmas[place] for place in order), self.category_id,
            None if self.mirror is None else tuple(order.index(mirror[place]) for place in order), self.sigmas_from,
            tuple(name for name in self.guessed if name in spelled)), order

    @property
    def flip_order(self) -> list[int] | None:
        """The keypoint that each of the K keypoints becomes in a mirror image; None where that is not known."""
        return None if self.mirror is None else list(self.mirror)

    @property
    def mirror_pairs(self) -> list[tuple[int, int]]:
        """The pairs of keypoints that a mirror image exchanges, each once."""
        return [(place, other) for place, other in enumerate(self.mirror or ()) if place < other]


def from_dict(plain: dict[str, Any]) -> Skeleton:
    """The skeleton whose fields these are, as `dataclasses.asdict` gives them and JSON keeps them.

    Files of 0.1 have neither the mirror order, which the names tell, nor where the sigmas come from.

    Raises:
        KeyError, TypeError, ValueError: they are not.
    """
    names = tuple(plain["names"])
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("a skeleton needs names that differ")
    mirror = plain["mirror"] if "mirror" in plain else mirror_order(names)
    found = Skeleton(names, tuple((start, end) for start, end in plain["limbs"]), tuple(plain["sigmas"]),
                     plain["category_id"], None if mirror is None else tuple(mirror), plain.get("sigmas_from", ""),
                     tuple(plain.get("guessed", ())))
    if not _is_sound(found):
        raise ValueError("a skeleton's sigmas, limbs and mirror order must fit its names")
    return found


def _is_sound(skeleton: Skeleton) -> bool:
    """Whether everything in it is of the types and in the ranges that those behind rely on; its names are."""
    count, order = len(skeleton), skeleton.mirror
    return (len(skeleton.sigmas) == count
            and all(type(one) in (int, float) and 0 < one < inf for one in skeleton.sigmas)
            and all(type(end) is int and 0 <= end < count for limb in skeleton.limbs for end in limb)
            and (order is None or (len(order) == count and all(type(one) is int and 0 <= one < count for one in order)
                                   and all(order[one] == place for place, one in enumerate(order))))
            and type(skeleton.category_id) in (int, str) and isinstance(skeleton.sigmas_from, str)
            and all(name in skeleton.names for name in skeleton.guessed))


def of_names(names: Sequence[str]) -> Skeleton:
    """What the names of keypoints in any spelling tell: sides and sigmas; limbs where they are a body's."""
    plain, known = canonical(names), known_set(names)
    sigmas, source, guessed = sigmas_of(names)
    mirror = mirror_order(names) if known is None else known.mirror_order
    return Skeleton(plain, limbs_by_name(plain), sigmas, mirror=mirror, sigmas_from=source, guessed=guessed)


def limbs_by_name(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """The limbs of a body among keypoints of these names."""
    sides = [(f"{side}_{start}", f"{side}_{end}") for side in ("left", "right") for start, end in _LIMBS]
    return tuple((names.index(start), names.index(end)) for start, end in (*sides, *_MIDDLE)
                 if start in names and end in names)


MPII = of_names(named_set("mpii").names)
"""MPII's 16 joints in the order of its point numbers."""
AIC = of_names(named_set("aic").names)
"""AI Challenger's 14 keypoints in the order of its files."""
