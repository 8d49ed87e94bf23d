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
    correct, labeled = pck_counts(people, rows, keypoints)
    return {"pck": _share(correct.sum(), labeled.sum())}


def pck_counts(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N] each person's keypoints that count as right in `pck`, and [N] those that are labeled."""
    correct, labeled = _close(people, rows, keypoints, PCK_THRESHOLD * people.boxes[:, 2:].max(1))
    return correct.sum(1), labeled.sum(1)


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
    close, annotated = _close(people, rows, keypoints, PCKH_THRESHOLD * people.head_sizes)
    correct, labeled, counted = close.sum(0), annotated.sum(0), _counted(skeleton)
    joint = {name: index for index, name in enumerate(skeleton.names)}
    groups = {f"{group}_pckh": _mean([_share(correct[joint[name]], labeled[joint[name]]) for name in names])
              for group, names in GROUPS.items() if all(name in joint for name in names)}
    return {"pckh": _share(correct[counted].sum(), labeled[counted].sum()), **groups}


def pckh_counts(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, skeleton: Skeleton
                ) -> tuple[np.ndarray, np.ndarray]:
    """[N] each person's keypoints that count as right in the total of `pckh`, and [N] those that are labeled."""
    close, annotated = _close(people, rows, keypoints, PCKH_THRESHOLD * people.head_sizes)
    counted = _counted(skeleton)
    return close[:, counted].sum(1), annotated[:, counted].sum(1)


def _counted(skeleton: Skeleton) -> list[int]:
    """The joints of MPII's total."""
    return [index for index, name in enumerate(skeleton.names) if name not in NOT_COUNTED]


def _close(people: PersonTable, rows: np.ndarray, keypoints: np.ndarray, lengths: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray]:
    """[N, K] keypoints that are close enough, and [N, K] that are labeled, of all people with a finite length."""
    labeled = (people.keypoint_weights > 0) & np.isfinite(lengths)[:, None]
    distances = np.full(labeled.shape, np.inf)
    distances[rows] = np.linalg.norm(keypoints[..., :2] - people.keypoints[rows], axis=-1)
    return labeled & (distances <= lengths[:, None]), labeled


def _share(correct: float, labeled: float) -> float | None:
    return float(correct / labeled) if labeled else None


def _mean(shares: list[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if len(known) == len(shares) else None
