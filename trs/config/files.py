"""A `Config` as plain values and as a YAML file, and back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cattrs
import cattrs.strategies
import yaml

from trs.config.checks import require
from trs.config.methods import METHOD_NAMES, MethodConfig, MethodSettings
from trs.config.training import Config
from trs.errors import InputError
from trs.files import write_text


@functools.cache
def converter() -> cattrs.Converter:
    """The one converter of a process, between dataclasses and plain values; to make one takes milliseconds."""
    made = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True,
                            unstruct_collection_overrides={tuple: list})
    cattrs.strategies.configure_tagged_union(
        MethodConfig, made, tag_name="name", tag_generator=_name_of)
    return made


def _name_of(kind: type[MethodSettings]) -> str:
    return kind.name


def to_dict(config: Config) -> dict[str, Any]:
    """The config as plain numbers, strings, lists and dictionaries, fit for YAML and JSON."""
    plain: dict[str, Any] = converter().unstructure(config)
    return plain


def from_dict(plain: dict[str, Any]) -> Config:
    """The config that `to_dict` wrote, or that a file holds; where the training ran is left out.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, named.
    """
    try:
        return converter().structure(sections(plain)[0], Config)
    except Exception as error:
        raise explain(error) from error


def change(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with some fields set, by their dotted names such as `train.learning_rate`.

    Raises:
        InputError: a field that does not exist, or a value that it does not take.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, field = name.partition(".")
        changes.setdefault(section, {})[field] = value
    changed: dict[str, Any] = {}
    for section, fields in changes.items():
        if not hasattr(config, section) or "" in fields:
            raise InputError(f"there is no setting {section}.{next(iter(fields))}".rstrip("."))
        kind = type(getattr(config, section))
        try:
            changed[section] = converter().structure(
                converter().unstructure(getattr(config, section)) | fields, kind)
        except Exception as error:
            raise explain(error, f"{section}: ") from error
    return dataclasses.replace(config, **changed)


MACHINES = ("use_gpu", "cpus_per_worker", "data_cpus", "min_workers", "resize_seconds", "checkpoint_every",
             "max_failures")
"""What 0.1 had in `train`, before there was a section `cluster`: its files and its options are still read."""


def sections(plain: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a file says of what a training learns, and of where it runs, which is not this library's business."""
    train, cluster = plain.get("train"), plain.get("cluster") or {}
    require(isinstance(cluster, dict), "the section cluster must hold fields")
    if isinstance(train, dict):
        cluster = {name: train[name] for name in MACHINES if name in train} | cluster
        train = {name: value for name, value in train.items() if name not in MACHINES}
    learned = {name: train if name == "train" else value for name, value in plain.items() if name != "cluster"}
    return learned, cluster


def explain(error: Exception, where: str = "") -> InputError:
    """What a converter found wrong, in a sentence."""
    if isinstance(error, InputError):
        return error
    reasons = "; ".join(cattrs.transform_error(error, format_exception=_reason))
    return InputError(f"not a valid config: {where}{reasons}")


def _reason(error: BaseException, kind: type | None) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyError):
        return f"there is no method {error}; there are {', '.join(METHOD_NAMES)}"
    return cattrs.v.format_exception(error, kind)


def save(config: Config, path: Path) -> None:
    """Write the config as YAML."""
    write_text(path, yaml.safe_dump(to_dict(config), sort_keys=False))


def load(path: Path) -> Config:
    """Read the config of a file.

    Raises:
        InputError: the file is missing, is not YAML, or holds no valid config.
    """
    return from_dict(read_yaml(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a config's file; only plain YAML is read, tags that build objects are refused.

    Raises:
        InputError: the file is missing, is not YAML, or holds no sections.
    """
    try:
        plain = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read the config {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not plain YAML: {str(error).splitlines()[0]}") from error
    require(isinstance(plain, dict), f"{path} holds no config: expected keys such as data, model, method")
    sections: dict[str, Any] = plain
    return sections
