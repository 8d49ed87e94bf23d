"""Predicted poses as files in COCO's result format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_results(folder: Path, name: str, results: list[dict[str, Any]]) -> Path:
    """Write `folder/NAME.json`, which pycocotools' `loadRes` reads; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results))
    os.replace(partial, path)
    return path
