"""In which order the runs of a table start."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jobs.paper.runs import Run, RunsFolder
from jobs.paper.schedule import Ended, Queue
from tests.jobs.paper.done import mark_done
from trs.config import Config, SupervisedConfig, change


@pytest.fixture
def chain(config: Config) -> list[Run]:
    """A run, one that starts from it, one that starts from that, and one that stands alone."""
    first = Run(dataclasses.replace(config, method=SupervisedConfig()))
    second = Run(config, (first,))
    return [first, second, Run(config, (second,)), Run(change(config, {"train.seed": 7}))]


def test_a_run_starts_when_what_it_starts_from_is_done(chain: list[Run], tmp_path: Path) -> None:
    told: list[Ended] = []
    queue = Queue(list(chain), RunsFolder(tmp_path), told.append)
    assert [queue.start() for _ in range(3)] == [chain[0].name, chain[3].name, None]
    queue.end(chain[3].name, None)
    assert told[0].failure == "it has ended without a checkpoint of its last epoch" and queue.start() is None
    mark_done(tmp_path / chain[0].name, chain[0].config.train.epochs)
    queue.end(chain[0].name, None)
    assert queue.start() == chain[1].name and queue.waiting == [chain[2]]
    assert [(end.run, end.failure) for end in told[1:]] == [(chain[0], None)]


def test_what_starts_from_a_failed_run_fails_with_it(chain: list[Run], tmp_path: Path) -> None:
    told: list[Ended] = []
    queue = Queue(list(chain), RunsFolder(tmp_path), told.append)
    name = queue.start()
    assert name == chain[0].name
    queue.end(name, "out of memory")
    reason = "a run that it starts from has failed"
    assert [(end.run, end.failure) for end in told] == list(
        zip(chain[:3], ("out of memory", reason, reason), strict=True))
    assert queue.start() == chain[3].name and queue.waiting == []


def test_a_run_that_was_asked_to_stop_is_not_told(chain: list[Run], tmp_path: Path) -> None:
    told: list[Ended] = []
    queue = Queue(list(chain), RunsFolder(tmp_path), told.append)
    names = [queue.start(), queue.start()]
    (tmp_path / "stop").touch()
    mark_done(tmp_path / chain[3].name, chain[3].config.train.epochs)  # its last step came first
    for name in names:
        assert name is not None
        queue.end(name, None)
    assert queue.stops() and [end.run for end in told] == [chain[3]] and len(queue.waiting) == 2
