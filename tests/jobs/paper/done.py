"""Runs as if they had been trained."""

from __future__ import annotations

import json
from pathlib import Path


def mark_done(folder: Path, epochs: int, **metrics: float) -> None:
    """Leave in a run's folder what says that it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text(json.dumps({"epoch": epochs, "step": 1, **metrics}) + "\n")
    (folder / "checkpoint_00000001").mkdir()
    (folder / "checkpoint_00000001" / "state.json").write_text("{}")
