"""Which nodes a training may run on, by their labels, in the words of Ray's own selectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.config import NODE_LABEL


def label_selector(words: Sequence[str]) -> dict[str, str]:
    """`ClusterConfig.node_labels` as Ray takes them: a label's name and what its value must be."""
    return dict(word.split("=", 1) for word in words)


def is_chosen(words: Sequence[str], labels: Mapping[str, str]) -> bool:
    """Whether Ray would place on a node with these labels; one that lacks a label has none of its values."""
    return all(_has(word, labels) for word in words)


def _has(word: str, labels: Mapping[str, str]) -> bool:
    parts = NODE_LABEL.fullmatch(word)
    if parts is None:
        raise ValueError(f"{word!r} is no label")
    name, negated, value, values = parts.groups()
    wanted = [value] if value else values.split(",")
    return (labels.get(name) in wanted) != bool(negated)
