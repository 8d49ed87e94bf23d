"""A table as Markdown, CSV and JSON, and a figure as an image."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from jobs.paper.schedule import Cell, Run, result
from jobs.paper.tables import Table
from trs import config as configs
from trs.config import Config
from trs.evaluation.protocol import protocol
from trs.files import whole_file, write_text


def _map(run: Run, change: Callable[[Config], Config]) -> Run:
    """A run and all that it starts from, with changed configs."""
    return Run(change(run.config), tuple(_map(start, change) for start in run.starts_from))


def _seeded(run: Run, seed: int) -> Run:
    """The same training on another split, from other weights."""
    return _map(run, lambda config: dataclasses.replace(
        config, data=dataclasses.replace(config.data, split_seed=config.data.split_seed + seed),
        train=dataclasses.replace(config.train, seed=config.train.seed + 1000 * seed)))


def _title(table: Table, run: Run, seeds: Iterable[int]) -> str:
    """The first cell that shows a run, or its folder's name."""
    for cell in table.cells:
        for seed in seeds:
            if _seeded(cell.run, seed).name == run.name:
                return " ".join([*cell.row, cell.column, f"seed {seed}"])
    return run.name


def write(table: Table, name: str, seeds: Iterable[int], folder: Path) -> None:
    """Write NAME.md, NAME.csv and NAME.json with what is measured so far; each file appears whole or not at all."""
    measured = [(cell, _values(cell, seeds, folder)) for cell in table.cells]
    for suffix, text in (("md", markdown(table, measured)), ("csv", as_csv(table, measured)),
                         ("json", as_json(table, measured))):
        write_text(folder / f"{name}.{suffix}", text)


def draw(table: Table, target: Path) -> None:
    """Write a figure's picture, which appears whole or not at all."""
    assert table.draw is not None
    picture = table.draw(table.cells, target.parent)
    with whole_file(target) as partial:
        cv2.imwrite(str(partial), picture[..., ::-1])
    print(f"picture: {target}")

Measured = list[tuple[Cell, list[float]]]


def _values(cell: Cell, seeds: Iterable[int], folder: Path) -> list[float]:
    """The metric in percent, of each seed that is done."""
    done = (result(_seeded(cell.run, seed), folder) for seed in seeds)
    return [100 * metrics[cell.metric] for metrics in done if metrics is not None]


def shown(cell: Cell, values: list[float]) -> str:
    """A cell as text: mean ± standard deviation, and in brackets the published number."""
    text = "–" if not values else f"{np.mean(values):.1f}" if len(values) == 1 else (
        f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}")
    return text if cell.published is None else f"{text} ({cell.published})"


def markdown(table: Table, measured: Measured) -> str:
    """The table with the caption, a line on what the numbers are, and the sizes of its trainings."""
    columns = list(dict.fromkeys(cell.column for cell, _ in measured))
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for cell, values in measured:
        rows.setdefault(cell.row, {})[cell.column] = shown(cell, values)
    heads = [*table.heads, *columns]
    lines = [f"**{table.caption}**", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join([*row, *(found.get(column, '') for column in columns)])} |"
              for row, found in rows.items()]
    config = measured[0][0].run.config
    sentences = dict.fromkeys(protocol(config, metric=cell.metric) for cell, _ in measured)
    notes = [table.note] if table.note else []
    notes += ["In brackets the published number."] if any(cell.published for cell, _ in measured) else []
    return "\n".join([*lines, "", *sentences, *notes]) + "\n"


def as_csv(table: Table, measured: Measured) -> str:
    """A line for each cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*table.heads, "column", "metric", "mean", "std", "seeds", "published", "run"])
    for cell, values in measured:
        mean = round(float(np.mean(values)), 3) if values else ""
        std = round(float(np.std(values, ddof=1)), 3) if len(values) > 1 else ""
        writer.writerow([*cell.row, cell.column, cell.metric, mean, std, len(values), cell.published or "",
                         cell.run.name])
    return text.getvalue()


def as_json(table: Table, measured: Measured) -> str:
    """Every cell with its values and the whole config behind it."""
    cells = [{"row": cell.row, "column": cell.column, "metric": cell.metric, "values": values,
              "published": cell.published, "config": configs.to_dict(cell.run.config),
              "starts_from": [start.name for start in cell.run.starts_from]} for cell, values in measured]
    return json.dumps({"caption": table.caption, "heads": table.heads, "cells": cells}, indent=1)
