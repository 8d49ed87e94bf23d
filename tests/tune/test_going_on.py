"""Going on with a search: more trials, queued ones, and what its study cannot take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.trial import TrialState

from jobs.config import Job
from jobs.run_folder.layout import CONFIG_FILE, write_run
from jobs.training.prepare import prepare
from trs.config import Config
from trs.errors import InputError
from tune import search as searches
from tune.going_on import enqueue, queued_values, require_continuable
from tune.plan import SEARCH_FILE, Plan, Search, save_search
from tune.space import Space, parse_space
from tune.storage import open_study
from tune.study import BASELINE, QUEUED, trials_left

SPACE = ["method.unsup_weight=0.1..10:log", "method.mix_count=0..9", "method.ema_momentum=0.9,0.999"]


@pytest.fixture
def begun(config: Config, tmp_path: Path) -> Callable[[Space], Path]:
    """A search of five trials, two of which have ended, and the space that its plan has by now."""
    def make(space: Space) -> Path:
        folder = tmp_path / "first"
        datasets = prepare(config, folder)
        write_run(Job(config), datasets.split, folder)
        save_search(Search(folder, Job(config), Plan(), space), datasets.skeleton)
        study = open_study(folder, 1, 2)
        study.enqueue_trial({"method.unsup_weight": 0.5, "method.mix_count": 5}, user_attrs={BASELINE: True})
        study.tell(study.ask(parse_space(SPACE)), 0.1)
        study.tell(study.ask(parse_space(SPACE)), state=TrialState.PRUNED)
        return folder
    return make


def resume(folder: Path, *options: str) -> str:
    """What is said instead of going on."""
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError) as error:
        searches.main(["--resume", folder.name, "--out", str(folder.parent), *options])
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    return str(error.value)


def test_a_search_cannot_have_fewer_trials_than_have_ended(begun: Callable[[Space], Path]) -> None:
    folder = begun(parse_space(SPACE))
    assert resume(folder, "--trials", "1") == (
        "2 trials of this search have ended: --trials may be raised, or lowered to that, and not to 1")
    require_continuable(folder, Plan(2), parse_space(SPACE))
    assert "leave out --grace-epochs, --no-reference, or" in resume(folder, "--grace-epochs", "2", "--no-reference")


@pytest.mark.parametrize(("name", "edited"), [
    ("method.ema_momentum", [0.9, 0.99, 0.999]), ("method.ema_momentum", "0.9..0.9995"),
    ("method.unsup_weight", "0.1..10"), ("method.mix_count", [0, 5, 9])])
def test_an_edited_range_that_optuna_cannot_go_on_with_is_named(begun: Callable[[Space], Path], name: str,
                                                                edited: object) -> None:
    folder = begun(parse_space(SPACE))
    content = yaml.safe_load((folder / SEARCH_FILE).read_text())
    content["space"][name] = edited
    (folder / SEARCH_FILE).write_text(yaml.safe_dump(content))
    said = resume(folder)
    assert said.startswith(f"{folder / SEARCH_FILE}: the search was begun with {name}=")
    assert f" and cannot go on with {name}=" in said and said.endswith("restore it, or start a new search")


def test_the_ends_of_a_range_may_move(begun: Callable[[Space], Path]) -> None:
    moved = [SPACE[0].replace("10", "20"), SPACE[1].replace("9", "12"), "train.learning_rate=1e-4..1e-2:log"]
    folder = begun(parse_space(moved))
    require_continuable(folder, Plan(), parse_space(moved))
    study = open_study(folder, 1, 2)
    study.ask(parse_space(moved))
    assert len(study.trials) == 3


@pytest.mark.parametrize(("line", "words"), [
    ("method.unsup_weight=11", "method.unsup_weight=11 does not lie in method.unsup_weight=0.1..10"),
    ("method.mix_count=2.0", "method.mix_count=2.0 does not lie in method.mix_count=0..9"),
    ("method.mix_count=true", "method.mix_count=True does not lie in"),
    ("method.ema_momentum=0.99", "method.ema_momentum=0.99 does not lie in method.ema_momentum=0.9,0.999"),
    ("method.mix_count=3 train.learning_rate=0.1", "train.learning_rate=0.1 sets what is not searched; searched are"),
    ("method.mix_count", "cannot read the settings 'method.mix_count'; write name=value name=value"),
    ("method.mix_count=3 method.mix_count=4", "each name once"), ("method.mix_count={", "cannot read the settings")])
def test_what_cannot_be_queued_is_told(begun: Callable[[Space], Path], line: str, words: str) -> None:
    assert words in resume(begun(parse_space(SPACE)), "--queue", line)


def test_what_is_queued_comes_on_top(config: Config, tmp_path: Path) -> None:
    space = parse_space(SPACE)
    lines = ("method.unsup_weight=2 method.mix_count=3", "method.ema_momentum=0.9")
    queue = queued_values(lines, config, space)
    assert queue == [{"method.unsup_weight": 2, "method.mix_count": 3}, {"method.ema_momentum": 0.9}]
    study: optuna.Study = open_study(tmp_path, 1, 2)
    enqueue(study, queue)
    assert trials_left(study, 5) == 7
    first, second = study.ask(space), study.ask(space)
    assert first.params.items() >= queue[0].items() and second.params.items() >= queue[1].items()
    assert first.params.keys() == second.params.keys() == space.keys() and first.user_attrs == {QUEUED: True}
    assert trials_left(study, 5) == 7
    study.tell(first, 0.5)
    assert trials_left(study, 5) == 6 and trials_left(study, 1) == 2
    assert (tmp_path / CONFIG_FILE).exists() is False
