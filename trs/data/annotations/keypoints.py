"""The keypoints of a record, in the forms that tools write them."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np

from trs.data.annotations.fields import numbers_or_nan
from trs.data.annotations.left_out import Reason


def keypoints_of(written: Any, count: int) -> np.ndarray | Reason:
    """[K, 3] x, y and 1 for labeled ones, from a flat or nested list; or why it is nobody's.

    Where nothing is labeled, whatever stands for the place is 0.
    """
    if not written:
        return Reason.NO_KEYPOINTS
    written = _without_gaps(written)
    values = numbers_or_nan(written)
    if not is_list_of_points(written, count):
        return Reason.WRONG_COUNT
    if len(values) == 2 * count:  # pairs alone: whatever lies at or before the origin is not there
        pairs = values.reshape(count, 2)
        values = np.column_stack([pairs, np.isfinite(pairs).all(1) & (pairs > 0).any(1)]).ravel()
    if len(values) != 3 * count:
        return Reason.WRONG_COUNT
    keypoints = values.reshape(count, 3)
    if np.isnan(keypoints[:, 2]).any() and not all(map(_is_unlabeled, _third(written, np.isnan(keypoints[:, 2])))):
        return Reason.UNCLEAR
    labeled = keypoints[:, 2] > 0  # NaN is not
    if not np.isfinite(keypoints[labeled, :2]).all():
        return Reason.NOT_FINITE
    return np.column_stack([np.where(np.isfinite(keypoints[:, :2]), keypoints[:, :2], 0.0), labeled])


def _without_gaps(written: Any) -> Any:
    """A nested list whose points that are not there are null or empty, with these as unlabeled ones."""
    if not isinstance(written, list) or not any(isinstance(point, list) and len(point) == 3 for point in written):
        return written
    return [[0, 0, 0] if point is None or point == [] or (isinstance(point, list) and point[-1:] == [0]) else point
            for point in written]


def is_list_of_points(written: Any, count: int) -> bool:
    """Whether a list is flat, or holds a list of two or three for each of the keypoints."""
    nested = [len(row) for row in written if isinstance(row, list | tuple)] if isinstance(written, list) else []
    return not nested or nested in ([2] * count, [3] * count)


def _third(written: Any, which: np.ndarray) -> list[Any]:
    """What stands behind x and y of some of the keypoints, as it is written."""
    values = [point[2] for point in written] if isinstance(written[0], list) else written[2::3]
    return [values[place] for place in np.flatnonzero(which).tolist()]


def _is_unlabeled(written: Any) -> bool:
    """Whether what is no number says that a keypoint is not labeled."""
    return written is None or written == "" or (isinstance(written, float) and isnan(written))
