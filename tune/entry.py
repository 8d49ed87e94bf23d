"""One run of a search: what it was trained with, what it scored, and whether that is to be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jobs.run_folder.metrics import Metrics
from trs.evaluation.protocol import ENSEMBLE, TEST
from trs.files import is_finite
from tune.space import Values

Status = Literal["complete", "pruned", "failed", "running", "reference"]

@dataclass(frozen=True)
class Entry:
    """One run of a search.

    name: of its folder.
    values: the searched settings by their dotted names; the reference has none.
    metrics: of each evaluated epoch, oldest first.
    metric: that the search maximizes, "ap", "pckh" or "pck".
    baseline: it runs the paper's defaults.
    told: its final score as the study has it, once it is complete.
    fault: what is wrong with the file of its metrics.
    cause: why it has failed, or waits for another try.
    """

    name: str
    status: Status
    values: Values
    metrics: list[Metrics]
    metric: str
    baseline: bool = False
    told: float | None = None
    fault: str | None = None
    cause: str | None = None

    @property
    def epochs(self) -> int:
        """Epochs that it has trained."""
        return int(self.metrics[-1]["epoch"]) if self.metrics else 0

    @property
    def hours(self) -> float:
        """Hours that the steps of these epochs took, without evaluations and waiting."""
        return seconds_of(self.metrics) / 3600

    @property
    def curve(self) -> list[float | None]:
        """The metric after each evaluated epoch; None where it is not a number."""
        return [value if is_finite(value := metrics.get(self.metric)) else None for metrics in self.metrics]

    @property
    def score(self) -> float | None:
        """The metric after the last epoch; of a complete trial the study's, which is the memory of a search.

        Never that of the best epoch: it is measured on the validation set, and to pick an epoch there would flatter
        every run, the noisy ones most. A trial that has failed has none, whatever it scored before.
        """
        return None if self.status == "failed" else self.last if self.told is None else self.told

    @property
    def last(self) -> float | None:
        """The metric in the last line of its file."""
        return self.curve[-1] if self.metrics else None

    @property
    def doubt(self) -> str | None:
        """Why its metrics are not to be believed, if so."""
        said = [self.fault] if self.fault else []
        if self.told is not None and self.last != self.told:
            last = "nothing" if self.last is None else f"{self.last:.6g}"
            said.append(f"its final {self.metric} is {last}, and in the study {self.told:.6g}, which counts")
        return "; ".join(said) or None

    @property
    def ensemble(self) -> float | None:
        """The metric of the mean of the peers' heatmaps, which `jobs.predict` uses, in the last line of its file."""
        return self._last_of(f"{self.metric}_{ENSEMBLE}")

    @property
    def test_score(self) -> float | None:
        """The metric of the people who choose nothing, after a whole run; None where none are kept for that."""
        return self._last_of(f"{TEST}{self.metric}")

    @property
    def test_ensemble(self) -> float | None:
        """As `test_score`, of the ensemble."""
        return self._last_of(f"{TEST}{self.metric}_{ENSEMBLE}")

    def _last_of(self, name: str) -> float | None:
        value = self.metrics[-1].get(name) if self.metrics and self.status != "failed" else None
        return value if is_finite(value) else None


def seconds_of(metrics: list[Metrics]) -> float:
    """The seconds that the steps of a run took, without evaluations and waiting."""
    steps = [0.0, *(each["step"] for each in metrics)]
    return sum((after - before) / each["steps_per_second"] for before, after, each in
               zip(steps[:-1], steps[1:], metrics, strict=True) if each.get("steps_per_second", 0) > 0)
