"""Every field of a config, by reflection: what it refuses, and that the message names it."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from jobs import config as jobs_config
from jobs.config import ClusterConfig
from trs import config as configs
from trs.config import METHOD_NAMES, Config, MethodSettings, SupervisedConfig, TRSConfig, checks
from trs.config.checks import check_fields
from trs.errors import InputError

NOT_FINITE = (math.nan, math.inf, -math.inf)
OTHER_THINGS: tuple[object, ...] = (True, 3, 6.7, 6.0, "6", "false", "x", [], [1], {"a": 1}, b"6", None)


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a section, and what it is in a config that is otherwise the default."""

    section: str
    kind: type
    name: str
    hint: object

    def __str__(self) -> str:
        return f"{getattr(self.kind, 'name', self.section)}.{self.name}"

    def config(self) -> Config:
        return Config(method=self.kind()) if self.section == "method" else Config()


def walk() -> Iterator[Field]:
    """Every field of `Config`, with those of each method, and of the machines."""
    sections = dict(get_type_hints(Config), cluster=ClusterConfig)
    for section, kinds in sections.items():
        for kind in METHOD_NAMES.values() if section == "method" else [kinds]:
            hints = get_type_hints(kind)
            for field in dataclasses.fields(kind):
                yield Field(section, kind, field.name, hints[field.name])


FIELDS = list(walk())


def is_of(hint: object, value: object) -> bool:
    """Whether a plain value is of a field's type, told in the shortest way and apart from what the library does."""
    origin, of = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(is_of(each, value) for each in of)
    if origin is Literal:
        return value in of
    if origin is tuple:
        return isinstance(value, list) and (of[-1] is Ellipsis or len(value) == len(of)) and all(
            is_of(of[0], each) for each in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


def numbers_in(hint: object) -> set[type]:
    """The types of number that a field may hold, also within a list or beside None."""
    return {hint} & {int, float} if isinstance(hint, type) else {
        kind for each in get_args(hint) if get_origin(hint) is not Literal for kind in numbers_in(each)}


def spread(hint: object, number: float) -> object:
    """The number as the field would hold it: alone, or in a list of the right length."""
    for each in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]:
        if get_origin(each) is tuple:
            return [number] * (1 if get_args(each)[-1] is Ellipsis else len(get_args(each)))
    return number


def refuses(field: Field, value: object) -> None:
    """Check that a file, a change and the dataclass itself refuse a value and say of which field."""
    words = rf"(^|[^\w.]){field.section}\.{field.name} must [^\n]*$"
    plain: dict[str, Any] = jobs_config.to_dict(jobs_config.Job(field.config()))
    plain[field.section][field.name] = value
    with pytest.raises(InputError, match=words):
        jobs_config.from_dict(plain)
    if field.section != "cluster":
        with pytest.raises(InputError, match=words):
            configs.change(field.config(), {f"{field.section}.{field.name}": value})
    of_literal = "Literal" in str(field.hint) and isinstance(value, str | list)
    if not of_literal:  # who extends the library may have names of their own
        held = tuple(value) if isinstance(value, list) and "tuple" in str(field.hint) else value
        with pytest.raises(InputError, match=words):
            field.kind(**{field.name: held})


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_wrong_type_is_refused_and_the_field_named(field: Field) -> None:
    wrong = [value for value in OTHER_THINGS if not is_of(field.hint, value)]
    assert len(wrong) >= 4 and any(isinstance(value, bool) for value in wrong) is (field.hint is not bool)
    for value in wrong:
        refuses(field, value)


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_number_that_is_not_finite_is_refused(field: Field) -> None:
    for value in NOT_FINITE:
        refuses(field, spread(field.hint, value))
    refuses(field, spread(field.hint, 10**400))


@pytest.mark.parametrize("field", [field for field in FIELDS if numbers_in(field.hint)], ids=str)
def test_no_number_is_negative(field: Field) -> None:
    for kind in numbers_in(field.hint):
        refuses(field, spread(field.hint, kind(-1)))
    if float in numbers_in(field.hint):
        refuses(field, spread(field.hint, -1e-9))


