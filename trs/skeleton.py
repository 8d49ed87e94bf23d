"""What a keypoint set is: names, limbs, mirror pairs and OKS sigmas, read from a COCO-format category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trs.errors import InputError

# Per-keypoint standard deviation of human annotators, relative to the person's size: COCO's keypoint evaluation,
# and the nearest body part of COCO's for neck and head top.
_SIGMAS = {"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
           "hip": 0.107, "knee": 0.087, "ankle": 0.089, "neck": 0.079, "head_top": 0.079}
_UNKNOWN_SIGMA = 0.079


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


def from_category(category: dict[str, Any]) -> Skeleton:
    """The skeleton of a COCO-format category with `keypoints` and a 1-based `skeleton`.

    Raises:
        InputError: the category names no keypoints, a name twice, or a limb that does not exist.
    """
    names = tuple(category.get("keypoints") or ())
    if not names or len(set(names)) != len(names):
        raise InputError(f"category {category.get('name', '?')!r} must list distinct keypoint names under 'keypoints'")
    limbs = tuple((a - 1, b - 1) for a, b in category.get("skeleton") or ())
    if any(not 0 <= end < len(names) for limb in limbs for end in limb):
        raise InputError(f"category {category.get('name', '?')!r}: 'skeleton' names a keypoint outside 1..{len(names)}")
    sigmas = tuple(_SIGMAS.get(name.removeprefix("left_").removeprefix("right_"), _UNKNOWN_SIGMA)
                   for name in names)
    return Skeleton(names, limbs, sigmas, int(category.get("id", 1)))
