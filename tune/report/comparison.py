"""Several searches on one page: what each has found, how fast, and what their best runs differ in."""

from __future__ import annotations

import itertools
import urllib.parse
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from trs.errors import InputError
from tune.entry import Entry
from tune.leaderboard import Leaderboard
from tune.plan import SUPERVISED
from tune.report.charts import COLORS
from tune.report.page import REPORT_FILE, flat_settings, page, plain

PAGE_FILE = "comparison.html"
MEASURED_BY = ("data.root", "data.val_annotations", "data.val_images", "data.val_detections", "data.val_count",
               "data.dev_count", "data.keypoints", "eval.flip_test", "eval.decoder")
"""Settings that change a score without changing the network."""
CHOSEN_BY = ("data.train_annotations", "data.split_seed", "data.manifest")
"""Settings that also say who chooses, where people are kept out of training for that."""


def render(boards: list[Leaderboard], folder: Path) -> str:
    """Write the page.

    Args:
        boards: the searches.
        folder: that the page will lie in; each search's own report is linked from there.

    Raises:
        InputError: they maximize different measures.
    """
    metrics = {board.metric for board in boards}
    if len(metrics) > 1:
        raise InputError(f"these searches maximize different measures, {' and '.join(sorted(metrics))}; compare those "
                         "of one measure")
    figures = {"progress": plain(progress(boards)), "curves": plain(best_curves(boards))}
    return page("comparison.html.j2", title=" and ".join(names_of(boards)),
                columns=["search", "method", "best", "its ensemble", "its test", "test ensemble",
                         "paper's defaults", "their test", "supervised", "its test", "complete", "pruned", "failed",
                         "epochs", "hours"],
                rows=[(_link(board, folder), [name, *_row(board)])
                      for board, name in zip(boards, names_of(boards), strict=True)],
                names=names_of(boards), differences=differences(boards), caution=caution(boards),
                data={"figures": figures})


def names_of(boards: list[Leaderboard]) -> list[str]:
    """Name the searches, with as much of their folders as tells them apart."""
    parts = [board.folder.parts for board in boards]
    for length in range(1, max(map(len, parts))):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def _link(board: Leaderboard, folder: Path) -> str:
    report = board.folder / REPORT_FILE
    if not report.is_relative_to(folder):
        return report.as_uri()
    return "./" + urllib.parse.quote(str(report.relative_to(folder)))


def _row(board: Leaderboard) -> list[str]:
    method = flat_settings(board.config)["method.name"]
    best = f"{_score(board.best)} ({board.best.name})" if board.best else "–"
    others = (board.best.ensemble, board.best.test_score, board.best.test_ensemble) if board.best else (None,) * 3
    counts = [str(board.count(status)) for status in ("complete", "pruned", "failed")]
    epochs, hours = sum(entry.epochs for entry in board.entries), sum(entry.hours for entry in board.entries)
    against = [score for other in (board.baseline, board.reference) for score in (_score(other), _tested(other))]
    return [method, best, *map(_number, others), *against, *counts, str(epochs), f"{hours:.2f}"]


def _score(entry: Entry | None) -> str:
    return _number(None if entry is None else entry.score)


def _tested(entry: Entry | None) -> str:
    return _number(None if entry is None else entry.test_score)


def _number(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"


def caution(boards: list[Leaderboard]) -> str | None:
    """Write a sentence on searches whose scores are not measured alike."""
    settings = [flat_settings(board.config) for board in boards]
    chosen = CHOSEN_BY if any(board.is_tested for board in boards) else ()
    unlike = [name for name in (*MEASURED_BY, *chosen) if len({values.get(name) for values in settings}) > 1]
    if not unlike:
        return None
    return (f"the searches differ in {', '.join(unlike)}; hold their scores against each other only where the same "
            "people are measured in the same way")


def differences(boards: list[Leaderboard]) -> list[tuple[str, list[str]]]:
    """Find the settings in which the best runs differ, with each one's value."""
    settings = [flat_settings(board.run_job(board.best).config) if board.best else {} for board in boards]
    names = dict.fromkeys(itertools.chain.from_iterable(settings))
    rows = [(name, [values.get(name, "–") for values in settings]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def progress(boards: list[Leaderboard]) -> go.Figure:
    """Draw the best score so far against the epochs that the trials have trained, trial by trial, a line a search."""
    figure = go.Figure()
    for board, name, color in zip(boards, names_of(boards), itertools.cycle(COLORS)):
        trials = sorted((entry for entry in board.entries
                         if entry.name != SUPERVISED and entry.metrics), key=lambda entry: entry.name)
        spent = list(itertools.accumulate(entry.epochs for entry in trials))
        scores = (entry.score or 0.0 for entry in trials)
        found = list(itertools.accumulate(scores, max))
        figure.add_scatter(x=spent, y=found, name=name, mode="lines+markers",
                           line={"color": color, "shape": "hv"}, text=[entry.name for entry in trials],
                           hovertemplate="after %{text}: %{y:.3f}, %{x} epochs<extra></extra>")
    figure.update_xaxes(rangemode="tozero")
    return _titled(figure, "epochs that the trials have trained", f"best {boards[0].metric} so far")


def best_curves(boards: list[Leaderboard]) -> go.Figure:
    """Draw the learning curve of each search's best run."""
    figure = go.Figure()
    for board, name, color in zip(boards, names_of(boards), itertools.cycle(COLORS)):
        if board.best is not None:
            figure.add_scatter(x=[metrics["epoch"] for metrics in board.best.metrics],
                               y=board.best.curve, line={"color": color},
                               name=f"{name} ({board.best.name})", mode="lines+markers")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(rangemode="tozero")
    return _titled(figure, "epoch", boards[0].metric)


def _titled(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y, automargin=True)
    layout: dict[str, Any] = {"height": 380, "margin": {"l": 60, "r": 15, "t": 10, "b": 50}, "showlegend": True,
                              "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}}
    return figure.update_layout(**layout)
