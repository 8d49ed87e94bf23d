"""Who of an annotation file is left out, and what was put right: counted, with examples, in one wording."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from trs.errors import InputError

_EXAMPLES = 5


class Reason(Enum):
    """Why a record is nobody to learn from or to score: what tools write so on purpose, then faults."""

    OTHER_CATEGORY = "of another category"
    CROWD = "crowd"
    NO_KEYPOINTS = "without keypoints"
    UNLABELED = "without a labeled keypoint"
    LOW_SCORE = "below the least score"
    NO_RECORD = "no record at all"
    UNDECLARED_CATEGORY = "of a category that the file does not declare"
    UNKNOWN_IMAGE = "in an image that the file does not list"
    WRONG_COUNT = "with another number of keypoints than the category names"
    NOT_FINITE = "with labeled keypoints that are no finite numbers"
    UNCLEAR = "with keypoints of which it cannot be read whether they are labeled"
    NO_SIZE = "without a box, and with keypoints that span none"
    NO_BOX = "without a box that has an area"
    NO_SCORE = "with a score that is no number"

    @property
    def is_fault(self) -> bool:
        """Whether the record ought to have been a person, and is damaged."""
        return self not in _MEANT


_MEANT = (Reason.OTHER_CATEGORY, Reason.CROWD, Reason.NO_KEYPOINTS, Reason.UNLABELED, Reason.LOW_SCORE)


class Mended(Enum):
    """What was put right in a record that is used."""

    BOX = "a box is missing, has no area or holds no labeled keypoint: the hull of these stands in"
    AREA = "an area is missing, not positive or of other units than pixels: 0.53 of the box stands in"


@dataclass(eq=False)
class Findings:
    """What reading an annotation file has found.

    file: its name.
    left_out: how many records for each reason.
    mended: how many records were put right.
    examples: of both, how the file names the first records.
    notes: sentences on the file as a whole, such as which category was chosen.
    idle: names of its categories that have keypoints and no people.
    """

    file: str
    left_out: Counter[Reason] = field(default_factory=Counter)
    mended: Counter[Mended] = field(default_factory=Counter)
    examples: dict[Reason | Mended, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)

    def leave_out(self, reason: Reason, record: str) -> None:
        """Count a record that is left out."""
        self.left_out[reason] += 1
        self._example(reason, record)

    def count(self, reason: Reason, which: np.ndarray) -> None:
        """Count people that are left out: [N] bool, in the file's order."""
        for place in np.flatnonzero(which).tolist():
            self.leave_out(reason, f"at place {place}")

    def mend(self, what: Mended, record: str) -> None:
        """Count a record that was put right."""
        self.mended[what] += 1
        self._example(what, record)

    def _example(self, what: Reason | Mended, record: str) -> None:
        if len(found := self.examples.setdefault(what, [])) < _EXAMPLES:
            found.append(record)

    @property
    def faults(self) -> int:
        """Records that are left out for a fault."""
        return sum(count for reason, count in self.left_out.items() if reason.is_fault)

    def line(self) -> list[str]:
        """All of it in one line behind the file's name; no line where there is nothing to say."""
        said = self.sentences()
        return [f"{self.file}: {'; '.join(said)}"] if said else []

    def sentences(self) -> list[str]:
        """What a person should know of the file; nothing where there is nothing to say."""
        said = list(self.notes)
        if self.left_out:
            said.append(f"left out: {self.reasons()}")
        said += [f"{what.value} ({count:,} {'record' if count == 1 else 'records'}: {', '.join(self.examples[what])})"
                 for what, count in self.mended.items()]
        return said

    def reasons(self, faults: bool = False) -> str:
        """The counts in a clause, those of faults with examples; the others only if asked for all."""
        counted = {reason: f"{count:,} {reason.value}" for reason, count in self.left_out.items()}
        return "; ".join(f"{said} ({', '.join(self.examples[reason])})" if reason.is_fault else said
                         for reason, said in counted.items() if reason.is_fault or not faults)

    def require_few_faults(self, used: int, limit: float, named: str) -> None:
        """Raises InputError if more than this share of the labeled people would be left out for a fault.

        Args:
            used: people who are not.
            limit: the share.
            named: what the message calls it.
        """
        if self.faults > limit * (used + self.faults):
            raise InputError(f"{self.file}: {self.faults:,} of {used + self.faults:,} labeled people cannot be used, "
                             f"more than {named}: {self.reasons(faults=True)}")
