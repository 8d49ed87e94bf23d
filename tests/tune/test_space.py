import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from trs.config import METHOD_NAMES, Config, SupervisedConfig, change
from trs.config.checks import shown
from trs.config.files import parse_yaml
from trs.errors import InputError
from trs.presets import demo
from trs.schedule import ema_momentum
from tune.space import (
    Space,
    alike,
    check_space,
    chosen_space,
    default_space,
    describe,
    get,
    load_space,
    paper_defaults,
    parse_space,
    space_of,
    to_plain,
    without_mixing,
)


def test_the_notation() -> None:
    space = parse_space(["train.learning_rate=1e-4..1e-2:log", "method.mix_count=0..9", "model.levels=1,2,3",
                         "method.unsup_weight=0.5..2", "method.reviewer_role=teacher,both",
                         "model.pretrained=null,file"])
    assert space == {"train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
                     "method.mix_count": IntDistribution(0, 9), "model.levels": CategoricalDistribution((1, 2, 3)),
                     "method.unsup_weight": FloatDistribution(0.5, 2),
                     "method.reviewer_role": CategoricalDistribution(("teacher", "both")),
                     "model.pretrained": CategoricalDistribution((None, "file"))}
    assert parse_space([f"{name}={text}" for name, text in describe(space).items()]) == space


@pytest.mark.parametrize("line", [
    "x", "=1..2", "x=", "x=,", "x=1..b", "x=2..1", "x=0..1:log", "x=-1..1:log", "x=1..2:cubic", "x=.nan..1",
    "x=0...inf", "x=nan..1", "x=-.inf..0", "x=false..true", "x=1..2..3", "x=..", "x=null..1", "x=0..1" + "0" * 400,
    "x=1,1", "x=1,1.0", "x=[1", "x={a: 1}", "x=2000-01-01", "x=2000-99-99", "x=!!python/name:os.system", "x=*a",
    "x=!!int y", "x=0.." + "9" * 5000])
def test_a_range_that_cannot_be_read_is_quoted(line: str) -> None:
    with pytest.raises(InputError, match=f"cannot read the search range {re.escape(shown(line))}") as error:
        parse_space([line])
    assert str(error.value).isprintable() and len(str(error.value)) < 400


def test_a_field_is_searched_once() -> None:
    with pytest.raises(InputError, match=r"the search range of model\.levels is given twice"):
        parse_space(["model.levels=1,2", "model.levels=2..3"])


