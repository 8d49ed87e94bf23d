"""What a worker writes into its run's folder while it trains: metrics.jsonl and TensorBoard events."""

from __future__ import annotations

import json
import os
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from jobs.runs import METRICS_FILE, Metrics, read_metrics


class RunLog:
    """Writes metrics into a run's folder; after a restart it goes on after the step that was restored."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self.file = folder / METRICS_FILE
        kept = [metrics for metrics in read_metrics(folder) if metrics["step"] <= first_step]
        partial = self.file.with_suffix(".partial")
        partial.write_text("".join(json.dumps(metrics) + "\n" for metrics in kept))
        os.replace(partial, self.file)
        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)

    def write(self, metrics: Metrics) -> None:
        """Append an epoch's metrics to both."""
        with self.file.open("a") as file:
            file.write(json.dumps(metrics) + "\n")
        for name, value in metrics.items():
            self.events.add_scalar(name, value, int(metrics["step"]))
        self.events.flush()
