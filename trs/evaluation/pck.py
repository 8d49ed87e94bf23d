"""Share of keypoints that lie close to their label: PCK@0.2 of the box, and MPII's PCKh@0.5 per joint group.

Legend: N people, K keypoints.
"""

from __future__ import annotations

import numpy as np

from trs.data.person_table import PersonTable
from trs.skeleton import Skeleton

PCK_THRESHOLD, PCKH_THRESHOLD = 0.2, 0.5
_PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
GROUPS = {"head": ("head_top",), **{part: (f"left_{part}", f"right_{part}") for part in _PAIRS}}
"""The columns of the paper's Tables IV and V."""
NOT_COUNTED = ("pelvis", "thorax")
"""Joints that MPII's total leaves out (HRNet's `mpii.py`, after MPII's own evaluation)."""


def pck(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray) -> dict[str, float | None]:
    """`pck`: labeled keypoints within 0.2 of the box's longer side, of all people's; a person without a pose has none.

    Args:
        people: the annotated table.
        rows: [N] rows of `people` that were predicted.
        keypoints: [N, K, 3] x, y in the image and confidence.
    """
    lengths = PCK_THRESHOLD * people.boxes[:, 2:].max(1)
    correct, labeled = _counts(people, rows, keypoints, lengths)
    return {"pck": _share(correct.sum(), labeled.sum())}


def pckh(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, skeleton: Skeleton) -> dict[str, float | None]:
    """`pckh` and `GROUP_pckh`: labeled keypoints within half a head size of their label.

    The groups are means of their joints' shares, None where nobody has the joint labeled; the total counts every joint
    but pelvis and thorax, as in MPII's evaluation. People whose head size is not known do not count.

    Args:
        people: the annotated table, with head sizes.
        rows: [N] rows of `people` that were predicted.
        keypoints: [N, K, 3] x, y in the image and confidence.
        skeleton: names of the keypoints.
    """
    correct, labeled = _counts(people, rows, keypoints, PCKH_THRESHOLD * people.head_sizes)
    joint = {name: index for index, name in enumerate(skeleton.names)}
    counted = [index for name, index in joint.items() if name not in NOT_COUNTED]
    groups = {f"{group}_pckh": _mean([_share(correct[joint[name]], labeled[joint[name]]) for name in names])
              for group, names in GROUPS.items() if all(name in joint for name in names)}
    return {"pckh": _share(correct[counted].sum(), labeled[counted].sum()), **groups}


def _counts(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, lengths: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """[K] keypoints that are close enough, and [K] that are labeled, over all people with a finite length."""
    labeled = (people.keypoint_weights > 0) & np.isfinite(lengths)[:, None]
    distances = np.full(labeled.shape, np.inf)
    distances[rows] = np.linalg.norm(keypoints[..., :2] - people.keypoints[rows], axis=-1)
    return (labeled & (distances <= lengths[:, None])).sum(0), labeled.sum(0)


def _share(correct: float, labeled: float) -> float | None:
    return float(correct / labeled) if labeled else None


def _mean(shares: list[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if len(known) == len(shares) else None
