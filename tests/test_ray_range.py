"""Which releases of Ray the gate is run on."""

from __future__ import annotations

from tests.ray_range import ROOT, wanted


def test_the_range_is_that_of_the_package() -> None:
    oldest, newest = wanted((ROOT / "setup.cfg").read_text())
    assert oldest.endswith(".*") and newest.startswith("ray<") and oldest[5:-2] in newest


def test_both_ends_are_asked_for() -> None:
    setup = "[options]\ninstall_requires =\n    torch>=2\n    # a word\n    ray[data,train]>=2.57,<2.61\n"
    assert wanted(setup) == ["ray==2.57.*", "ray<2.61,>=2.57"]
