"""Whether Python and what this project stands on are of the releases that it was tested with."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

_CHECKOUT = Path(__file__).resolve().parents[2] / "setup.cfg"
"""It travels with the code of a submitted job too, where nothing of ours is installed."""


def supported() -> dict[str, SpecifierSet]:
    """The releases that setup.cfg names, by package, Python among them; nothing where its words are not at hand."""
    if _CHECKOUT.is_file():
        config = configparser.ConfigParser()
        config.read(_CHECKOUT, "utf-8")
        return ranges(config["options"]["install_requires"].splitlines(), config["options"]["python_requires"])
    try:
        installed = metadata.metadata("trs")
    except metadata.PackageNotFoundError:
        return {}
    return ranges(installed.get_all("Requires-Dist") or (), str(installed["Requires-Python"]))


def ranges(lines: Iterable[str], python: str) -> dict[str, SpecifierSet]:
    """What requirements say, by package; those of extras, which none of the commands needs, are left out."""
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {"Python": SpecifierSet(python), **{each.name: each.specifier for each in found if each.marker is None}}


def untested(versions: Mapping[str, str | None], wanted: Mapping[str, SpecifierSet]) -> str | None:
    """What is of another release than those that were tested, in a sentence with the remedy, or None.

    Args:
        versions: of Python and packages that are installed; None where one is absent.
        wanted: see `supported`.
    """
    others = {name: version for name, version in versions.items() if version is not None and name in wanted
              and not _is_of(version, wanted[name])}
    if not others:
        return None
    said = ", ".join(f"{name} {version} is not of the releases that were tested ({wanted[name]})"
                     for name, version in others.items())
    asked = " ".join(f"'{name}{wanted[name]}'" for name in others if name != "Python")
    remedy = f"`pip install {asked}`" if asked else "an environment of another Python"
    return f"{said}; {remedy} on every node has them"


def _is_of(version: str, wanted: SpecifierSet) -> bool:
    """Whether a version is of these releases; a Python that was built between two of them calls itself `3.13.1+`."""
    try:
        return wanted.contains(Version(version.removesuffix("+")), prereleases=True)
    except InvalidVersion:
        return False