@pytest.mark.parametrize("field", [field for field in FIELDS if "str" in str(field.hint)], ids=str)
def test_no_text_is_beyond_what_a_file_system_takes(field: Field) -> None:
    for value in ("a\0b", "\ud800"):
        refuses(field, [value] if "tuple" in str(field.hint) else value)
    if field.hint == (str | None):
        refuses(field, "")


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_the_default_is_taken(field: Field) -> None:
    plain = jobs_config.to_dict(jobs_config.Job(field.config()))
    assert is_of(field.hint, plain[field.section][field.name])
    assert jobs_config.from_dict(plain) == jobs_config.Job(field.config())


def test_the_walk_passes_every_field() -> None:
    """Nothing is skipped: so many fields have the dataclasses, and all kinds of value are among them."""
    sections = [kind for name, kind in get_type_hints(Config).items() if name != "method"]
    kinds = [*sections, *METHOD_NAMES.values(), ClusterConfig]
    assert len(FIELDS) == sum(len(dataclasses.fields(kind)) for kind in kinds) > 100
    assert len({str(field) for field in FIELDS}) == len(FIELDS)
    assert {len(numbers_in(field.hint)) for field in FIELDS} == {0, 1}
    assert len([field for field in FIELDS if numbers_in(field.hint)]) > 60
    for field in FIELDS:
        assert bool(numbers_in(field.hint)) is bool(re.search(r"\b(int|float)\b", str(field.hint))), field


def test_a_field_of_an_unknown_type_cannot_be_added() -> None:
    @dataclasses.dataclass(frozen=True)
    class Odd:
        when: complex = 1j

    with pytest.raises(TypeError, match="no rule for a field of the type"):
        check_fields(Odd(), "odd")


@pytest.mark.parametrize(("values", "words"), [
    ({"view.rotation": 181}, "view.rotation must be at most 180"),
    ({"view.scale": 1.0}, r"view.scale must lie in \[0, 1\)"),
    ({"view.flip_probability": 1.1}, "view.flip_probability must be at most 1"),
    ({"data.sigma": 0}, "data.sigma must lie between 0.1 and the shorter side of the heatmaps, 48 cells"),
    ({"data.sigma": 49}, "data.sigma must lie between"), ({"data.sigma": 1e-9}, "data.sigma must lie between"),
    ({"data.max_left_out": 1.5}, "data.max_left_out must be at most 1"),
    ({"data.val_count": 0}, "data.val_count must be at least 1"),
    ({"data.labeled_count": 0}, "data.labeled_count must be at least 1"),
    ({"data.input_size": [0, 64]}, "data.input_size must be multiples of 32"),
    ({"data.input_size": [10**9, 10**9]}, "data.input_size must be a list, each of its values at most 4096"),
    ({"data.input_size": [4128, 64]}, "data.input_size must be a list, each of its values at most 4096"),
    ({"data.drawn_people": 10**9}, "data.drawn_people must be at most 1000000"),
    ({"model.head_channels": 10**6}, "model.head_channels must be at most 4096"),
    ({"train.batch_size": 10**6}, "train.batch_size must be at most 4096"),
    ({"eval.batch_size": 10**6}, "eval.batch_size must be at most 4096"),
    ({"method.paths": 10**6}, "method.paths must be at most 64"),
    ({"data.input_size": [100, 64]}, "data.input_size must be multiples of 32, got 100 64"),
    ({"data.input_size": [64, 100]}, "data.input_size must be multiples of 32, got 64 100"),
    ({"data.keypoints": ["nose", "nose"]}, "data.keypoints must name distinct keypoints"),
    ({"data.keypoints": []}, "data.keypoints must name distinct keypoints"),
    ({"model.levels": 0}, "model.levels must be 1, 2 or 3, got 0"),
    ({"model.levels": 4}, "model.levels must be 1, 2 or 3, got 4"),
    ({"data.input_size": [64, 64, 64]}, r"data.input_size must be a list of 2, such as \[a, b\]"),
    ({"model.backbones": "resnet18"}, r"model.backbones must be a list, such as \[a, b\], got 'resnet18'"),
    ({"model.backbones": []}, "model.backbones needs at least one name"),
    ({"model.backbones": ["vgg"]}, "model.backbones must be one of resnet_tiny, .*, got .*vgg"),
    ({"model.head_channels": 0}, "model.head_channels must be at least 1"),
    ({"method.confidence_threshold": 9}, "method.confidence_threshold must be at most 1"),
    ({"method.patch_half_size": [5, 3]}, "method.patch_half_size must rise"),
    ({"method.patch_half_size": [0, 3]}, "method.patch_half_size must be a list, each of its values at least 1"),
    ({"method.patch_half_size": [5, 129]}, "method.patch_half_size must be a list, each of its values at most 128"),
    ({"method.paths": 0}, "method.paths must be at least 1"),
    ({"method.ema_momentum_b": 1.0}, r"method.ema_momentum_b must lie in \[0, 1\), got 1.0"),
    ({"method.ema_momentum": 1}, r"method.ema_momentum must lie in \[0, 1\)"),
    ({"train.learning_rate": 0}, "train.learning_rate must be positive"),
    ({"train.lr_drops": [0.5, 1.5]}, r"train.lr_drops are shares of the run in \(0, 1\]"),
    ({"train.seed": 2**53 + 1}, "train.seed must be at most 9007199254740992"),
    ({"eval.every": 0}, "eval.every must be at least 1"),
    ({"eval.batch_size": 0}, "eval.batch_size must be at least 1"),
])
def test_a_value_out_of_range_is_refused_and_the_field_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        configs.change(Config(), values)


