"""What the rows of a table gain over one of them, and how sure that is."""

from __future__ import annotations

from jobs.paper.runs import Run, RunsFolder
from jobs.paper.tables import Table
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.evaluation.intervals import Gain, Score, paired_gain
from trs.evaluation.protocol import TEST
from trs.evaluation.resampled import images_drawn, score_of_run

Gains = dict[tuple[str, ...], Gain]
"""By the names of the rows."""


def gains_of(table: Table, folder: RunsFolder, datasets: Datasets) -> Gains:
    """The gains of the rows whose poses lie in their folders, as those of the row have to that they are held against.

    Of a run that results.json alone knows there is a number and no pose: a gain from it would have no interval.

    Args:
        table: a training a row; nothing is compared unless one of them is there to compare with.
        folder: of its trainings.
        datasets: of the table's trainings; whom they are measured on is the same for all seeds.
    """
    runs = {cell.row: cell.runs for cell in table.cells}
    if table.compared_with is None or table.compared_with not in runs:
        return {}
    of = "" if datasets.test is None else TEST
    measured = datasets if datasets.test is None else datasets.of_test()
    metric = next(iter(runs.values()))[0].config.eval.metric

    def score(run: Run) -> Score | None:
        try:
            return score_of_run(metric, run.config.method.scored, folder.find(run), measured, of)
        except InputError:
            return None

    scores = {row: [found for run in some if (found := score(run)) is not None] for row, some in runs.items()}
    whole = {row for row, found in scores.items() if len(found) == len(runs[row])}
    if table.compared_with not in whole:
        return {}
    images = images_drawn(metric, measured)
    return {row: paired_gain(scores[row], scores[table.compared_with], images) for row in runs
            if row in whole and row != table.compared_with}
