"""What is searched: config fields by their dotted names, and Optuna's distributions over them."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from trs import config as configs
from trs.config import Config
from trs.errors import InputError

Space = dict[str, BaseDistribution]
Values = dict[str, Any]

_EXPONENTIAL = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_DEFAULT_RANGES = ("method.ema_momentum=0.9,0.97,0.99,0.997,0.999,0.9995", "method.unsup_weight=0.1..10:log",
                   "method.mix_count=0..9", "method.confidence_threshold=0..0.8")


def default_space(config: Config, widened: Space) -> Space:
    """What the config's method has of EMA momentum, loss weight, mix count and, if it uses one, confidence threshold.

    A method that has none of them searches what the user names, `widened`.

    Raises:
        InputError: the method has no default space, and nothing was named.
    """
    method = config.method
    unused = {"method.mix_count": "keypoint_mix" not in getattr(method, "augment", ()),
              "method.confidence_threshold": not getattr(method, "confidence_threshold", 0)}
    names = set(_field_names(config)) - {name for name, is_unused in unused.items() if is_unused}
    space = {name: distribution for name, distribution in parse_space(list(_DEFAULT_RANGES)).items() if name in names}
    if not space and not widened:
        raise InputError("this method has no default search space; name one, such as "
                         "--space train.learning_rate=1e-4..1e-2:log")
    return space


def parse_space(lines: list[str]) -> Space:
    """Distributions from the command line's notation.

    `name=low..high` is a range (whole numbers if both ends are), `name=low..high:log` a logarithmic one, and
    `name=a,b,c` a choice.

    Raises:
        InputError: a line in no such form.
    """
    return dict(_parse(line) for line in lines)


def load_space(path: Path) -> Space:
    """A space from a YAML file that maps names to the same notation, `method.mix_count: 0..9`.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the search space {path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must map names to ranges, such as 'method.mix_count: 0..9'")
    return parse_space([f"{name}={_notation(value)}" for name, value in content.items()])


def chosen_space(config: Config, lines: list[str], file: Path | None) -> Space:
    """The default space, or that of a file, with further or other ranges from the command line.

    Raises:
        InputError: a range that cannot be read, or nothing to search.
    """
    widened = parse_space(lines)
    return (load_space(file) if file else default_space(config, widened)) | widened


def describe(space: Space) -> dict[str, str]:
    """The space in the notation that `parse_space` reads."""
    return {name: _describe(distribution) for name, distribution in space.items()}


def _notation(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _parse(line: str) -> tuple[str, BaseDistribution]:
    name, _, text = (part.strip() for part in line.partition("="))
    try:
        if name and ".." in text:
            bounds, _, scale = text.partition(":")
            low, high = (_value(bound) for bound in bounds.split(".."))
            if scale not in ("", "log"):
                raise ValueError(f"the scale {scale!r} is not 'log'")
            kind = IntDistribution if isinstance(low, int) and isinstance(high, int) else FloatDistribution
            return name, kind(low, high, log=scale == "log")
        choices = [_value(choice) for choice in text.split(",") if choice]
        if name and choices:
            return name, CategoricalDistribution(choices)
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the search range {line!r}: {error}") from error
    raise InputError(f"cannot read the search range {line!r}; write name=low..high, name=low..high:log or name=a,b,c")


def _value(text: str) -> Any:
    """What YAML reads; and numbers such as 1e-4, which YAML 1.1 takes for a string for want of a point."""
    return float(text) if _EXPONENTIAL.fullmatch(text) else yaml.safe_load(text)


def _describe(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ",".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low}..{distribution.high}" + (":log" if distribution.log else "")


def get(config: Config, name: str) -> Any:
    """The value of a field by its dotted name.

    Raises:
        InputError: there is no such field; the message suggests the nearest.
    """
    value: Any = config
    for part in name.split("."):
        if not (dataclasses.is_dataclass(value) and hasattr(value, part)):
            near = difflib.get_close_matches(name, _field_names(config), n=1)
            raise InputError(f"there is no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        value = getattr(value, part)
    return value


def apply(config: Config, values: Values) -> Config:
    """The config with these fields set.

    Raises:
        InputError: an unknown field, or a value that it does not take.
    """
    plain = configs.to_dict(config)
    for name, value in values.items():
        get(config, name)
        *groups, last = name.split(".")
        group = plain
        for part in groups:
            group = group[part]
        group[last] = value
    return configs.from_dict(plain)


_SHARED = ("data.", "train.workers", "train.use_gpu", "train.cpus_per_worker", "train.data_cpus", "train.epochs",
           "eval.metric")
_OWN = ("data.sigma", "data.input_size", "data.max_bad_images")


def check_space(config: Config, space: Space) -> None:
    """Find what would fail in a trial, or change nothing, before the first one starts.

    Raises:
        InputError: a field that all trials share, or a value that its field does not take.
    """
    for name, distribution in space.items():
        if name.startswith(_SHARED) and name not in _OWN:
            raise InputError(f"{name} cannot be searched: all trials of a search share their people, their length and "
                             "their resources; start a search for each value")
        ends = (distribution.choices if isinstance(distribution, CategoricalDistribution) else
                (distribution.low, distribution.high))
        for value in ends:
            apply(config, {name: value})


def paper_defaults(config: Config, space: Space) -> Values:
    """Where the search begins: the method's own defaults, the paper's, and the config's values of all other fields.

    Raises:
        InputError: a value lies outside of its range, or the field does not exist.
    """
    config = dataclasses.replace(config, method=type(config.method)())
    values = {name: get(config, name) for name in space}
    for name, distribution in space.items():
        try:
            inside = distribution._contains(distribution.to_internal_repr(values[name]))
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise InputError(f"the search range {name}={_describe(distribution)} must contain the default, "
                             f"{values[name]}, since that is the first trial")
    return values


def _field_names(config: Config) -> list[str]:
    return [f"{group.name}.{field.name}" for group in dataclasses.fields(config)
            for field in dataclasses.fields(typing.cast(Any, getattr(config, group.name)))]
