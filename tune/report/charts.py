"""The report's charts as Plotly figures; the page gives them the colors of its light or dark theme."""

from __future__ import annotations

import math
from dataclasses import dataclass

import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState
from plotly.subplots import make_subplots

from tune.entry import Entry, Status
from tune.leaderboard import Leaderboard

# Okabe and Ito's colors for color-blind people, of middle lightness, which stand out on white and on black.
_BEST, _DEFAULTS, _SUPERVISED, _OTHER = "#d55e00", "#2f8fd0", "#009e73", "#8a8f98"
COLORS = (_BEST, _DEFAULTS, _SUPERVISED, "#a06cc8", "#c79100", _OTHER)
"""The colors of things that are compared."""
_SCORE_SCALE = [[0.0, "#2f8fd0"], [0.5, "#a08caa"], [1.0, "#e6770b"]]

_BUDGET: dict[Status, str] = {"complete": _DEFAULTS, "pruned": _OTHER, "failed": _BEST, "running": "#a08caa",
                              "reference": _SUPERVISED}

MIN_TRIALS = 10
"""Complete trials below which an importance would be made up."""
_FEW_TRIALS = 20


@dataclass(frozen=True)
class Line:
    """How a run's learning curve is drawn; runs of the same name share an entry of the legend."""

    name: str
    color: str
    width: float = 1.5
    dash: str = "solid"
    opacity: float = 0.8
    end: str | None = None
    """Symbol after the last epoch."""


_PLAIN = {"complete": Line("other complete trials", _OTHER),
          "running": Line("running (▸)", _OTHER, dash="dot", end="triangle-right"),
          "pruned": Line("pruned (×)", _OTHER, 1, opacity=0.6, end="x"),
          "failed": Line("failed (■)", _OTHER, 1, opacity=0.6, end="square")}


def _line(board: Leaderboard, entry: Entry) -> Line:
    notes = board.notes(entry)
    if not notes:
        return _PLAIN[entry.status]
    name = ", ".join(notes) if entry.status == "reference" else f"{', '.join(notes)} ({entry.name})"
    end = _PLAIN[entry.status].end if entry.status in _PLAIN else None
    if entry is board.best:
        return Line(name, _BEST, 3, opacity=1, end=end)
    return (Line(name, _DEFAULTS, 3, opacity=1, end=end) if entry.baseline else
            Line(name, _SUPERVISED, 3, "dash", opacity=1))


def learning_curves(board: Leaderboard) -> go.Figure:
    """Draw the score against the epoch, a line a run; the best, the paper's defaults and the reference are named."""
    figure = go.Figure()
    # From last to first, so that the named runs lie on top of the many.
    for entry in sorted(board.entries, key=lambda entry: bool(board.notes(entry))):
        line, epochs = _line(board, entry), [metrics["epoch"] for metrics in entry.metrics]
        if epochs:
            figure.add_scatter(
                x=epochs, y=entry.curve, name=line.name, legendgroup=line.name,
                showlegend=line.name not in {trace.name for trace in figure.data}, opacity=line.opacity,
                mode="lines+markers", line={"color": line.color, "width": line.width, "dash": line.dash},
                marker={"line": {"width": 0}, "symbol": ["circle"] * (len(epochs) - 1) + [line.end or "circle"],
                        "size": [line.width + 2] * (len(epochs) - 1) + [9 if line.end else line.width + 2]},
                hovertemplate=f"{entry.name}, epoch %{{x}}: {board.metric} %{{y:.3f}}<extra></extra>")
    longest = max((entry.epochs for entry in board.entries), default=1)
    figure.update_xaxes(title="epoch", dtick=max(1, math.ceil(longest / 10)), rangemode="tozero")
    figure.update_yaxes(title=board.metric, rangemode="tozero")
    figure.update_layout(height=440, margin={"l": 60, "r": 15, "t": 10, "b": 10},
                         legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "traceorder": "reversed"})
    return figure


def importance(board: Leaderboard) -> tuple[go.Figure | None, str]:
    """Draw which searched settings the good trials agree on, and say how far to believe it.

    Returns: no figure if the complete trials cannot tell.
    """
    complete = board.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < MIN_TRIALS or len({trial.value for trial in complete}) < 2:
        return None, (f"Importance needs at least {MIN_TRIALS} complete trials with different scores; "
                      f"so far {len(complete)} {'is' if len(complete) == 1 else 'are'} complete.")
    differing = [name for name in board.space if len({trial.params.get(name) for trial in complete}) > 1]
    if len(differing) < 2:
        return None, "Importance compares settings, and fewer than two of them differ among the complete trials."
    shares = get_param_importances(board.study, evaluator=PedAnovaImportanceEvaluator(), params=differing)
    names = sorted(shares, key=lambda name: shares[name])
    figure = go.Figure(go.Bar(
        x=[shares[name] for name in names], y=[board.short_names[name] for name in names], orientation="h",
        marker={"color": _DEFAULTS}, text=[f"{shares[name]:.0%}" for name in names], textposition="outside",
        cliponaxis=False, hovertemplate="%{y}: %{x:.1%}<extra></extra>"))
    figure.update_xaxes(title="share of importance", range=[0, 1.12 * max(shares.values())], nticks=4, tickformat=".0%")
    figure.update_yaxes(automargin=True, ticksuffix=" ")
    figure.update_layout(height=120 + 44 * len(names), margin={"l": 10, "r": 15, "t": 10, "b": 50})
    believe = "; with so few trials this is a hint, not a finding" if len(complete) < _FEW_TRIALS else ""
    return figure, f"PED-ANOVA over {len(complete)} complete trials{believe}."


