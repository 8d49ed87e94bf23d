"""The report of a search: one HTML page with everything in it, which needs no network.

page.html.j2 and report.css are the frame, figures.js draws the charts, report.html.j2 and report.js are the page.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
import plotly.offline

from jobs.run_folder.console import confidence_warning, duration
from trs import config as configs
from trs.config import Config
from trs.evaluation.protocol import protocol
from tune.entry import Entry
from tune.leaderboard import Leaderboard
from tune.report.charts import budget, importance, learning_curves, parallel_coordinates, slices
from tune.report.gallery import Gallery, Validation, make_gallery

REPORT_FILE = "report.html"


def render(board: Leaderboard, command: str, people: Validation) -> str:
    """Write the report's page.

    Args:
        board: the search.
        command: trains the best again.
        people: whom its runs have predicted.
    """
    gallery = make_gallery(board, people)
    bars, believe = importance(board)
    drawn = {"curves": learning_curves(board), "importance": bars, "coordinates": parallel_coordinates(board),
             "slices": slices(board), "budget": budget(board)}
    figures = {name: plain(figure) for name, figure in drawn.items() if figure}
    return page(
        "report.html.j2", board=board, cards=_cards(board),
        protocol=f"{protocol(board.config, gallery.count, gallery.skeleton)} {board.choice}",
        warnings=warnings(board), columns=board.layout.columns,
        rows=[(entry, board.notes(entry), board.layout.cells(entry)) for entry in board.entries], gallery=gallery,
        importance_sentence=believe, budget_sentence=_budget(board), figures=figures, picked=_picked(board),
        data=_data(board, gallery, figures), command=command)


def page(template: str, **values: Any) -> str:
    """Fill the template of a page that needs no network; `data["figures"]` are its charts, by the id of their place."""
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([here / "templates", here / "static"]), trim_blocks=True, lstrip_blocks=True,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"), undefined=jinja2.StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    values["data"] = _finite(values["data"])
    return environment.get_template(template).render(plotly=plotly.offline.get_plotlyjs(), **values)


def _finite(value: Any) -> Any:
    """Put None for numbers that JSON does not have: a run that diverged must not blank the page."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _data(board: Leaderboard, gallery: Gallery, figures: dict[str, Any]) -> dict[str, Any]:
    """Gather what the page's script works with."""
    best = board.best.name if board.best and board.best.name in gallery.predictions else None
    return {"figures": figures, "order": [entry.name for entry in board.entries], "best": best, "metric": board.metric,
            "runs": {entry.name: _run(board, entry, gallery) for entry in board.entries},
            "people": [dataclasses.asdict(person) for person in gallery.people],
            "skeleton": dataclasses.asdict(gallery.skeleton) if gallery.skeleton else None}


def _run(board: Leaderboard, entry: Entry, gallery: Gallery) -> dict[str, Any]:
    last = entry.metrics[-1] if entry.metrics else {}
    scores = {name: f"{value:.3f}" for name, value in last.items() if name not in _NO_SCORES}
    predictions = gallery.predictions.get(entry.name)
    return {"epochs": [metrics["epoch"] for metrics in entry.metrics],
            "curve": entry.curve,
            "scores": {"status": entry.status, "epochs": str(entry.epochs), **scores},
            "settings": flat_settings(board.run_job(entry).config),
            "predictions": dataclasses.asdict(predictions) if predictions else None}


_NO_SCORES = {"epoch", "step", "learning_rate", "bad_images", "steps_per_second", "data_wait", "seconds_left"}


def flat_settings(config: Config) -> dict[str, str]:
    """List a config's settings by their dotted names, for people: of a drawn number's sixteen digits they get six."""
    def flat(values: dict[str, Any], prefix: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in values.items():
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": text}
        return found

    return flat({name: value for name, value in configs.to_dict(config).items() if name != "version"}, "")


def _picked(board: Leaderboard) -> set[str]:
    """Choose the runs that are compared at first: the best, and what it is measured against."""
    picked = [board.best, board.baseline if board.baseline is not board.best else board.reference]
    return {entry.name for entry in picked if entry is not None and entry.metrics}


def _budget(board: Leaderboard) -> str:
    trained = sum(entry.epochs for entry in board.entries)
    runs = len(board.entries)
    whole = runs * board.config.train.epochs
    return (f"{trained} epochs were trained, {trained / max(1, whole):.0%} of the {whole} that {runs} whole runs have; "
            f"their steps took {duration(3600 * sum(entry.hours for entry in board.entries))}.")


def warnings(board: Leaderboard) -> list[str]:
    """Write a sentence for each run that ended in trouble, or whose metrics are not to be believed."""
    found = [f"{doubt}." for doubt in board.doubts]
    for entry in board.entries:
        warning = confidence_warning(entry.metrics[-1]) if entry.metrics else None
        if entry.status == "failed":
            found.append(f"{entry.name} failed after {entry.epochs} epochs; see error.txt in the search's ray folder.")
        if warning:
            found.append(f"{entry.name}: {warning}.")
    return found


@dataclasses.dataclass(frozen=True)
class Card:
    """A number of the headline."""

    title: str
    number: str
    detail: str


def _cards(board: Leaderboard) -> list[Card]:
    best = board.best
    title = f"Best {board.metric}" + ("" if best is None or best.status == "complete" else " so far")
    counts = {status: board.count(status) for status in ("pruned", "failed", "running")}
    rest = [f"{count} {status}" for status, count in counts.items() if count or status != "running"]
    return [Card(title, "–" if best is None else f"{best.score:.3f}", f"trial {best.name}" if best else "none yet"),
            _gain_card("Gain over the paper's defaults", board, board.baseline),
            _gain_card("Gain over supervised training", board, board.reference),
            *([_test_card(board)] if board.is_tested else []),
            Card("Trials complete", str(board.count("complete")), ", ".join(rest))]


def _gain_card(title: str, board: Leaderboard, other: Entry | None) -> Card:
    gain = board.gain(other)
    if other is None or gain is None:
        return Card(title, "–", "not part of this search" if other is None else "not both at their end yet")
    terms = f"; {board.terms}" if other is board.reference else ""
    return Card(title, f"{gain:+.3f}", f"from {board.final_score(other):.3f} ({other.name}){terms}")


def _test_card(board: Leaderboard) -> Card:
    """What the best scores on the people who chose nothing."""
    score, ensemble = board.final_score(board.best), board.best and board.best.test_ensemble
    together = "" if ensemble is None else f", its ensemble {ensemble:.3f}"
    return Card(f"Test {board.metric}", "–" if score is None else f"{score:.3f}",
                "of people who chose nothing" + together)


def plain(figure: go.Figure) -> dict[str, Any]:
    """Make plain data of a figure, without Plotly's default template, which would bring its own colors."""
    found: dict[str, Any] = json.loads(figure.update_layout(template={}).to_json())
    return found
