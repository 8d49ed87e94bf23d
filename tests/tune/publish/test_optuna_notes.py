"""What a trial's end and a comparison read: no training people, and the validation people once."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState

from jobs.config import Job
from trs.data.datasets import load_datasets
from tune import compare
from tune.leaderboard import read_leaderboard
from tune.plan import SKELETON_FILE, TRIALS, Plan, Search
from tune.publish.optuna_notes import keep_poses
from tune.report.gallery import Validation, read_skeleton
from tune.space import parse_space
from tune.storage import read_study
from tune.study import StudySearcher

ROWS = [((0.999, 0.5, 5), TrialState.RUNNING, 3, 0.2)]
_listeners: list[list[str]] = []


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    # A file that is opened through an opener of ours tells it twice, the second time without a mode.
    if event == "open" and isinstance(arguments[0], str) and arguments[1] is not None:
        for opened in _listeners:
            opened.append(arguments[0])


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    sys.addaudithook(_listen)


@contextlib.contextmanager
def annotations_opened(root: Path) -> Iterator[list[str]]:
    """Lists the annotation files that are opened while the context lasts."""
    opened: list[str] = []
    found: list[str] = []
    _listeners.append(opened)
    try:
        yield found
    finally:
        _listeners.remove(opened)
        found += [Path(path).name for path in opened if path.startswith(str(root)) and path.endswith(".json")]


class Untouchable:
    """A table that must not even be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"somebody has looked at {name}")


def test_a_trials_end_opens_no_annotations_and_looks_at_no_training_people(make_search: Callable[..., Path],
                                                                           people: Path) -> None:
    folder = make_search("ending", ROWS, reference=False)
    config = read_leaderboard(folder).config
    loaded = load_datasets(dataclasses.replace(config.data, labeled_count=None))
    datasets = dataclasses.replace(loaded, labeled=Untouchable(), unlabeled=Untouchable())
    validation = Validation.loaded(folder, config.data, datasets)
    study = read_study(folder)
    searcher = StudySearcher(study, Search(folder, Job(config), Plan(reference=False), parse_space([])),
                             before_end=lambda trial: keep_poses(folder, trial, validation))
    searcher.suggest("a")
    with annotations_opened(people) as opened:
        searcher.on_trial_complete("a", {})
    assert opened == []
    (trial,) = study.trials
    assert trial.state is TrialState.COMPLETE
    assert [kept.filename for kept in get_all_artifact_meta(trial, storage=study._storage)] == ["poses.jpg"]


def test_a_comparison_reads_the_validation_people_once(make_search: Callable[..., Path], people: Path) -> None:
    folder = make_search("compared", [*ROWS, ((0.9, 1.0, 2), TrialState.COMPLETE, 8, 0.4)])
    with annotations_opened(people) as opened:
        compare.main([str(folder)])
    assert opened == ["person_keypoints_val.json"]


def test_an_older_search_tells_its_keypoints_by_a_checkpoint(make_search: Callable[..., Path]) -> None:
    folder = make_search("older", ROWS, reference=False)
    expected = read_skeleton(folder)
    skeleton = (folder / SKELETON_FILE).read_text()
    (folder / SKELETON_FILE).unlink()
    with pytest.raises(ValueError, match="which keypoints were learned"):
        read_skeleton(folder)
    checkpoint = folder / TRIALS / "0000" / "checkpoint_00000003"
    checkpoint.mkdir()
    (checkpoint / "state.json").write_text(f'{{"format": 2, "counters": {{"step": 3}}, "skeleton": {skeleton}}}')
    assert read_skeleton(folder) == expected
