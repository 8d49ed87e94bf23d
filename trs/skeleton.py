"""What a keypoint set is: names, limbs, mirror pairs and OKS sigmas, read from a COCO-format category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trs.errors import InputError

# Per-keypoint standard deviation of human annotators, relative to the person's size: COCO's keypoint evaluation,
# and the nearest body part of COCO's for neck and head top.
_SIGMAS = {"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
           "hip": 0.107, "knee": 0.087, "ankle": 0.089, "neck": 0.079, "head_top": 0.079, "head": 0.079}
_UNKNOWN_SIGMA = 0.079

_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
_MIDDLE = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("head", "neck"), ("head_top", "neck"),
           ("head_top", "upper_neck"), ("upper_neck", "thorax"), ("thorax", "pelvis"))


@dataclass(frozen=True)
class Skeleton:
    """A keypoint set of K keypoints.

    names: K names; a mirror pair is named `left_x` and `right_x`.
    limbs: pairs of keypoint indices, 0-based.
    sigmas: K OKS sigmas.
    category_id: of the file's category.
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    category_id: int = 1

    def __len__(self) -> int:
        return len(self.names)

    def select(self, names: Sequence[str]) -> tuple[Skeleton, list[int]]:
        """The skeleton of some of the keypoints, and which ones these are.

        Raises:
            InputError: a name that does not exist, or one of a mirror pair without the other: in a mirror image it
                would get the other's place.
        """
        absent = [name for name in names if name not in self.names]
        if absent:
            raise InputError(f"there is no keypoint {absent[0]!r}; there are {', '.join(self.names)}")
        alone = [name for name in names if _mirrored(name) in self.names and _mirrored(name) not in names]
        if alone:
            raise InputError(f"{alone[0]} and {_mirrored(alone[0])} are a mirror pair; choose both or neither")
        order = [self.names.index(name) for name in names]
        limbs = tuple((order.index(a), order.index(b)) for a, b in self.limbs if a in order and b in order)
        return Skeleton(tuple(names), limbs, tuple(self.sigmas[index] for index in order), self.category_id), order

    @property
    def flip_order(self) -> list[int]:
        """The keypoint that each of the K keypoints becomes in a mirror image."""
        return [self.names.index(_mirrored(name)) if _mirrored(name) in self.names else index
                for index, name in enumerate(self.names)]


def _mirrored(name: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def from_dict(plain: dict[str, Any]) -> Skeleton:
    """The skeleton whose fields these are, as `dataclasses.asdict` gives them and JSON keeps them.

    Raises:
        KeyError, TypeError: they are not.
    """
    return Skeleton(tuple(plain["names"]), tuple((start, end) for start, end in plain["limbs"]),
                    tuple(plain["sigmas"]), plain["category_id"])


def from_category(category: dict[str, Any]) -> Skeleton:
    """The skeleton of a COCO-format category with `keypoints` and a 1-based `skeleton`.

    Raises:
        InputError: the category names no keypoints, or a name twice.
    """
    names = tuple(str(name).lower().replace(" ", "_") for name in category.get("keypoints") or ())
    if not names or len(set(names)) != len(names):
        raise InputError(f"category {category.get('name', '?')!r} must list distinct keypoint names under 'keypoints'")
    limbs = tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
    # CrowdPose's file carries COCO's list of limbs, which counts more keypoints than there are.
    if any(not 0 <= end < len(names) for limb in limbs for end in limb):
        limbs = limbs_by_name(names)
    return Skeleton(names, limbs, _sigmas(names), int(category.get("id", 1)))


def limbs_by_name(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """The limbs of a body among keypoints of these names."""
    sides = [(f"{side}_{start}", f"{side}_{end}") for side in ("left", "right") for start, end in _LIMBS]
    return tuple((names.index(start), names.index(end)) for start, end in (*sides, *_MIDDLE)
                 if start in names and end in names)


def _sigmas(names: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(_SIGMAS.get(name.removeprefix("left_").removeprefix("right_"), _UNKNOWN_SIGMA) for name in names)


def _named(*names: str) -> Skeleton:
    return Skeleton(names, limbs_by_name(names), _sigmas(names))


MPII = _named("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax",
              "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
              "left_wrist")
"""MPII's 16 joints in the order of its point numbers."""
AIC = _named("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
             "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "head_top", "neck")
"""AI Challenger's 14 keypoints in the order of its files."""
