"""Releases that were tested, and others."""

from __future__ import annotations

from importlib import metadata

from packaging.specifiers import SpecifierSet

from jobs.cluster.node import PACKAGES
from jobs.cluster.versions import ranges, supported, untested

WANTED = {"Python": SpecifierSet(">=3.11,<3.14"), "torch": SpecifierSet(">=2.11,<2.16"),
          "ray": SpecifierSet(">=2.60,<2.61")}


def test_what_is_installed_here_was_tested() -> None:
    """And everything that a node is asked for has its range."""
    wanted = supported()
    assert {"Python", *PACKAGES} <= wanted.keys()
    assert untested({package: metadata.version(package) for package in PACKAGES}, wanted) is None


def test_an_installed_package_says_the_same_without_what_its_extras_want() -> None:
    installed = metadata.metadata("trs")
    wanted = ranges(installed.get_all("Requires-Dist") or (), installed["Requires-Python"])
    assert {"Python", *PACKAGES} <= wanted.keys() and "pytest" not in wanted


def test_other_releases_are_told_with_the_remedy() -> None:
    fine: dict[str, str | None] = {"Python": "3.11.2", "torch": "2.15.0+cpu", "ray": "2.60.1", "optuna": None}
    assert untested({**fine, "Python": "3.13.1+"}, WANTED) is None
    assert "torch of-ours is not of the releases" in str(untested({**fine, "torch": "of-ours"}, WANTED))
    assert untested(fine, WANTED) is None and untested({**fine, "torch": "2.15.0.dev20260101"}, WANTED) is None
    assert untested({**fine, "torch": "2.9.1+cu126"}, WANTED) == (
        "torch 2.9.1+cu126 is not of the releases that were tested (<2.16,>=2.11); "
        "`pip install 'torch<2.16,>=2.11'` on every node has them")
    assert str(untested({**fine, "Python": "3.14.0", "torch": None}, WANTED)).endswith(
        "(<3.14,>=3.11); an environment of another Python on every node has them")
