"""What a trial reports comes to Ray Tune, also where Tune is late."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from jobs.training.many import StatelessSearcher, train_many
from tune.reports import passed_on

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]


class Once(StatelessSearcher):
    """Asks for one trial."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = False

    def suggest(self, trial_id: str) -> Any:
        asked, self.asked = self.asked, True
        return Searcher.FINISHED if asked else {"name": "0000"}


class Late(FIFOScheduler):
    """Hears a report, and is held up by it, as by a study that is locked."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[int] = []

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        self.heard.append(result["epoch"])
        time.sleep(3)
        return super().on_trial_result(tune_controller, trial, result)


def report_three(suggestion: dict[str, Any]) -> None:
    with passed_on() as callback:
        for epoch in (1, 2, 3):
            callback.after_report(None, [{"epoch": epoch}], None)


def fail_after_one(suggestion: dict[str, Any]) -> None:
    with passed_on() as callback:
        callback.after_report(None, [{"epoch": 1}], None)
        raise ValueError("the training has failed")


@pytest.mark.parametrize(("driver", "heard"), [(report_three, [1, 2, 3]), (fail_after_one, [1])])
def test_a_driver_ends_when_its_last_report_has_been_heard(driver: Any, heard: list[int], tmp_path: Path) -> None:
    late = Late()
    train_many(driver, {}, Once(), tmp_path, -1, lambda: 1, scheduler=late)
    assert late.heard == heard
