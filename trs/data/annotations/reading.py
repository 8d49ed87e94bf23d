"""What a person says of an annotation file that the file leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trs.config import DataConfig
from trs.data.person_table import Frame


@dataclass(frozen=True)
class Reading:
    """How to read a file; see the fields of the same names in `trs.config.DataConfig`."""

    category: str | None = None
    keypoint_names: tuple[str, ...] | None = None
    mirror_pairs: tuple[str, ...] | None = None
    sigmas: tuple[str, ...] | None = None
    exif: Literal["auto", "shown", "stored"] = "auto"

    @property
    def stored_frame(self) -> Frame:
        """The frame of the labels in files whose datasets count pixels as they are stored."""
        return "shown" if self.exif == "shown" else "stored"


def reading_of(data: DataConfig) -> Reading:
    """What a config says."""
    return Reading(data.category, data.keypoint_names, data.mirror_pairs, data.sigmas, data.exif)
