"""One word a thing: the words that are gone stay gone, from code, messages, templates and pages alike."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("trs", "jobs", "tune", "tests", "docs")
ENDINGS = (".py", ".md", ".yaml", ".j2", ".js", ".css", ".json", ".cfg", ".toml")
_ISE = ("author|categor|character|custom|discret|emphas|equal|factor|final|general|initial|local|maxim|memor|minim|"
        "normal|optim|organ|parallel|penal|quant|random|real|recogn|regular|serial|special|stabil|standard|summar|"
        "synchron|token|util|vector|visual")
_OUR = "behavi|col|endeav|fav|flav|harb|hon|hum|lab|neighb|rum|vap"


@dataclass(frozen=True)
class Word:
    """A word that is gone.

    pattern: what finds it.
    instead: what is said now.
    """

    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True)
class Allowed:
    """Where a word that is gone may stand.

    place: how a file's path from the top folder begins; "" is everywhere.
    text: the expression of a line's part in which it is allowed.
    reason: why.
    """

    place: str
    text: str
    reason: str


def _word(pattern: str, instead: str, flags: int = re.IGNORECASE) -> Word:
    return Word(re.compile(pattern, flags), instead)


GONE = [
    _word(r"labell(ed|ing)", "labeled, labeling"),
    _word(rf"({_OUR})our(?!ce|s?elf)", "American spelling: color, neighbor, behavior"),
    _word(rf"({_ISE})is(e[drs]?|ers|ing|ations?)(?![a-z])", "American spelling: optimize, normalize"),
    _word(r"centre|(?<![a-z])grey|(?<![a-z])licence|catalogue|artefact|analyse[dr]?(?![a-z])|analysing|judgement|"
          r"(?<![a-z])(learnt|spelt|burnt|whilst)|(?<![a-z])(travell|modell|cancell|signall|channell)(ed|ing)(?![a-z])",
          "American spelling: center, gray, license, learned"),
    _word(r"picture", "image"),
    _word(r"(?<![a-z])heats?(?![a-z])", "confidence, peak; heatmaps are heatmaps"),
    _word(r"complain", "warning, warn"),
    _word(r"\bSight\b", "LocatedKeypoints", 0),
    _word(r"\bBlend", "SampleMix", 0),
]
"""Words of every file."""
OPTION = _word(r"(?<![\w-])--[a-z][\w.-]*", "a config's field, such as train.learning_rate; options belong to commands")
"""In strings and comments of trs/: the library does not know who calls it."""
SETS = _word(r"^(\w+_)?sets$", "datasets")
"""As a name in code, where it means the training's datasets."""

ALLOWED = [
    Allowed("tests/test_words.py", ".*", "this page"),
    Allowed("CHANGELOG.md", r"`[^`]*`", "names that 0.1.0 had, beside those of today"),
    Allowed("jobs/run_folder/metrics.py", "\"peak_heat\"", "files that 0.1.0 wrote are read"),
    Allowed("tests/jobs/run_folder/test_metrics.py", "\"peak_heat\"", "the same files, in their test"),
    Allowed("", "keypoint_sets", "the keypoints of public datasets, not the datasets of a training"),
    Allowed("trs/presets.py", r"`python -m jobs\.train [^`]*`", "each preset shows the command that trains it"),
]
"""The one list of exceptions."""


def files() -> list[Path]:
    """Code, templates and pages."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*") if "__pycache__" not in path.parts]
    return sorted(path for path in [*found, *ROOT.glob("*")] if path.suffix in ENDINGS and path.is_file())


@dataclass(frozen=True)
class Found:
    """A word that is gone, and where it stands.

    place: the file's path from the top folder.
    line: the line's number.
    text: the line, or the part of it that was searched.
    """

    place: str
    line: int
    text: str
    match: re.Match[str]
    word: Word

    def is_allowed_by(self, exception: Allowed) -> bool:
        """Whether the exception lets it stand there."""
        return self.place.startswith(exception.place) and any(
            text.start() <= self.match.start() and self.match.end() <= text.end()
            for text in re.finditer(exception.text, self.text))


def lines_of(path: Path) -> Iterator[tuple[int, str, list[Word]]]:
    """The name and the lines of a file, and of Python its names, strings and comments, with the words to look for."""
    yield 0, path.name, GONE
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield number, line, GONE
    if path.suffix != ".py":
        return
    in_library = path.is_relative_to(ROOT / "trs")
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.NAME:
                yield token.start[0], token.string, [SETS]
            elif in_library and token.type in (tokenize.STRING, tokenize.COMMENT):
                for number, line in enumerate(token.string.splitlines(), token.start[0]):
                    yield number, line, [OPTION]


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return [Found(str(path.relative_to(ROOT)), number, text, match, word) for path in files()
            for number, text, words in lines_of(path) for word in words for match in word.pattern.finditer(text)]


def test_words_that_are_gone_stay_gone(found: list[Found]) -> None:
    left = [f"{one.place}:{one.line}: {one.match[0]!r}, say {one.word.instead}" for one in found
            if not any(one.is_allowed_by(exception) for exception in ALLOWED)]
    assert not left, "\n".join(["words that are gone:", *left])


@pytest.mark.parametrize("exception", ALLOWED, ids=lambda exception: exception.place)
def test_every_exception_is_needed(found: list[Found], exception: Allowed) -> None:
    assert any(one.is_allowed_by(exception) for one in found)


@pytest.mark.parametrize("text", ["labelled people", "the picture", "bad_pictures.txt", "peak_heat", "heats",
                                  "normalised", "optimiser", "neighbouring", "centre", "gray or grey", "Sight"])
def test_words_are_found(text: str) -> None:
    assert any(word.pattern.search(text) for word in GONE)


@pytest.mark.parametrize("text", ["unlabeled", "heatmaps", "_heatmaps_1.jpg", "sheath", "precise", "exercised", "four",
                                  "source", "hours", "analyses", "blends", "insight", "normalizes", "raised"])
def test_words_that_only_look_alike_are_not(text: str) -> None:
    assert not any(word.pattern.search(text) for word in GONE)
