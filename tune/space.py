"""What is searched: config fields by their dotted names, and Optuna's distributions over them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from trs.config import Config, DataConfig, MeanTeacherConfig, TRSConfig, change
from trs.config.checks import shown
from trs.config.effects import idle, require_effect
from trs.config.files import of_file, parse_yaml
from trs.errors import InputError, printable
from trs.schedule import ema_momentum

Space = dict[str, BaseDistribution]
Values = dict[str, Any]

_MOST_BITS = 64
_MIX, _ALPHA = "method.mix_count", "method.ema_momentum"
_DEFAULT_RANGES = ("method.ema_momentum=0.9,0.97,0.99,0.997,0.999,0.9995", "method.unsup_weight=0.1..4:log",
                   "method.mix_count=0,3,5,9", "method.confidence_threshold=0..0.8")
"""Mix counts are three of the four in the paper's Table VIII, and none at all; larger weights hold the heatmaps down
before they have learned anything (docs/searching.md)."""


def default_space(config: Config, widened: Space) -> Space:
    """Search what the method has of EMA momentum, loss weight, mix count and, if it uses one, confidence threshold.

    A method that has none of them searches what the user names, `widened`.

    Raises:
        InputError: the method has no default space, and nothing was named.
    """
    names = set(_field_names(config)) - idle(config).keys()
    if not getattr(config.method, "confidence_threshold", 0):
        names.discard("method.confidence_threshold")
    if isinstance(config.method, TRSConfig) and not config.method.reads_reviewers:
        names.discard(_ALPHA)
    space = {name: distribution for name, distribution in parse_space(list(_DEFAULT_RANGES)).items() if name in names}
    if not space and not widened:
        raise InputError("this method has no default search space; name one, such as "
                         "--space train.learning_rate=1e-4..1e-2:log")
    return space


def parse_space(lines: Iterable[str]) -> Space:
    """Read distributions in the command line's notation.

    `name=low..high` is a range (whole numbers if both ends are), `name=low..high:log` a logarithmic one, and
    `name=a,b,c` a choice.

    Raises:
        InputError: a line in no such form, or two for one field.
    """
    space: Space = {}
    for line in lines:
        name, _, text = (part.strip() for part in line.partition("="))
        if name in space:
            raise InputError(f"the search range of {name} is given twice")
        space[name] = _read(name, text, line)
    return space


def load_space(path: Path) -> Space:
    """Read a space from a YAML file that maps names to the same notation, `method.mix_count: 0..9`, or to lists.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    return of_file(path, "search space", space_of)


def space_of(content: object) -> Space:
    """Read distributions from what a file holds: a map from names to ranges in the notation, or to lists of choices.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(content, dict) or not content:
        raise InputError("a search space maps names to ranges, such as 'method.mix_count: 0..9'")
    space: Space = {}
    for name, value in content.items():
        line = f"{printable(str(name))}={shown(value)}"
        space[str(name)] = _read(str(name), value, line) if isinstance(value, str) else _choice(
            str(name), value if isinstance(value, list) else [value], line)
    return space


def chosen_space(config: Config, lines: list[str], file: Path | None) -> Space:
    """Take the default space, or that of a file, with further or other ranges from the command line.

    Raises:
        InputError: a range that cannot be read or has no effect, nothing to search, or what `check_space` refuses.
    """
    widened = parse_space(lines)
    space = (load_space(file) if file else default_space(config, widened)) | widened
    require_effect(space, config, *check_space(config, space))
    return space


def parse_values(line: str) -> Values:
    """Read the settings of one trial, in the command line's notation `name=value name=value`.

    Raises:
        InputError: a part in no such form, or two for one field.
    """
    values: Values = {}
    for part in line.split():
        name, _, text = part.partition("=")
        if not name or not text or name in values:
            raise InputError(f"cannot read the settings {shown(line)}; write name=value name=value, each name once")
        try:
            values[name] = parse_yaml(text)
        except ValueError as error:
            raise InputError(f"cannot read the settings {shown(line)}: {error}") from error
    return values


def values_fault(config: Config, space: Space, values: Values) -> str | None:
    """What keeps settings from being a trial of a search, in words; those that are left out are sampled."""
    for name, value in values.items():
        if name not in space:
            return (f"{printable(name)}={shown(value)} sets what is not searched; searched are "
                    f"{', '.join(described(each, space[each]) for each in space)}")
        if not _takes(space[name], value):
            return f"{printable(name)}={shown(value)} does not lie in {described(name, space[name])}"
    try:
        change(config, values)
    except InputError as error:
        return str(error)
    return None


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    """Give a trial its value of a setting: what it was enqueued with, or what the sampler draws."""
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    else:
        assert isinstance(distribution, FloatDistribution)
        trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def _takes(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value is one of a distribution's, and of its type."""
    if isinstance(distribution, CategoricalDistribution):
        return any(isinstance(choice, bool) == isinstance(value, bool) and choice == value
                   for choice in distribution.choices)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return (is_whole or (isinstance(value, float) and isinstance(distribution, FloatDistribution))) and _contains(
        distribution, value)


