"""Poses in photos and videos: `python -m jobs.predict RUN_OR_CHECKPOINT IMAGE|FOLDER|VIDEO... [--boxes FILE]`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from jobs import cli
from trs.data.annotations.boxes import read_boxes
from trs.errors import InputError
from trs.evaluation.predictor import load_predictor
from trs.evaluation.protocol import ENSEMBLE
from trs.photos.files import find_files
from trs.photos.predict import PhotoPredictor
from trs.photos.write import predict_files


@dataclass(frozen=True)
class Command:
    """Predict poses: an image with skeletons for each image, a video for each video, and the poses as JSON."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint's folder, or a run's, whose latest checkpoint is taken."""
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Images, folders of images, videos."""
    out: Path = Path("predictions")
    """Folder for NAME.jpg and NAME.mp4, predictions.json and NAME.json in COCO's result format."""
    boxes: Path | None = None
    """Where the people are: a COCO file, or a detector's results; without it each image is taken as one person's."""
    min_box_score: float = 0.5
    """Detected boxes below this score are left out."""
    network: str = ENSEMBLE
    """Whose poses: the ensemble of the peers, or one of the networks, such as a or reviewer_a."""
    heatmaps: bool = False
    """Also write NAME_heatmaps_1.jpg, ...: every keypoint of each person, as the teacher and its reviewer see it."""
    min_confidence: float = 0.2
    """Keypoints below this confidence are not drawn; the JSON has them all."""
    use_gpu: bool = torch.cuda.is_available()
    """Compute on a GPU; the default where there is one."""


def main(arguments: list[str]) -> None:
    """Predict; files that cannot be read are reported, and the others are predicted all the same."""
    command = tyro.cli(Command, args=_without_device(arguments), prog="python -m jobs.predict")
    files = find_files(command.inputs)
    _check_places(files, command.out)
    predictor = load_predictor(command.checkpoint, _device(command.use_gpu))
    if command.network not in predictor.names:
        raise InputError(f"--network {command.network}: this checkpoint has {', '.join(predictor.names)}")
    find_boxes = read_boxes(command.boxes, command.min_box_score) if command.boxes else None
    command.out.mkdir(parents=True, exist_ok=True)
    bad = predict_files(PhotoPredictor(predictor, command.network, find_boxes, command.min_confidence), files,
                        command.out, functools.partial(print, flush=True), command.heatmaps)
    for sentence in bad:
        print(f"WARNING: {sentence}", file=sys.stderr)
    if len(bad) == len(files):
        raise InputError("none of the files can be read; the lines above say why")
    print(f"{len(files) - len(bad)} of {len(files)} files -> {command.out}")


def _without_device(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--device cuda` and `--device cpu` in today's spelling and a note about it on stderr.

    Raises:
        InputError: another device was asked for.
    """
    today = {"cuda": "--use-gpu", "cpu": "--no-use-gpu"}
    rest, left = [], iter(arguments)
    for argument in left:
        option, equals, device = argument.partition("=")
        if option != "--device":
            rest.append(argument)
            continue
        device = device if equals else next(left, "")
        if device not in today:
            raise InputError(f"--device {device}: give --use-gpu or --no-use-gpu instead; which GPU is used, "
                             "CUDA_VISIBLE_DEVICES says")
        print(f"note: --device {device} is now {today[device]}", file=sys.stderr)
        rest.append(today[device])
    return rest


def _check_places(files: Sequence[Path], out: Path) -> None:
    """Raises InputError if there is nothing to predict, or if `out` cannot take the results."""
    if not files:
        raise InputError("nothing to predict: name images, folders of images or videos after the checkpoint")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    if any(file.resolve().is_relative_to(out.resolve()) for file in files):
        raise InputError(f"some of the images lie in {out}, where the results go; choose another --out")


def _device(use_gpu: bool) -> torch.device:
    if not use_gpu:
        return torch.device("cpu")
    try:
        return torch.zeros(0, device="cuda").device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--use-gpu: {str(error).splitlines()[0]}") from error


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
