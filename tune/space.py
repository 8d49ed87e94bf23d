"""What is searched: config fields by their dotted names, and Optuna's distributions over them."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from trs.config import Config, DataConfig, change
from trs.errors import InputError

Space = dict[str, BaseDistribution]
Values = dict[str, Any]

_EXPONENTIAL = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_DEFAULT_RANGES = ("method.ema_momentum=0.9,0.97,0.99,0.997,0.999,0.9995", "method.unsup_weight=0.1..10:log",
                   "method.mix_count=0..9", "method.confidence_threshold=0..0.8")


def default_space(config: Config, widened: Space) -> Space:
    """Search what the method has of EMA momentum, loss weight, mix count and, if it uses one, confidence threshold.

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
    """Read distributions in the command line's notation.

    `name=low..high` is a range (whole numbers if both ends are), `name=low..high:log` a logarithmic one, and
    `name=a,b,c` a choice.

    Raises:
        InputError: a line in no such form.
    """
    return dict(_parse(line) for line in lines)


def load_space(path: Path) -> Space:
    """Read a space from a YAML file that maps names to the same notation, `method.mix_count: 0..9`.

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
    """Take the default space, or that of a file, with further or other ranges from the command line.

    Raises:
        InputError: a range that cannot be read, nothing to search, or what `check_space` refuses.
    """
    widened = parse_space(lines)
    space = (load_space(file) if file else default_space(config, widened)) | widened
    check_space(config, space)
    return space


def describe(space: Space) -> dict[str, str]:
    """Write the space in the notation that `parse_space` reads."""
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
    """Read a value as YAML, and numbers such as 1e-4, which YAML 1.1 takes for a string for want of a point."""
    return float(text) if _EXPONENTIAL.fullmatch(text) else yaml.safe_load(text)


def _describe(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ",".join("null" if choice is None else str(choice) for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low}..{distribution.high}" + (":log" if distribution.log else "")


def get(config: Config, name: str) -> Any:
    """Look up the value of a field by its dotted name.

    Raises:
        InputError: there is no such field; the message suggests the nearest.
    """
    names = _field_names(config)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise InputError(f"there is no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    section, _, field = name.partition(".")
    return getattr(getattr(config, section), field)


def check_space(config: Config, space: Space) -> None:
    """Find what would fail in a trial, or change nothing, before the first one starts.

    Raises:
        InputError: a field that does not exist or that all trials share, or a value that its field does not take.
    """
    for name, distribution in space.items():
        get(config, name)
        if _is_shared(config, name):
            raise InputError(f"{name} cannot be searched: all trials of a search share their people, their length and "
                             "their resources; start a search for each value")
        for value in _ends(distribution):
            change(config, {name: value})


def _is_shared(config: Config, name: str) -> bool:
    """Say whether trainings that are compared must agree in a field: in the data, unless the field says otherwise."""
    section, _, field = name.partition(".")
    group = getattr(config, section)
    metadata = {each.name: each.metadata for each in dataclasses.fields(group)}[field]
    return bool(metadata.get("shared", isinstance(group, DataConfig)))


def _ends(distribution: BaseDistribution) -> Sequence[Any]:
    """Give all choices, or the lowest and the highest value."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.low, distribution.high


def paper_defaults(config: Config, space: Space) -> Values:
    """Give the first trial's values: the method's own defaults, the paper's, and the config's values of other fields.

    Raises:
        InputError: a value lies outside of its range, or the field does not exist.
    """
    config = dataclasses.replace(config, method=type(config.method)())
    values = {name: get(config, name) for name in space}
    for name, distribution in space.items():
        if not _contains(distribution, values[name]):
            raise InputError(f"the search range {name}={_describe(distribution)} must contain the default, "
                             f"{values[name]}, since that is the first trial")
    return values


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    ends = _ends(distribution)
    if isinstance(distribution, CategoricalDistribution):
        return value in ends
    return isinstance(value, int | float) and ends[0] <= value <= ends[1]


def _field_names(config: Config) -> list[str]:
    return [f"{group.name}.{field.name}" for group in dataclasses.fields(config)
            for field in dataclasses.fields(typing.cast(Any, getattr(config, group.name)))]
