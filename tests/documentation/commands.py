"""The commands that the documentation tells: in its indented blocks, and between backticks."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def lines() -> list[str]:
    """Every line of every block, continued ones whole, and what stands between backticks."""
    found = []
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # names programs, and tells no commands
            continue
        text = page.read_text().replace("\\\n", " ")
        found += [line.strip() for line in text.splitlines() if line.startswith("    ")]
        found += re.findall(r"`([^`\n]+)`", text)
    return list(dict.fromkeys(found))


def python_commands() -> list[tuple[str, list[str]]]:
    """The program and the arguments of each Python command, those of submitted jobs included, each once."""
    found: list[tuple[str, list[str]]] = []
    for line in lines():
        for part in re.split(r"&&| -- ", line):
            if "python " in part:
                words = shlex.split(part, comments=True)
                if words[:1] == ["python"]:
                    start = 2 if words[1] == "-m" else 1
                    found.append((words[start], words[start + 1:]))
    return list({(program, tuple(rest)): (program, rest) for program, rest in found}.values())


def ray_commands(*beginning: str) -> list[list[str]]:
    """The words of each command of Ray's that begins so, without the environment before and the remark behind it."""
    found = []
    for line in lines():
        words = re.sub(r"^(\w+=\S+ )+", "", line)
        if words.startswith("ray "):
            found.append(shlex.split(words, comments=True))
    return [words for words in found if words[1:1 + len(beginning)] == list(beginning)]
