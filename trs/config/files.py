"""A `Config` as plain values and as a YAML file, and back."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cattrs
import cattrs.strategies
import yaml

from trs.config.checks import require
from trs.config.methods import METHOD_NAMES, MethodConfig
from trs.config.training import Config
from trs.errors import InputError
from trs.files import write_whole


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True,
                                 unstruct_collection_overrides={tuple: list})
    names = {kind: name for name, kind in METHOD_NAMES.items()}
    cattrs.strategies.configure_tagged_union(
        MethodConfig, converter, tag_name="name", tag_generator=lambda kind: names[kind])
    return converter


def to_dict(config: Config) -> dict[str, Any]:
    """The config as plain numbers, strings, lists and dictionaries, fit for YAML and JSON."""
    plain: dict[str, Any] = _converter().unstructure(config)
    return plain


def from_dict(plain: dict[str, Any]) -> Config:
    """The config that `to_dict` wrote.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, named.
    """
    try:
        return _converter().structure(plain, Config)
    except Exception as error:
        reasons = "; ".join(cattrs.transform_error(error, format_exception=_reason))
        raise InputError(f"not a valid config: {reasons}") from error


def _reason(error: BaseException, kind: type | None) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyError):
        return f"there is no method {error}; there are {', '.join(METHOD_NAMES)}"
    return cattrs.v.format_exception(error, kind)


def save(config: Config, path: Path) -> None:
    """Write the config as YAML."""
    write_whole(path, yaml.safe_dump(to_dict(config), sort_keys=False))


def load(path: Path) -> Config:
    """Read a config that `save` wrote; only plain YAML is read, tags that build objects are refused.

    Raises:
        InputError: the file is missing, is not YAML, or holds no valid config.
    """
    try:
        plain = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise InputError(f"cannot read the config {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not plain YAML: {str(error).splitlines()[0]}") from error
    require(isinstance(plain, dict), f"{path} holds no config: expected keys such as data, model, method")
    return from_dict(plain)