def test_a_file_names_the_same_space(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    assert parse_space(["train.learning_rate=0.004,1e-4,1e30"]) == {
        "train.learning_rate": CategoricalDistribution([0.004, 1e-4, 1e30])}
    path.write_text("train.learning_rate: 1e-4..1e-2:log\nmodel.levels: [1, 2, 3]\n")
    assert load_space(path) == parse_space(["train.learning_rate=1e-4..1e-2:log", "model.levels=1,2,3"])
    path.write_text("model.pretrained: [null, '5', a..b]\nmethod.reviewers: [true, false]\nmodel.levels: 2\n")
    space = load_space(path)
    assert space == {"model.pretrained": CategoricalDistribution((None, "5", "a..b")),
                     "method.reviewers": CategoricalDistribution((True, False)),
                     "model.levels": CategoricalDistribution((2,))}
    assert space_of(parse_yaml(yaml.safe_dump(to_plain(space)))) == space


@pytest.mark.parametrize(("content", "words"), [
    (b"- a\n", "maps names to ranges"), (b"", "maps names to ranges"), (b"{}", "maps names to ranges"),
    (b"x: {low: 1, high: 2}", "choices are single values"), (b"x: [[1], 2]", "choices are single values"),
    (b"x: [1, 1]", "stands there twice"), (b"x: []", "write name=low..high"),
    (b"x: 2..1", "cannot read the search range"), (b"1: 2..1", "cannot read the search range"),
    (b"x: 2000-01-01", "choices are single values"), (b"a: 1..2\na: 1..3", "a key stands twice"),
    (b"a: &a [1, 2]\nb: *a", "a part is repeated"), (b"[" * 5000, "nested too deeply"), (b"a: [", "is not plain YAML"),
    ("a: ü".encode("latin-1"), "is not UTF-8"), ("a: 1..2".encode("utf-16"), "is not UTF-8"),
    (b"a: !!python/name:os.system", "is not plain YAML")])
def test_a_file_that_holds_no_space_is_told_in_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        load_space(path)
    assert str(error.value).startswith(str(path)) and str(error.value).isprintable() and len(str(error.value)) < 400


def test_only_a_regular_file_is_a_space(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "space.yaml")
    with pytest.raises(InputError, match=r"cannot read the search space .*: is not a regular file"):
        load_space(tmp_path / "space.yaml")


def test_the_default_space_holds_the_papers_defaults() -> None:
    space = default_space(demo(), {})
    assert paper_defaults(demo(), space) == {"method.ema_momentum": 0.999, "method.unsup_weight": 0.5,
                                             "method.mix_count": 5}
    changed = dataclasses.replace(demo(), method=dataclasses.replace(demo().method, unsup_weight=1.5))
    assert paper_defaults(changed, space)["method.unsup_weight"] == 0.5


def test_the_second_trial_mixes_nothing_where_that_is_searched() -> None:
    space = default_space(demo(), {})
    defaults = paper_defaults(demo(), space)
    assert without_mixing(defaults, space) == [{**defaults, "method.mix_count": 0}]
    never = parse_space(["method.mix_count=3,5"])
    assert without_mixing(paper_defaults(demo(), never), never) == []
    assert without_mixing({"method.unsup_weight": 0.5}, parse_space(["method.unsup_weight=0.1..4"])) == []


def test_every_suggestion_makes_a_config() -> None:
    """The space with optuna's own trials, no study and no Ray."""
    space = default_space(demo(), {})
    for values in ({"method.ema_momentum": 0.9, "method.unsup_weight": 4.0, "method.mix_count": 0},
                   {"method.ema_momentum": 0.9995, "method.unsup_weight": 0.1, "method.mix_count": 9}):
        trial = FixedTrial(values)
        suggested = {name: trial._suggest(name, distribution) for name, distribution in space.items()}
        config = change(demo(), suggested)
        assert {name: get(config, name) for name in values} == values
        assert config.data == demo().data


@pytest.mark.parametrize("number", [2**64, 8**5000], ids=["65 bits", "4,516 digits"])
def test_a_choice_of_thousands_of_digits_is_refused(number: int) -> None:
    """YAML reads it, as an octal one, and Python does not write it."""
    assert parse_space(["train.seed=1,0xFFFFFFFFFFFFFFFF"])
    with pytest.raises(InputError, match=r"a whole number in it has more than 64 bits$"):
        space_of({"train.seed": [1, number]})


@pytest.mark.parametrize("refuse", [check_space, paper_defaults])
def test_a_choice_is_shown_on_one_line(refuse: Callable[[Config, Space], object]) -> None:
    """A YAML file may hold any letter in a text."""
    with pytest.raises(InputError, match=r"eval\.decoder=nobody\\x1b\[31m\\n") as refused:
        refuse(demo(), space_of({"eval.decoder": ["nobody\x1b[31m\n", "nothing"]}))
    assert str(refused.value).isprintable()


def test_mistakes_are_named_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"'train.learning_rat'; did you mean 'train.learning_rate'\?"):
        get(demo(), "train.learning_rat")
    with pytest.raises(InputError, match="must contain the default, 5"):
        paper_defaults(demo(), parse_space(["method.mix_count=0..3"]))
    with pytest.raises(InputError, match="levels must be 1, 2 or 3"):
        change(demo(), {"model.levels": 4})
    with pytest.raises(InputError, match="has no default search space"):
        default_space(dataclasses.replace(demo(), method=SupervisedConfig()), {})


@pytest.mark.parametrize(("line", "words"), [
    ("data.labeled_count=100,200", "all trials of a search share"),
    ("train.workers=1,2", "all trials of a search share"),
    ("train.epochs=10..20", "all trials of a search share"),
    ("eval.metric=ap,pck", "all trials of a search share"),
    ("train.use_gpu=true,false", "there is no setting 'train.use_gpu'"),
    ("model=1,2", "there is no setting 'model'"),
    ("model.levels=1,2,5", "cannot search model.levels=1,2,5: model.levels must be 1, 2 or 3"),
    ("model.levels=1.5..3", "model.levels must be a whole number such as 6, got 1.5"),
    ("method.mix_count=0..9.5", "method.mix_count must be a whole number such as 6, got 0.0"),
    ("method.mix_count=0..1e1", "method.mix_count must be a whole number such as 6, got 0.0"),
    ("method.mix_count=3,4.0", "method.mix_count must be a whole number such as 6, got 4.0"),
    ("method.mix_count=3,true", "method.mix_count must be a whole number such as 6, got True"),
    ("method.mix_count=-1..9", "method.mix_count must be at least 0, got -1"),
    ("train.learning_rate=a,b", "train.learning_rate must be a number such as 0.5, got 'a'"),
    ("train.learning_rate=0.1,.nan", "train.learning_rate must be finite, got nan"),
    ("train.learning_rate=0.1,'0.2'", "train.learning_rate must be a number such as 0.5, got '0.2'"),
    ("train.learning_rate=0.1,null", "train.learning_rate must be a number such as 0.5, got None"),
    ("train.learning_rate=0..0.1", "learning_rate must be positive"),
    ("method.ema_momentum=0.9..1", r"method.ema_momentum must lie in \[0, 1\)"),
    ("method.confidence_threshold=0..9", "method.confidence_threshold must be at most 1"),
    ("method.augment=cutout,mixup", r"method.augment must be a list, such as \[a, b\], got 'cutout'"),
    ("model.backbones=resnet18,resnet34", "model.backbones must be a list"),
    ("method.reviewers=0,1", "method.reviewers must be true or false, got 0"),
    ("method.reviewers=0..1", "method.reviewers must be true or false, got 0"),
    ("eval.flip_test=yes,maybe", "eval.flip_test must be true or false, got 'maybe'"),
    ("model.fuse=1..2", "model.fuse must be one of last, mean, got 1"),
    ("model.pretrained=imagenet,package", "model.pretrained must be a list"),
    ("data.input_size=64..128", "data.input_size must be a list of 2"),
    ("model.fuse=last,first", "fuse")])