@pytest.mark.parametrize("scales", [[], [0.01], [0.0, 1.0], [11]])
def test_sizes_at_which_nothing_can_be_labeled_are_refused(scales: list[float]) -> None:
    config = Config(method=configs.DataDistillConfig())
    with pytest.raises(InputError, match=r"method\.scales (must|needs)"):
        configs.change(config, {"method.scales": scales})


def test_a_config_takes_no_more_backbones_than_the_method_has_networks() -> None:
    three = configs.ModelConfig(backbones=("resnet18",) * 3)
    for kind, taken in (("trs", 2), ("dual", 2), ("sspcm", 3), ("single", 2), ("pseudo_pose", 2)):
        method = METHOD_NAMES[kind]()
        assert Config(model=configs.ModelConfig(backbones=("resnet18",) * taken), method=method).method == method
        more = configs.ModelConfig(backbones=("resnet18",) * (taken + 1))
        with pytest.raises(InputError, match=f"model.backbones names {taken + 1} backbones, but {kind} trains "
                                             f"{len(method.peers)} networks"):
            Config(model=more, method=method)
    # The reference of a search stands beside its trials, on the same settings.
    assert Config(model=three, method=configs.SupervisedConfig()).model == three


def test_the_number_of_peers_is_the_methods_own() -> None:
    assert {name: len(kind().peers) for name, kind in METHOD_NAMES.items() if kind().peers != ("a",)} == {
        "dual": 2, "sspcm": 3, "trs": 2}
    assert SupervisedConfig(networks=3).peers == ("a", "b", "c")
    assert all(issubclass(kind, MethodSettings) for kind in typing.cast(Any, METHOD_NAMES).values())


def test_sections_are_of_their_kind() -> None:
    for section, kind in (("data", "DataConfig"), ("view", "ViewConfig"), ("model", "ModelConfig"),
                          ("method", "MethodSettings"), ("train", "TrainConfig"), ("eval", "EvalConfig")):
        with pytest.raises(InputError, match=f"{section} must be a {kind}"):
            Config(**{section: None})  # type: ignore[arg-type]  # what a caller without a type checker may do


def test_a_message_is_short_whatever_the_value() -> None:
    nested: list[Any] = []
    for _ in range(60):
        nested = [nested, nested]
    for value in (nested, "x" * 10**6, 10**5000, {n: n for n in range(10**4)}, "\x1b[2J\n"):
        with pytest.raises(InputError) as error:
            configs.change(Config(), {"train.batch_size": value})
        assert len(str(error.value)) < 400 and str(error.value).isprintable()
        assert len(checks.shown(value)) < 400


@pytest.mark.parametrize(("method", "weight"), [
    (TRSConfig(), 1.0), (TRSConfig(reviewers=False), 0.5), (TRSConfig(reviewer_role="both"), 1.5),
    (TRSConfig(paths=2, unsup_weight=0.25), 1.0), (configs.DualConfig(), 2.0), (configs.SSPCMConfig(), 2.0),
    (configs.MeanTeacherConfig(), 1.0), (SupervisedConfig(), 0.0), (configs.PseudoPoseConfig(unsup_weight=3.0), 3.0)])
def test_the_weight_of_unlabeled_images_is_that_of_all_targets(method: MethodSettings, weight: float) -> None:
    assert method.consistency_weight == weight
