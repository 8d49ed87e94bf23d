import dataclasses
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from trs.config import METHOD_NAMES, SupervisedConfig, change
from trs.errors import InputError
from trs.presets import demo
from tune.space import check_space, default_space, describe, get, load_space, paper_defaults, parse_space


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


@pytest.mark.parametrize("line", ["x", "=1..2", "x=", "x=1..b", "x=2..1", "x=0..1:log", "x=1..2:cubic"])
def test_a_range_that_cannot_be_read_is_quoted(line: str) -> None:
    with pytest.raises(InputError, match=f"cannot read the search range {line!r}"):
        parse_space([line])


def test_a_file_names_the_same_space(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    assert parse_space(["train.learning_rate=0.004,1e-4,1e30"]) == {
        "train.learning_rate": CategoricalDistribution([0.004, 1e-4, 1e30])}
    path.write_text("train.learning_rate: 1e-4..1e-2:log\nmodel.levels: [1, 2, 3]\n")
    assert load_space(path) == parse_space(["train.learning_rate=1e-4..1e-2:log", "model.levels=1,2,3"])
    path.write_text("- a\n")
    with pytest.raises(InputError, match="must map names to ranges"):
        load_space(path)


def test_the_default_space_holds_the_papers_defaults() -> None:
    space = default_space(demo(), {})
    assert paper_defaults(demo(), space) == {"method.ema_momentum": 0.999, "method.unsup_weight": 0.5,
                                             "method.mix_count": 5}
    changed = dataclasses.replace(demo(), method=dataclasses.replace(demo().method, unsup_weight=7.0))
    assert paper_defaults(changed, space)["method.unsup_weight"] == 0.5


def test_every_suggestion_makes_a_config() -> None:
    """The space with optuna's own trials, no study and no Ray."""
    space = default_space(demo(), {})
    for values in ({"method.ema_momentum": 0.9, "method.unsup_weight": 10.0, "method.mix_count": 0},
                   {"method.ema_momentum": 0.9995, "method.unsup_weight": 0.1, "method.mix_count": 9}):
        trial = FixedTrial(values)
        suggested = {name: trial._suggest(name, distribution) for name, distribution in space.items()}
        config = change(demo(), suggested)
        assert {name: get(config, name) for name in values} == values
        assert config.data == demo().data


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
    ("model.levels=1,2,5", "levels must be 1, 2 or 3"),
    ("train.learning_rate=0..0.1", "learning_rate must be positive"),
    ("model.fuse=last,first", "fuse")])
def test_what_would_fail_in_a_trial_or_change_nothing_is_refused_at_once(line: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_space(demo(), parse_space([line]))
    check_space(demo(), parse_space(["data.sigma=1.0..2.0", "model.levels=1,2,3"]))


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