def describe(space: Space) -> dict[str, str]:
    """Write the space in the notation that `parse_space` reads, for people."""
    return {name: _describe(distribution) for name, distribution in space.items()}


def to_plain(space: Space) -> dict[str, object]:
    """Write the space as `space_of` reads it, fit for YAML: a choice may be text that looks like something else."""
    return {name: list(distribution.choices) if isinstance(distribution, CategoricalDistribution) else
            _describe(distribution) for name, distribution in space.items()}


def _read(name: str, text: str, line: str) -> BaseDistribution:
    """Read the range or the choice that stands behind a name."""
    if not name or not text:
        raise _unreadable(line)
    try:
        if ".." not in text or "," in text:
            return _choice(name, [parse_yaml(choice) for choice in text.split(",") if choice.strip()], line)
        bounds, _, scale = text.partition(":")
        low, high = (_end(bound) for bound in bounds.split(".."))
        if scale not in ("", "log"):
            raise ValueError(f"the scale {shown(scale)} is not 'log'")
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=scale == "log")
        return FloatDistribution(low, high, log=scale == "log")
    except InputError:
        raise
    except (OverflowError, ValueError) as error:
        raise InputError(f"cannot read the search range {shown(line)}: {printable(str(error))}") from error


def _end(text: str) -> int | float:
    """Read an end of a range."""
    value = parse_yaml(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"its ends must be finite numbers, got {shown(value)}")
    return value


def _choice(name: str, values: list[Any], line: str) -> BaseDistribution:
    """A choice among single values that differ."""
    if not name or not values:
        raise _unreadable(line)
    if not all(isinstance(value, bool | int | float | str | None) for value in values):
        raise InputError(f"cannot read the search range {shown(line)}: choices are single values")
    if any(isinstance(value, int) and value.bit_length() > _MOST_BITS for value in values):
        raise InputError(f"cannot read the search range {shown(line)}: a whole number in it has more than {_MOST_BITS} "
                         "bits")
    if len(set(values)) < len(values):
        raise InputError(f"cannot read the search range {shown(line)}: a choice stands there twice")
    return CategoricalDistribution(values)


def _unreadable(line: str) -> InputError:
    return InputError(f"cannot read the search range {shown(line)}; write name=low..high, name=low..high:log or "
                      "name=a,b,c")


def _describe(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ",".join("null" if choice is None else str(choice) for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low}..{distribution.high}" + (":log" if distribution.log else "")


def described(name: str, distribution: BaseDistribution) -> str:
    """Write a range in the notation that `parse_space` reads, for a message."""
    return printable(f"{name}={_describe(distribution)}")


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


def check_space(config: Config, space: Space) -> list[Config]:
    """Find what would fail in a trial before the first one starts: both ends of each range and each choice are tried.

    Returns: the config with one of these values each.

    Raises:
        InputError: a field that does not exist or that all trials share, or a value that its field does not take, as a
            range of 0..9.5 for a whole number.
    """
    tried = []
    for name, distribution in space.items():
        get(config, name)
        if _is_shared(config, name):
            raise InputError(f"{name} cannot be searched: all trials of a search share their people, their length and "
                             "their resources; start a search for each value")
        for value in _ends(distribution):
            try:
                tried.append(change(config, {name: value}))
            except InputError as error:
                raise InputError(f"cannot search {described(name, distribution)}: {error}") from error
    return tried


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
            raise InputError(f"the search range {described(name, distribution)} must contain the default, "
                             f"{values[name]}, since that is the first trial")
    return values


def alike(config: Config, space: Space, steps: int) -> list[str]:
    """Say which values of the EMA's momentum train alike: those that its warm-up does not reach in so many steps."""
    searched, method = space.get(_ALPHA), config.method
    if searched is None or not isinstance(method, MeanTeacherConfig | TRSConfig) or steps < 1:
        return []
    reached = ema_momentum(steps - 1, 1.0, method.ema_warmup)
    beyond = sorted(float(alpha) for alpha in _ends(searched) if alpha is not None and float(alpha) >= reached)
    if isinstance(searched, CategoricalDistribution):
        which = f"{_ALPHA}={','.join(map(str, beyond))} train alike" if len(beyond) > 1 else None
    else:
        which = f"all {_ALPHA} above train alike" if beyond else None
    return [] if which is None else [f"the moving average's warm-up reaches {reached:.3f} in {steps:,} steps: {which}"]


def without_mixing(defaults: Values, space: Space) -> list[Values]:
    """The paper's defaults without Keypoint-Mix, if that is searched: the second trial.

    Whether mixing pays hangs on how large people are in their images; on drawn people nothing that is searched by
    default costs as much.
    """
    if _MIX not in space or defaults[_MIX] == 0 or not _contains(space[_MIX], 0):
        return []
    return [{**defaults, _MIX: 0}]


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    ends = _ends(distribution)
    if isinstance(distribution, CategoricalDistribution):
        return value in ends
    return isinstance(value, int | float) and ends[0] <= value <= ends[1]


def _field_names(config: Config) -> list[str]:
    return [f"{group.name}.{field.name}" for group in dataclasses.fields(config)
            for field in dataclasses.fields(typing.cast(Any, getattr(config, group.name)))]
