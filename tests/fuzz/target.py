"""What every kind of damaged file is owed: to be read as what it is, or to be refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Protocol

from trs.errors import InputError


class Target(Protocol):
    """Something that reads files.

    most_bytes: of memory that a case may take.
    written: the files of the latest case, by name.
    """

    most_bytes: int
    written: dict[str, bytes]

    def check(self, random: Random) -> bool:
        """Make a case, read it, and say whether it was accepted; an AssertionError, or any other, is a finding."""


MakeTarget = Callable[[Path], Target]
"""Makes a target that writes its files into a folder."""


def require_sentence(error: Exception, *named: str) -> None:
    """An error's message is one printable line that names these."""
    message = str(error)
    assert message, f"{type(error).__name__} without a message"
    assert message.isprintable(), f"a message that is no printable line: {message!r}"
    assert len(message) < 5000, f"a message of {len(message)} characters: {message[:300]}"
    for name in named:
        assert name in message, f"a message that does not name {name}: {message}"


def require_line(sentences: Iterable[str]) -> None:
    """Sentences of what was left out are printable lines."""
    for sentence in sentences:
        assert sentence.isprintable(), f"no printable line: {sentence!r}"
        assert len(sentence) < 20000, f"a line of {len(sentence)} characters: {sentence[:300]}"


def refused(error: InputError) -> bool:
    """Whether a file was accepted, which it was not; the refusal is a sentence."""
    require_sentence(error)
    return False


def require_scores(numbers: dict[str, float | None]) -> None:
    """Each number is a finite one from 0 to 1, or None."""
    assert len(numbers) == 10
    for name, value in numbers.items():
        assert value is None or (type(value) is float and math.isfinite(value) and 0 <= value <= 1), f"{name} = {value}"
