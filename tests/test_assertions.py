"""What holds for all of nothing holds always: an assertion of all is one of somebody."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def empty_ones(source: str) -> Iterator[tuple[int, str]]:
    """Assertions of `all(... for x in xs)` in test functions that would hold of no x too: their lines, and xs.

    Another assertion of the function about xs, or one that fails if there is none, is enough.
    """
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
            asserted = [node.test for node in ast.walk(function) if isinstance(node, ast.Assert)]
            parts = [part for test in asserted for part in _parts(test)]
            said = {name for part in parts if _of_all(part) is None for name in _names(part)}
            for part in parts:
                iterated = _of_all(part)
                if iterated is not None and not isinstance(iterated, ast.Tuple | ast.List) and not (
                        _names(iterated) & said):
                    yield part.lineno, ast.unparse(iterated)


def _parts(test: ast.expr) -> list[ast.expr]:
    """What an assertion says, one after the other."""
    is_and = isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)
    return [part for value in test.values for part in _parts(value)] if is_and else [test]


def _of_all(part: ast.expr) -> ast.expr | None:
    """What is iterated over where this is a call of `all`."""
    if not isinstance(part, ast.Call) or not isinstance(part.func, ast.Name) or part.func.id != "all":
        return None
    (given,) = part.args
    return given.generators[0].iter if isinstance(given, ast.GeneratorExp | ast.ListComp) else given


def _names(node: ast.expr) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.name)
def test_an_assertion_of_all_is_one_of_somebody(path: Path) -> None:
    found = [f"{path.relative_to(ROOT)}:{line}: all of {what}" for line, what in empty_ones(path.read_text())]
    assert not found, "these hold of nothing too; say what there is: assert xs and all(... for x in xs)"


@pytest.mark.parametrize(("body", "found"), [
    ("assert all(x > 0 for x in xs)", ["xs"]), ("assert xs and all(x > 0 for x in xs)", []),
    ("assert len(xs) == 2\n    assert all(x > 0 for x in xs.values())", []), ("assert all(x in y for x in (1, 2))", []),
    ("assert ys and all(x > 0 for x in xs)", ["xs"]),
    ("assert all(x for x in xs) and all(not x for x in xs)", ["xs"] * 2),
    ("assert not all(x > 0 for x in xs)", []), ("assert (xs == ys).all()", []), ("assert all(xs)", ["xs"])])
def test_such_assertions_are_found(body: str, found: list[str]) -> None:
    assert [what for _, what in empty_ones(f"def test_it():\n    {body}\n")] == found
