"""A guard of the code, and what the code is without it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A change that a test must notice.

    name: what is taken out, or turned around.
    file: that is changed, from the top folder.
    before: a text that stands in the file once.
    after: what stands there in the mutant.
    tests: what must fall: arguments of pytest, the narrowest that there are.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> str:
        """The file below this folder as the mutant has it.

        Raises:
            ValueError: the text is not there, stands there more than once, or what comes out is no Python.
        """
        text = (root / self.file).read_text()
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"the text stands {count} times in {self.file}, not once: {self.before!r}")
        mutated = text.replace(self.before, self.after)
        if self.file.endswith(".py"):
            compile(mutated, self.file, "exec")
        return mutated


def in_file(file: str, tests: str, *changes: tuple[str, str, str, str]) -> list[Mutant]:
    """Mutants of one file: name, before, after, and the names of the test functions, with spaces between.

    Args:
        file: that is changed.
        tests: the file of the tests, where a function's name says no other.
        changes: as above; without a function's name the whole file of tests is run.
    """
    return [Mutant(name, file, before, after, tuple(_node(tests, function) for function in functions.split() or [""]))
            for name, before, after, functions in changes]


def _node(file: str, function: str) -> str:
    return function if "/" in function else f"{file}::{function}" if function else file
