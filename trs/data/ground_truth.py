"""Whom poses are scored against: the cleaned records of a validation file, for OKS-AP."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trs.data.person_table import PersonTable


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The records that count, and those that nobody is blamed for.

    records: the labeled people; crowds; and people without a labeled keypoint.
    crowds: [N] bool, of `records`.
    image_ids: [n] of the images that count, sorted.
    category_id: as the file writes it.
    """

    records: PersonTable
    crowds: np.ndarray
    image_ids: np.ndarray
    category_id: int | str = 1

    @property
    def ignored(self) -> np.ndarray:
        """[N] bool, the records that a pose may lie on without being right or wrong (COCO's rule)."""
        found: np.ndarray = self.crowds | ~self.records.keypoint_weights.any(1)
        return found

    @property
    def people(self) -> PersonTable:
        """The labeled people."""
        return self.records.take(~self.ignored)

    def select(self, order: Sequence[int]) -> GroundTruth:
        """Keep these of the keypoints, in this order; whoever has none of them labeled is ignored."""
        columns = list(order)
        records = dataclasses.replace(self.records, keypoints=self.records.keypoints[:, columns],
                                      keypoint_weights=self.records.keypoint_weights[:, columns])
        return dataclasses.replace(self, records=records)

    def of_images(self, image_ids: np.ndarray) -> GroundTruth:
        """Count these images only."""
        inside = np.isin(self.records.image_ids, image_ids)
        return dataclasses.replace(self, records=self.records.take(inside), crowds=self.crowds[inside],
                                   image_ids=np.unique(image_ids))
