"""Score any poses on any COCO file: `python -m jobs.score ANNOTATIONS RESULTS [--json FILE]`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from jobs import cli
from trs.data.annotations.reading import Reading
from trs.evaluation.coco_eval import MAX_DETECTIONS
from trs.evaluation.score import score_file
from trs.files import write_text


@dataclass(frozen=True)
class Command:
    """Score poses, ours or another tool's, on labels in COCO's format: the ten numbers of COCO's keypoint evaluation.

    What is printed here, a training prints for the same poses: it is one and the same code.
    """

    annotations: tyro.conf.Positional[Path]
    """The labels: a keypoint file in COCO's format."""
    results: tyro.conf.Positional[Path]
    """The poses: a list of image_id, category_id, keypoints and score."""
    json: Path | None = None
    """A file to write the numbers to, as one object."""
    category: str | None = None
    """Name or id of the category that is scored; by default the one whose keypoints most people have."""
    keypoint_names: tuple[str, ...] | None = None
    """Names of the keypoints where the file has none, or one known set such as coco."""
    sigmas: tuple[str, ...] | None = None
    """OKS sigmas as name=value, or one known set such as coco; by default the file's, or those known by name."""
    max_detections: int = MAX_DETECTIONS
    """Poses of an image that count, the best first."""


def main(arguments: list[str]) -> None:
    """Print what was left out of either file, the protocol and a line for each number."""
    command = tyro.cli(Command, args=arguments, prog="python -m jobs.score")
    if command.json is not None:
        cli.require_file("--json", command.json)
    reading = Reading(command.category, command.keypoint_names, None, command.sigmas)
    scored = score_file(command.annotations, command.results, reading, command.max_detections)
    cli.tell_notes(scored.notes, Command)
    print(scored.protocol)
    for name, value in scored.numbers.items():
        print(f"  {name:<10} {'-' if value is None else f'{value:.4f}'}")
    if command.json is not None:
        write_text(command.json, json.dumps({**scored.numbers, "protocol": scored.protocol, "notes": scored.notes},
                                            indent=1) + "\n")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:], Command)
