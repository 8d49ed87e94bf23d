"""What a worker writes into its run's folder while it trains: metrics.jsonl and TensorBoard events."""

from __future__ import annotations

import json
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from jobs.run_folder.layout import METRICS_FILE
from trs.files import write_whole


class RunLog:
    """Writes metrics into a run's folder; a restart goes on after the last evaluation that its checkpoint knows of."""

    def __init__(self, folder: Path, reported_step: int) -> None:
        self.file = folder / METRICS_FILE
        kept = [metrics for metrics in read_metrics(folder) if metrics["step"] <= reported_step]
        write_whole(self.file, "".join(json.dumps(metrics) + "\n" for metrics in kept))
        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=reported_step + 1)

    def write(self, metrics: Metrics) -> None:
        """Append an epoch's metrics to both."""
        with self.file.open("a") as file:
            file.write(json.dumps(metrics) + "\n")
        for name, value in metrics.items():
            self.events.add_scalar(name, value, int(metrics["step"]))
        self.events.flush()


Metrics = dict[str, float]


def read_metrics(folder: Path) -> list[Metrics]:
    """The metrics that a run has written so far, oldest first; a line cut short by a crash is left out."""
    found = []
    try:
        lines = (folder / METRICS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
