"""What a search's folder says of it, whoever wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.config import Job, save
from trs.errors import InputError
from trs.presets import demo
from trs.skeleton import Skeleton
from tune import search
from tune.plan import SEARCH_FILE, Plan, Search, load_plan, save_search
from tune.space import default_space, parse_space

WHOLE = "trials: 4\ngrace_epochs: 2\nreduction_factor: 2\nreference: true\n"


def test_a_plan_goes_through_its_file(tmp_path: Path) -> None:
    space = default_space(demo(), {}) | parse_space(["model.pretrained=null,'5','true'", "train.batch_size=2..9:log"])
    skeleton = Skeleton(("a", "b"), (), (0.1, 0.1))
    save_search(Search(tmp_path, Job(demo()), Plan(trials=7, reference=False), space), skeleton)
    plan, read = load_plan(tmp_path)
    assert read == space and (plan.trials, plan.grace_epochs, plan.reference) == (7, 2, False)


def test_a_search_that_is_there_says_how_to_resume_it(tmp_path: Path) -> None:
    (tmp_path / "my search").mkdir()
    with pytest.raises(InputError, match=f"exists already: resume it with --resume 'my search' --out {tmp_path}, or"):
        search.main(["--name", "my search", "--out", str(tmp_path)])


def test_a_range_of_another_type_is_refused_before_anything_is_written(tmp_path: Path, drawn_root: Path) -> None:
    """In a new search, and in one that is resumed and whose plan holds such a range."""
    options = ["--out", str(tmp_path), "--data.root", str(drawn_root)]
    with pytest.raises(InputError, match=r"cannot search method\.mix_count=0\.0\.\.9\.5: .* must be a whole number"):
        search.main(["--name", "new", "--space", "method.mix_count=0..9.5", *options])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    save(Job(demo()), tmp_path / "old" / "config.yaml")
    (tmp_path / "old" / SEARCH_FILE).write_text(WHOLE + "space: {method.mix_count: 0.0..9.5}")
    with pytest.raises(InputError, match=r"cannot search method\.mix_count=0\.0\.\.9\.5: .* must be a whole number"):
        search.main(["--resume", "old", "--out", str(tmp_path)])
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == ["config.yaml", SEARCH_FILE]


def test_a_plan_of_0_1_is_read(tmp_path: Path) -> None:
    """Its choices stand in the notation of the command line."""
    (tmp_path / SEARCH_FILE).write_text(WHOLE + "space:\n  method.ema_momentum: 0.9,0.97\n  method.mix_count: 0..9\n"
                                        "  model.levels: '2'\n  model.pretrained: null,imagenet\n"
                                        "  method.unsup_weight: 0.1..10.0:log\n")
    assert load_plan(tmp_path) == (Plan(4, 2), parse_space(
        ["method.ema_momentum=0.9,0.97", "method.mix_count=0..9", "model.levels=2", "model.pretrained=null,imagenet",
         "method.unsup_weight=0.1..10.0:log"]))


@pytest.mark.parametrize(("text", "words"), [
    ("", "a plan has a space"), ("- x", "a plan has a space"), (WHOLE, "a plan has a space"),
    (WHOLE + "space: x", "maps names to ranges"), (WHOLE + "space: {x: 2..1}", "cannot read the search range"),
    (WHOLE.replace("4", "'4'") + "space: {x: 1..2}", "plan.trials must be a whole number such as 6, got '4'"),
    (WHOLE.replace("4", "4.5") + "space: {x: 1..2}", "plan.trials must be a whole number such as 6, got 4.5"),
    (WHOLE.replace("true", "'no'") + "space: {x: 1..2}", "plan.reference must be true or false, got 'no'"),
    (WHOLE.replace("4", "0") + "space: {x: 1..2}", "must be at least 1"),
    (WHOLE + "more: 1\nspace: {x: 1..2}", "a plan has no more"), ("[" * 5000, "nested too deeply"),
    (WHOLE + "trials: 5\nspace: {x: 1..2}", "a key stands twice")])
def test_a_file_that_holds_no_plan_is_told_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / SEARCH_FILE).write_text(text)
    with pytest.raises(InputError, match=words) as error:
        load_plan(tmp_path)
    assert str(error.value).startswith(f"{tmp_path} holds no search to resume: ") and str(error.value).isprintable()


def test_a_file_of_something_else_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no search to resume: .*No such file"):
        load_plan(tmp_path)
    (tmp_path / SEARCH_FILE).write_bytes("space: {ü: 1..2}".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        load_plan(tmp_path)
    (tmp_path / SEARCH_FILE).unlink()
    os.mkfifo(tmp_path / SEARCH_FILE)
    with pytest.raises(InputError, match="is not a regular file"):
        load_plan(tmp_path)
