"""A walk through the imports of a tree of Python files, without running any of them.

Legend: a module is named as Python names it, a package's own file with `__init__` behind (`trs.data.__init__`).
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_IMPORTERS = {"import_module", "__import__", "run_module"}
"""Functions that import the module whose name is their first argument."""


@dataclass(frozen=True)
class Import:
    """One import: which module imports what, and in which line.

    target: a module of the tree, or the whole dotted name of something else, such as `ray.train.get_context`.
    """

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line} -> {self.target}"


@dataclass(frozen=True, eq=False, repr=False)
class Tree:
    """The parsed modules of a project, and every import between them and from elsewhere."""

    modules: Mapping[str, ast.Module]
    imports: Sequence[Import]

    @property
    def internal(self) -> list[Import]:
        """The imports of modules of the tree."""
        return [found for found in self.imports if found.target in self.modules]


def read_tree(root: Path, places: Sequence[str]) -> Tree:
    """Parse the packages and files below `root` and collect their imports.

    Imports inside functions and under TYPE_CHECKING count, and so do `importlib.import_module("...")`, its like, and
    lists that hold "-m" before a module of the tree.
    """
    files = [file for place in places for file in ([root / place] if place.endswith(".py") else
                                                   sorted((root / place).rglob("*.py")))]
    modules = {".".join(file.relative_to(root).with_suffix("").parts): ast.parse(file.read_text()) for file in files}
    return Tree(modules, [found for name, module in modules.items() for found in _imports(name, module, modules)])


def _imports(source: str, module: ast.Module, modules: Mapping[str, ast.Module]) -> Iterator[Import]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = source.split(".")[:-node.level] if node.level else []
            names = [".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and _last_name(node.func) in _IMPORTERS:
            names = [_text(node.args[0])]
        elif isinstance(node, ast.List | ast.Tuple):
            names = [_text(after) for before, after in zip(node.elts, node.elts[1:], strict=False)
                     if _text(before) == "-m"]
        else:
            continue
        for name in filter(None, names):
            yield Import(source, _module_of(name, modules), node.lineno)


def _module_of(name: str, modules: Mapping[str, ast.Module]) -> str:
    """The module of the tree that a dotted name is, or lies in; the name itself if it is from elsewhere."""
    beginning = name.rpartition(".")[0]
    candidates = (name, f"{name}.__init__", beginning, f"{beginning}.__init__")
    return next((candidate for candidate in candidates if candidate in modules), name)


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: ast.AST) -> str:
    """The string that stands there; "" if anything else does."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def rooms(found: Import) -> tuple[str, str]:
    """The rooms that an import leads from and to, in the innermost folder that holds both modules.

    `trs.data.annotations.coco` that imports `trs.data.crops` leads from `trs.data.annotations` to `trs.data.crops`,
    and with `trs.loop` from `trs.data` to `trs.loop`: a file is a room, and so is a folder as a whole.
    """
    source, target = found.source.split("."), found.target.split(".")
    shared = next((depth for depth, (one, other) in enumerate(zip(source, target, strict=False)) if one != other),
                  min(len(source), len(target)))
    return ".".join(source[:shared + 1]), ".".join(target[:shared + 1])


def module_cycle(tree: Tree) -> list[str]:
    """A cycle of modules, the first one again at its end; empty if there is none."""
    return _cycle((found.source, found.target) for found in tree.internal)


def room_cycle(tree: Tree) -> list[str]:
    """A cycle of rooms in any folder, the first one again at its end; empty if there is none."""
    return _cycle(rooms(found) for found in tree.internal if found.source != found.target)


def _cycle(arrows: Iterator[tuple[str, str]]) -> list[str]:
    graph = graphlib.TopologicalSorter[str]()
    for source, target in arrows:
        graph.add(source, target)
    try:
        graph.prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def upward(tree: Tree, packages: Sequence[str], plan: Mapping[str, Sequence[str]]) -> list[Import]:
    """The imports that lead to a higher package, or inside one to a higher room.

    Args:
        tree: its packages and their rooms all stand in the plan.
        packages: and programs, the lowest first.
        plan: of each package the rooms, by the names of their files and folders, the lowest first.
    """
    def height(module: str) -> tuple[int, int]:
        package, *inside = module.split(".")
        return packages.index(package), plan[package].index(inside[0]) if inside else 0

    return [found for found in tree.internal if height(found.target) > height(found.source)]


def from_elsewhere(tree: Tree, package: str, forbidden: set[str]) -> list[Import]:
    """The imports of a package that begin with one of the forbidden names."""
    return [found for found in tree.imports
            if found.source.split(".")[0] == package and found.target.split(".")[0] in forbidden]


def private_names(tree: Tree, library: str) -> list[Import]:
    """Where the tree leans on private names of a library, that is, on names with an underscore in front.

    In imports (`from ray._private import state`, `from ray.train.torch.config import _TorchBackend`), in attributes of
    whatever was imported from the library (`ray.data._internal`, `get_session()._queue`), and in strings that name a
    module (`logging.getLogger("ray._private.state")`).
    """
    found = [one for one in tree.imports if one.target.split(".")[0] == library and _private(one.target)]
    for name, module in tree.modules.items():
        bound = _bound_names(module, library)
        for node in ast.walk(module):
            if isinstance(node, ast.Attribute) and _private(node.attr) and _root(node) in bound:
                found.append(Import(name, f"{bound[_root(node)]}: {ast.unparse(node)}", node.lineno))
            elif isinstance(node, ast.Constant) and _names_private(_text(node), library):
                found.append(Import(name, _text(node), node.lineno))
    return found


def foreign_attributes(tree: Tree, package: str) -> list[Import]:
    """Where a package reads or sets an attribute with an underscore in front of anything but `self` and `cls`.

    `os._exit` is documented under this name.
    """
    return [Import(name, ast.unparse(node), node.lineno)
            for name, module in tree.modules.items() if name.split(".")[0] == package for node in ast.walk(module)
            if isinstance(node, ast.Attribute) and _private(node.attr) and ast.unparse(node) != "os._exit"
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))]


def _private(name: str) -> bool:
    """Whether a dotted name has a part with one underscore in front."""
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def _names_private(text: str, library: str) -> bool:
    """Whether a string is nothing but a private dotted name of a library."""
    return text.startswith(f"{library}.") and all(part.isidentifier() for part in text.split(".")) and _private(text)


def _bound_names(module: ast.Module, library: str) -> dict[str, str]:
    """What each name of a file that was imported from a library stands for."""
    bound: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == library:
                    bound[alias.asname or library] = alias.name if alias.asname else library
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library and not node.level:
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return bound


def _root(node: ast.expr) -> str:
    """The name at the beginning of `name.attribute(...)[...].attribute`."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
