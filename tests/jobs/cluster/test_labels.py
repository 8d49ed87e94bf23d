"""Nodes chosen by their labels; that Ray chooses the same ones is seen in tests/faults/test_labels.py."""

from __future__ import annotations

import pytest

from jobs.cluster.labels import is_chosen, label_selector
from jobs.config import ClusterConfig
from trs.errors import InputError


@pytest.mark.parametrize("word", ["zone", "=a", "zone=", "zone=in()", "zone=in(a, b)", "zone=in(a", "zone=a b",
                                  "zone==a", "zone=-a", "a/b/c=1", "a//b=1", "zone=\u00e9", "zone=" + 64 * "a"])
def test_what_ray_would_not_take_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="is not like name=value"):
        ClusterConfig(node_labels=(word,))


def test_a_label_is_named_once() -> None:
    with pytest.raises(InputError, match=r"must name each label once; several values are written name=in\(a,b\)"):
        ClusterConfig(node_labels=("zone=a", "zone=b"))


def test_all_labels_must_be_as_they_are_asked_for() -> None:
    words = ("zone=in(a,b)", "example.org/team=!other")
    assert label_selector(words) == {"zone": "in(a,b)", "example.org/team": "!other"}
    assert is_chosen(words, {"zone": "a"}) and is_chosen(words, {"zone": "b", "example.org/team": "ours"})
    assert not is_chosen(words, {"zone": "c"}) and not is_chosen(words, {})
    assert not is_chosen(words, {"zone": "a", "example.org/team": "other"})