def test_what_would_fail_in_a_trial_or_change_nothing_is_refused_at_once(line: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_space(demo(), parse_space([line]))
    with pytest.raises(InputError, match=words):
        chosen_space(demo(), [line], None)


def test_what_a_field_takes_can_be_searched() -> None:
    for line in ("data.sigma=1.0..2.0", "model.levels=1,2,3", "model.levels=1..3", "method.unsup_weight=1..10",
                 "method.reviewers=true,false", "method.reviewer_role=teacher,both", "train.learning_rate=1e-4..1:log",
                 "method.ema_momentum_b=null,0.9", "method.mix_count=0..9"):
        space = parse_space([line])
        assert len(check_space(demo(), space)) == len(getattr(next(iter(space.values())), "choices", (0, 1)))


def test_a_range_without_an_effect_is_refused() -> None:
    """Unless another one gives it an effect in some trials."""
    one_level = change(demo(), {"model.levels": 1})
    with pytest.raises(InputError, match=r"model\.fuse has no effect beside model\.levels = 1"):
        chosen_space(one_level, ["model.fuse=last,mean"], None)
    assert "model.fuse" in chosen_space(one_level, ["model.fuse=last,mean", "model.levels=1,2"], None)
    cut = change(demo(), {"method.augment": ["cutout"]})
    assert "method.mix_count" not in default_space(cut, {})
    with pytest.raises(InputError, match=r"method\.mix_count has no effect without keypoint_mix"):
        chosen_space(cut, ["method.mix_count=0..9"], None)


def test_every_method_searches_what_it_has() -> None:
    found = {name: set(default_space(dataclasses.replace(demo(), method=kind()), {}))
             for name, kind in METHOD_NAMES.items() if name != "supervised"}
    assert found["trs"] == {"method.ema_momentum", "method.unsup_weight", "method.mix_count"}
    assert found["mean_teacher"] == {"method.ema_momentum", "method.unsup_weight"}
    assert found["dual"] == found["single"] == {"method.unsup_weight"}
    assert found["sspcm"] == found["fixmatch"] == {"method.unsup_weight", "method.confidence_threshold"}
    for name in found:
        config = dataclasses.replace(demo(), method=METHOD_NAMES[name]())
        check_space(config, default_space(config, {}))
        assert paper_defaults(config, default_space(config, {}))


@pytest.mark.parametrize(("steps", "told"), [
    (150, "reaches 0.943 in 150 steps: method.ema_momentum=0.97,0.999 train alike"), (300, None), (20_000, None)])
def test_choices_that_the_warm_up_does_not_reach_are_told(steps: int, told: str | None) -> None:
    """By comparison of the schedules themselves."""
    space = parse_space(["method.ema_momentum=0.9,0.97,0.999"])
    runs = {alpha: tuple(ema_momentum(step, alpha) for step in range(steps)) for alpha in (0.9, 0.97, 0.999)}
    found = alike(demo(), space, steps)
    assert (len(set(runs.values())) < 3) == bool(found) == (told is not None)
    assert told is None or found[0].endswith(told)
    assert alike(dataclasses.replace(demo(), method=SupervisedConfig()), space, steps) == []
    (of_range,) = alike(demo(), parse_space(["method.ema_momentum=0.9..0.99999"]), 150)
    assert of_range.endswith("reaches 0.943 in 150 steps: all method.ema_momentum above train alike")
    assert alike(demo(), parse_space(["method.ema_momentum=0.9..0.94"]), 150) == []


@pytest.mark.parametrize(("changes", "is_searched"), [
    ({}, True), ({"method.reviewers": False}, False),
    ({"method.reviewers": False, "method.locator": "teacher_and_reviewer"}, True)])
def test_a_momentum_that_no_loss_reads_is_not_searched(changes: dict[str, object], is_searched: bool) -> None:
    assert ("method.ema_momentum" in default_space(change(demo(), changes), {})) is is_searched
