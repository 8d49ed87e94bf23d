"""A table as Markdown, CSV and JSON, and a figure as an image."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import cv2
import numpy as np

from jobs.paper.gains import Gains
from jobs.paper.runs import RunsFolder
from jobs.paper.tables import Cell, Table
from trs import config as configs
from trs.evaluation.intervals import Gain
from trs.evaluation.protocol import ENSEMBLE, protocol
from trs.files import whole_file, write_text

Measured = list[tuple[Cell, list[float], list[float]]]
"""The cells of a table, and of each run of theirs that is done the metric and the ensemble's, in percent."""


def write(table: Table, name: str, folder: RunsFolder, gains: Gains | None = None) -> None:
    """Write NAME.md, NAME.csv and NAME.json with what is measured so far; each file appears whole or not at all."""
    gains = gains or {}
    measured = [(cell, _values(cell, cell.metric, folder), _ensemble(cell, table, folder)) for cell in table.cells]
    for suffix, text in (("md", markdown(table, measured, gains)), ("csv", as_csv(table, measured, folder)),
                         ("json", as_json(table, measured, folder, gains))):
        write_text(folder.path / f"{name}.{suffix}", text)
    folder.write_results(run for cell in table.cells for run in cell.runs)


def draw(table: Table, target: Path, folder: RunsFolder) -> None:
    """Write a figure's image, which appears whole or not at all."""
    assert table.draw is not None
    image = table.draw({" ".join(cell.row): folder.find(cell.run) for cell in table.cells})
    with whole_file(target) as partial:
        cv2.imwrite(str(partial), image[..., ::-1])


def _values(cell: Cell, metric: str, folder: RunsFolder) -> list[float]:
    found = [metrics.get(metric) for run in cell.runs if (metrics := folder.result(run)) is not None]
    return [100 * value for value in found if value is not None]


def _ensemble(cell: Cell, table: Table, folder: RunsFolder) -> list[float]:
    """The ensemble's values; none of a single network, and where the table has a column for them."""
    has_column = any(other.metric.endswith(ENSEMBLE) for other in table.cells)
    return [] if has_column or len(cell.run.config.method.peers) < 2 else _values(
        cell, f"{cell.metric}_{ENSEMBLE}", folder)


def shown(cell: Cell, values: list[float], ensemble: list[float]) -> str:
    """A cell as text: mean ± standard deviation, after a slash the ensemble's, and in brackets the published number."""
    text = " / ".join([_mean(values), *([_mean(ensemble)] if ensemble else [])])
    return text if cell.published is None else f"{text} ({cell.published})"


def _mean(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


_OF_GAINS = ("Gains with their standard deviation over the seeds and a 95 % interval for other images and other seeds "
             "together: a paired bootstrap over the images, and Student's t over the seeds.")
_CONSISTENCY = "consistency : labels"
"""The column of the weights with which a network learns from unlabeled and from labeled images."""


def gain_shown(gain: Gain) -> str:
    """A gain as text, in percent: mean ± standard deviation, its interval, and whether it is one at all."""
    spread = "" if gain.spread is None else f" ± {100 * gain.spread:.1f}"
    return f"{100 * gain.mean:+.1f}{spread} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]{gain.doubt}"


def markdown(table: Table, measured: Measured, gains: Gains) -> str:
    """The table with the caption, a line on what the numbers are, and the sizes of its trainings."""
    columns = list(dict.fromkeys(cell.column for cell, _, _ in measured))
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for cell, values, ensemble in measured:
        weight = f"{cell.run.config.method.consistency_weight:.3g} : 1"
        rows.setdefault(cell.row, {_CONSISTENCY: weight})[cell.column] = shown(cell, values, ensemble)
    columns = [_CONSISTENCY, *columns]
    if gains:
        assert table.compared_with is not None, "they are measured from something"
        columns.append(f"gain over {' '.join(table.compared_with)}")
        for row, gain in gains.items():
            rows[row][columns[-1]] = gain_shown(gain)
    heads = [*table.heads, *columns]
    lines = [f"**{table.caption}**", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join([*row, *(found.get(column, '') for column in columns)])} |"
              for row, found in rows.items()]
    config = measured[0][0].run.config
    sentences = dict.fromkeys(protocol(config, metric=cell.metric) for cell, _, _ in measured)
    notes = [table.note] if table.note else []
    notes += ["After a slash the ensemble of the peers."] if any(ensemble for _, _, ensemble in measured) else []
    notes += ["In brackets the published number."] if any(cell.published for cell, _, _ in measured) else []
    notes += [_OF_GAINS] if gains else []
    return "\n".join([*lines, "", *sentences, *notes]) + "\n"


def as_csv(table: Table, measured: Measured, folder: RunsFolder) -> str:
    """A line for each cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*table.heads, "column", "metric", "mean", "std", "ensemble", "seeds", "published", "run"])
    for cell, values, ensemble in measured:
        mean = round(float(np.mean(values)), 3) if values else ""
        std = round(float(np.std(values, ddof=1)), 3) if len(values) > 1 else ""
        together = round(float(np.mean(ensemble)), 3) if ensemble else ""
        writer.writerow([*cell.row, cell.column, cell.metric, mean, std, together, len(values), cell.published or "",
                         folder.find(cell.run).name])
    return text.getvalue()


def as_json(table: Table, measured: Measured, folder: RunsFolder, gains: Gains) -> str:
    """Every cell with its values and the whole config behind it, and the gains."""
    cells = [{"row": cell.row, "column": cell.column, "metric": cell.metric, "values": values,
              "ensemble": ensemble, "published": cell.published, "config": configs.to_dict(cell.run.config),
              "starts_from": [folder.find(start).name for start in cell.run.starts_from]}
             for cell, values, ensemble in measured]
    gained = [{"row": row, "over": table.compared_with, **dataclasses.asdict(gain)} for row, gain in gains.items()]
    return json.dumps({"caption": table.caption, "heads": table.heads, "cells": cells, "gains": gained}, indent=1)
