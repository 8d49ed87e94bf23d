"""A `Config` as plain values and as a YAML file, and back."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from trs.config.before import VERSION, of_today
from trs.config.checks import refusal, require, shown
from trs.config.methods import METHOD_NAMES, MeanTeacherConfig, MethodConfig
from trs.config.training import Config
from trs.errors import InputError, printable
from trs.files import read_text, write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Section = TypeVar("Section", bound=DataclassInstance)

_SECTIONS = get_type_hints(Config)
_LONGEST = 1 << 20
"""Bytes of the longest config that is read."""


def to_dict(config: Config) -> dict[str, Any]:
    """The config as plain numbers, strings, lists and dictionaries, fit for YAML and JSON."""
    return {"version": VERSION,
            **{name: plain_section(getattr(config, name)) if name != "method" else
               {"name": config.method.name, **plain_section(config.method)} for name in _SECTIONS}}


def plain_section(settings: DataclassInstance) -> dict[str, Any]:
    """A section as plain values."""
    plain = dict(vars(settings))
    for name in _lists(type(settings)):
        if plain[name] is not None:
            plain[name] = list(plain[name])
    return plain


def from_dict(plain: Mapping[str, Any]) -> Config:
    """The config that `to_dict` wrote, or that a file holds; where the training ran is left out.

    Nothing is turned into something else, with one exception: a whole number may stand where any number may. So 6.0 is
    no whole number, and "false" is text.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, named.
    """
    learned = sections(plain)[0]
    made: dict[str, Any] = {}
    for name, value in learned.items():
        if name not in _SECTIONS:
            raise InputError(f"a config has no section {shown(name)}{_nearest(name, _SECTIONS)}; it has "
                             f"{', '.join(_SECTIONS)} and cluster")
        made[name] = _method(value) if name == "method" else section(_SECTIONS[name], value, name)
    return Config(**made)


def section(kind: type[Section], plain: object, where: str) -> Section:
    """A section of a file as its dataclass, which checks what its fields hold.

    Args:
        kind: the dataclass.
        plain: what the file holds.
        where: the section's name.

    Raises:
        InputError: see `from_dict`.
    """
    return kind(**_read(kind, plain, where))


def change(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with some fields set, by their dotted names such as `train.learning_rate`.

    Raises:
        InputError: a field that does not exist, or a value that it does not take.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        where, _, field = name.partition(".")
        if where not in _SECTIONS or not field:
            raise InputError(f"there is no setting {shown(name)}")
        changes.setdefault(where, {})[field] = value
    changed: dict[str, Any] = {}
    for where, fields in changes.items():
        before = getattr(config, where)
        changed[where] = dataclasses.replace(before, **_read(type(before), fields, where))
    return dataclasses.replace(config, **changed)


def _read(kind: type[DataclassInstance], plain: object, where: str) -> dict[str, Any]:
    """Values of a file, as the fields of a section hold them."""
    if not isinstance(plain, Mapping):
        raise InputError(f"the section {where} must hold fields, such as {next(iter(_readers(kind)), 'name')}, got "
                         f"{shown(plain)}")
    readers, values = _readers(kind), {}
    for name, value in plain.items():
        if name not in readers:
            raise InputError(f"there is no setting {where}.{printable(str(name))}{_nearest(name, readers)}")
        try:
            values[name] = readers[name](value)
        except _Unfit as unfit:
            raise refusal(f"{where}.{name}", str(unfit), value) from None
    return values


def _method(plain: object) -> MethodConfig:
    if not isinstance(plain, Mapping):
        raise InputError(f"the section method must hold a name and fields, got {shown(plain)}")
    fields = dict(plain)
    name = fields.pop("name", None)
    if not isinstance(name, str) or name not in METHOD_NAMES:
        raise InputError(f"there is no method {shown(name)}; method.name must be one of {', '.join(METHOD_NAMES)}")
    kind = METHOD_NAMES[name]
    if kind is MeanTeacherConfig and "teacher_mode" in fields:  # 0.1 wrote it, and nothing has ever read it
        require(fields.pop("teacher_mode") == "train", "method.teacher_mode has no effect on mean_teacher, whose "
                "teacher is an average: leave it out, or set method.reviewer_mode")
    return section(kind, fields, "method")


class _Unfit(Exception):
    """What a value would have to be."""


@functools.cache
def _readers(kind: type[DataclassInstance]) -> dict[str, Callable[[Any], Any]]:
    """How the fields of a dataclass are read from plain values; made once, as it takes a while."""
    hints = get_type_hints(kind)
    return {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}


@functools.cache
def _lists(kind: type[DataclassInstance]) -> list[str]:
    """Names of the fields that hold lists, or may."""
    hints = get_type_hints(kind)
    return [field.name for field in dataclasses.fields(kind)
            if any(get_origin(hint) is tuple for hint in (hints[field.name], *get_args(hints[field.name])))]


def _reader(hint: object) -> Callable[[Any], Any]:
    """How a value of this annotation is read; what does not fit is passed on for the dataclass to refuse."""
    origin, of = get_origin(hint), get_args(hint)
    if hint is float:
        return _read_number
    if origin is Literal:
        return functools.partial(_read_name, of)
    if origin is tuple:
        return functools.partial(_read_list, _reader(of[0]))
    if origin in (Union, UnionType):
        return functools.partial(_read_optional, _reader(of[0]))
    return _read_as_it_is


def _read_as_it_is(value: Any) -> Any:
    return value


def _read_number(value: Any) -> Any:
    try:
        return float(value) if type(value) is int else value
    except OverflowError:
        return value


def _read_name(names: Collection[str], value: Any) -> Any:
    if value not in names:
        raise _Unfit(f"one of {', '.join(names)}")
    return value


def _read_list(of_one: Callable[[Any], Any], value: Any) -> Any:
    return tuple(map(of_one, value)) if isinstance(value, list | tuple) else value


def _read_optional(of_one: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else of_one(value)


def _nearest(name: object, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1) if isinstance(name, str) else []
    return f", did you mean {near[0]}?" if near else ""


MACHINES = ("use_gpu", "cpus_per_worker", "data_cpus", "min_workers", "resize_seconds", "checkpoint_every",
             "max_failures")
"""What 0.1 had in `train`, before there was a section `cluster`: its files and its options are still read."""


def sections(plain: object) -> tuple[dict[str, Any], Any]:
    """What a file says of what a training learns, and of where it runs, which is not this library's business to check.

    Raises:
        InputError: it holds no sections.
    """
    if not isinstance(plain, Mapping):
        raise InputError(f"no config, which has sections such as data, model and method: {shown(plain)}")
    plain = of_today(plain, _SECTIONS)
    train, cluster = plain.get("train"), plain.get("cluster") or {}
    if isinstance(train, Mapping) and isinstance(cluster, Mapping):
        cluster = {name: train[name] for name in MACHINES if name in train} | dict(cluster)
        train = {name: value for name, value in train.items() if name not in MACHINES}
    learned = {name: train if name == "train" else value for name, value in plain.items() if name != "cluster"}
    return learned, cluster


def save(config: Config, path: Path) -> None:
    """Write the config as YAML."""
    write_text(path, yaml.safe_dump(to_dict(config), sort_keys=False))


def load(path: Path) -> Config:
    """Read the config of a file.

    Raises:
        InputError: the file is missing, is not YAML, or holds no valid config.
    """
    return of_file(path, "config", from_dict)


Made = TypeVar("Made")


def of_file(path: Path, what: str, make: Callable[[Any], Made]) -> Made:
    """Make something of what a YAML file holds.

    Args:
        path: of the file.
        what: it should hold, in a word, for a message.
        make: makes it; its `InputError` gets the file's name.

    Raises:
        InputError: the file is missing, is no regular file, no plain YAML, or `make` refuses what it holds.
    """
    name = printable(str(path))
    try:
        plain = parse_yaml(read_text(path, _LONGEST))
    except OSError as error:
        raise InputError(f"cannot read the {what} {name}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{name} is not plain YAML: {error}") from error
    try:
        return make(plain)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def parse_yaml(text: str) -> object:
    """Read plain YAML: numbers, text, lists and maps.

    Tags that build objects are refused, as are repeated parts (`&name` and `*name`), which a few lines can unfold into
    terabytes, and keys that stand twice, the first of which would do nothing. 1e-4 is a number here, as in YAML 1.2,
    and what YAML 1.1 alone takes for one, in base 8 or 60, is text.

    Raises:
        ValueError: it is none; the message says why, in a line.
    """
    try:
        return yaml.load(text, _Loader)  # a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{printable(error.problem or 'it is malformed')}{line}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except Exception as error:  # PyYAML lets through what Python says of such as 2000-99-99 and !!int x
        raise ValueError(printable(str(error).partition("\n")[0]) or "it is malformed") from error


_OCTAL = re.compile(r"[-+]?0[0-9_]+")
"""A number of YAML 1.1 that people mean otherwise: it reads 010 as 8. So it does 1:30, as 90."""


class _Loader(yaml.SafeLoader):
    """PyYAML's loader of plain values."""

    def whole_number(self, node: yaml.ScalarNode) -> int | str:
        """Make a whole number, or leave the text."""
        text: str = self.construct_scalar(node)
        return text if _OCTAL.fullmatch(text) or ":" in text else self.construct_yaml_int(node)

    def number(self, node: yaml.ScalarNode) -> float | str:
        """Make a number, or leave the text."""
        text: str = self.construct_scalar(node)
        return text if ":" in text else self.construct_yaml_float(node)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose the next node, unless it repeats another."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="a part is repeated by *, write it out",
                                       problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a map, unless a key stands twice."""
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key stands twice in the map that begins",
                                       problem_mark=node.start_mark)
        return mapping


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
                              list("-+0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)
