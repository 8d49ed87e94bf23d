"""The report of a search: one HTML page with everything in it, which needs no network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
import plotly.offline

from jobs.lines import heat_warning
from jobs.runs import protocol
from tune.charts import importance, learning_curves, parallel_coordinates
from tune.gallery import Gallery, make_gallery
from tune.leaderboard import Entry, Leaderboard, shown

TEMPLATE = Path(__file__).with_name("report.html.j2")


def render(board: Leaderboard, command: str) -> str:
    """The page.

    Args:
        board: the search.
        command: trains the best again.
    """
    best = board.best
    gallery = (make_gallery(board.run_folder(best), board.run_config(best)) if best else
               Gallery([], "There are no pictures to show: no trial has been evaluated yet."))
    bars, believe = importance(board)
    figures = {"curves": learning_curves(board), "importance": bars, "coordinates": parallel_coordinates(board)}
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                  undefined=jinja2.StrictUndefined).from_string(TEMPLATE.read_text())
    return template.render(
        board=board, cards=_cards(board), protocol=protocol(board.config, gallery.people),
        warnings=warnings(board), columns=["trial", "status", "epochs", board.metric, *board.short_names.values()],
        rows=[_row(board, entry) for entry in board.entries], gallery=gallery, importance_sentence=believe,
        figures={name: _json(figure) for name, figure in figures.items() if figure}, command=command,
        plotly=plotly.offline.get_plotlyjs())


def warnings(board: Leaderboard) -> list[str]:
    """A sentence for each run that ended in trouble."""
    found = []
    for entry in board.entries:
        warning = heat_warning(entry.metrics[-1]) if entry.metrics else None
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
            Card("Trials complete", str(board.count("complete")), ", ".join(rest))]


def _gain_card(title: str, board: Leaderboard, other: Entry | None) -> Card:
    gain = board.gain(other)
    if other is None or gain is None:
        return Card(title, "–", "not part of this search" if other is None else "not both at their end yet")
    return Card(title, f"{gain:+.3f}", f"from {other.score:.3f} ({other.name})")


def _row(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    """What the page shows of a run: its notes, and pairs of a value to sort by and its text."""
    cells = [(entry.name, entry.name), (entry.status, entry.status), (entry.epochs, str(entry.epochs)),
             (entry.score, "-" if entry.score is None else f"{entry.score:.3f}")]
    return {"entry": entry, "notes": board.notes(entry),
            "cells": cells + [(entry.values.get(name), shown(entry.values.get(name))) for name in board.space]}


def _json(figure: go.Figure) -> str:
    # Plotly's default template would bring its own colours; to_json writes <, > and / so that no tag can end in it.
    return figure.update_layout(template={}).to_json()
