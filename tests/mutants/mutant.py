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
    """Mutants of one file.

    Args:
        file: that is changed.
        tests: the file of the tests.
        changes: the fields of each mutant in their order; its tests are a function, after another file's name if need
            be, or "" for all of that file.
    """
    return [Mutant(name, file, before, after, (test if "/" in test else f"{tests}::{test}" if test else tests,))
            for name, before, after, test in changes]
