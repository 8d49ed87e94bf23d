"""A trained network for those who deploy it: `python -m jobs.export RUN_OR_CHECKPOINT --name pose.onnx`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from jobs import cli
from trs.errors import InputError
from trs.evaluation.predictor import load_predictor
from trs.export import export, require_onnx


@dataclass(frozen=True)
class Command:
    """Write a network as ONNX, and compare what it computes with the checkpoint."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint's folder, or a run's, whose latest checkpoint is taken."""
    out: Path = Path(".")
    """Folder for the file."""
    name: str = "pose.onnx"
    """Name of the file."""
    network: str = "a"
    """Which network, such as a or reviewer_a; `ensemble` computes all peers."""


def main(arguments: list[str]) -> None:
    """Export, and say what the file takes and gives."""
    command = tyro.cli(Command, args=arguments, prog="python -m jobs.export")
    require_onnx()
    file = command.out / command.name
    if command.out.suffix == ".onnx":
        file = command.out
        print(f"note: --out names a folder now: --out {file.parent} --name {file.name}", file=sys.stderr)
    if not os.path.isdir(file.absolute().parent):
        raise InputError(f"there is no folder {file.parent} to write {file.name} to")
    cli.require_file("--name", file)
    predictor = load_predictor(command.checkpoint, torch.device("cpu"))
    if command.network not in predictor.names:
        raise InputError(f"--network {command.network}: this checkpoint has {', '.join(predictor.names)}")
    difference = export(predictor, command.network, file)
    height, width = predictor.config.data.input_size
    print(f"{file}: network {command.network}, images [B, {height}, {width}, 3] uint8 RGB -> heatmaps, "
          f"keypoints [B, {len(predictor.skeleton)}, 3] of x, y, confidence; differs from the checkpoint by "
          f"{difference:.1g}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