def parallel_coordinates(board: Leaderboard) -> go.Figure | None:
    """Draw a line a trial through its values and its score; None while no trial has one."""
    trials = [entry for entry in board.entries if entry.values and entry.score is not None]
    if not trials:
        return None
    scores = [entry.score for entry in trials if entry.score is not None]
    room = 0 if max(scores) > min(scores) else 0.01
    axes = [{"label": board.short_names[name], **_axis(distribution, [entry.values.get(name) for entry in trials])}
            for name, distribution in board.space.items()]
    axes.append({"label": board.metric, "values": scores, "range": [min(scores), max(scores) + room],
                 "tickformat": ".3f"})
    figure = go.Figure(go.Parcoords(dimensions=axes, line={"color": scores, "colorscale": _SCORE_SCALE},
                                    labelfont={"size": 12}, tickfont={"size": 11}))
    # Where the page is narrower, the chart scrolls: its labels need this much room.
    figure.update_layout(height=400, margin={"l": 70, "r": 50, "t": 60, "b": 30}, meta={"min_width": 105 * len(axes)})
    return figure


def slices(board: Leaderboard) -> go.Figure | None:
    """Draw the score against each searched setting, a point a trial; hollow where it was stopped early."""
    trials = [entry for entry in board.entries if entry.values and entry.score is not None]
    if not trials:
        return None
    columns = min(3, len(board.space))
    rows = math.ceil(len(board.space) / columns)
    figure = make_subplots(rows, columns, shared_yaxes=True, horizontal_spacing=0.04, vertical_spacing=0.3 / rows)
    for number, (name, distribution) in enumerate(board.space.items()):
        row, column = number // columns + 1, number % columns + 1
        named = isinstance(distribution, CategoricalDistribution)
        for complete, marker in ((False, "circle-open"), (True, "circle")):
            points = [entry for entry in trials if (entry.status == "complete") == complete]
            values = [entry.values.get(name) for entry in points]
            figure.add_scatter(
                x=[str(value) for value in values] if named else values, y=[entry.score for entry in points],
                row=row, col=column, mode="markers", name="complete" if complete else "stopped early or running",
                showlegend=number == 0, legendgroup=marker, text=[entry.name for entry in points],
                marker={"color": _DEFAULTS if complete else _OTHER, "size": 9, "symbol": marker},
                hovertemplate=f"%{{text}}: {board.short_names[name]} %{{x}}, {board.metric} %{{y:.3f}}<extra></extra>")
        figure.update_xaxes(title=board.short_names[name], row=row, col=column, **_slice_axis(distribution))
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title=board.metric, col=1)
    figure.update_layout(height=130 + 250 * rows, margin={"l": 60, "r": 15, "t": 10, "b": 60},
                         legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
                         meta={"min_width": 240 * columns})
    return figure


def _slice_axis(distribution: BaseDistribution) -> dict:
    if isinstance(distribution, CategoricalDistribution):
        choices = [str(choice) for choice in distribution.choices]
        return {"type": "category", "categoryorder": "array", "categoryarray": choices,
                "range": [-0.5, len(choices) - 0.5]}
    if getattr(distribution, "log", False):
        ticks = _axis(distribution, [])
        return {"type": "log", "tickvals": [10**power for power in ticks["tickvals"]], "ticktext": ticks["ticktext"]}
    return {"nticks": 6}


def budget(board: Leaderboard) -> go.Figure:
    """Draw the epochs that were trained, by what became of the run."""
    spent = {status: sum(entry.epochs for entry in board.entries if entry.status == status) for status in _BUDGET}
    names = [status for status, epochs in spent.items() if epochs]
    runs = {status: board.count(status) for status in names}
    figure = go.Figure(go.Bar(
        x=[spent[status] for status in names], y=[f"{status} ({runs[status]})" for status in names], orientation="h",
        marker={"color": [_BUDGET[status] for status in names]}, text=[str(spent[status]) for status in names],
        textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{x} epochs<extra></extra>"))
    figure.update_xaxes(title="epochs trained", range=[0, 1.12 * max(1, *spent.values())])
    figure.update_yaxes(automargin=True, ticksuffix=" ", autorange="reversed")
    figure.update_layout(height=110 + 40 * len(names), margin={"l": 10, "r": 15, "t": 10, "b": 50})
    return figure


def _axis(distribution: BaseDistribution, values: list) -> dict:
    """Make one of Parcoords' dimensions, true to the range that was searched."""
    if isinstance(distribution, CategoricalDistribution):
        places = list(range(len(distribution.choices)))
        return {"values": [distribution.choices.index(value) for value in values], "tickvals": places,
                "ticktext": [str(choice) for choice in distribution.choices], "range": [-0.2, places[-1] + 0.2]}
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        # A power of ten next to an end would be written over it.
        ticks = [low, *(power for power in powers if 1.8 * low < power < high / 1.8), high]
        return {"values": [math.log10(value) for value in values], "range": [math.log10(low), math.log10(high)],
                "tickvals": [math.log10(tick) for tick in ticks], "ticktext": [f"{tick:g}" for tick in ticks]}
    if isinstance(distribution, IntDistribution):
        step = math.ceil((high - low + 1) / 12)
        ticks = list(range(int(low), int(high) + 1, step))
        return {"values": values, "range": [low, high], "tickvals": ticks, "ticktext": [str(tick) for tick in ticks]}
    return {"values": values, "range": [low, high]}
