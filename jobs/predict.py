"""Poses in photos and videos: `python -m jobs.predict RUN_OR_CHECKPOINT IMAGE|FOLDER|VIDEO... [--boxes FILE]`."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import loky
import numpy as np
import torch
import tyro

from jobs import cli
from trs.data.annotations.boxes import KnownBoxes, are_corners, read_boxes
from trs.errors import InputError, printable
from trs.evaluation.predictor import load_predictor
from trs.evaluation.protocol import ENSEMBLE
from trs.photos.files import find_files, other_files, photo_size
from trs.photos.predict import PhotoPredictor
from trs.photos.write import predict_files

_NAMED = 5
"""Files that a line names; of more it gives the number."""


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
    _require_shares(command)
    files = find_files(command.inputs)
    _check_places(files, command.out)
    torch.set_num_threads(loky.cpu_count())  # torch itself does not see a container's limit
    predictor = load_predictor(command.checkpoint, _device(command.use_gpu))
    if command.network not in predictor.names:
        raise InputError(f"--network {command.network}: this checkpoint has {', '.join(predictor.names)}")
    boxes = _boxes(command, predictor.skeleton.category_id)
    for sentence in _notes(command, boxes, files):
        print(f"note: {sentence}", file=sys.stderr)
    cli.make_folder("--out", command.out)
    bad = predict_files(PhotoPredictor(predictor, command.network, boxes, command.min_confidence), files,
                        command.out, functools.partial(print, flush=True), command.heatmaps)
    for sentence in (*bad, *(boxes.sentences(command.boxes) if boxes else [])):
        print(f"WARNING: {sentence}", file=sys.stderr)
    if len(bad) == len(files):
        raise InputError("none of the files can be read; the lines above say why")
    left_out = f"; {len(bad)} left out: {_some(bad, '; ')}" if bad else ""
    print(f"{len(files) - len(bad)} of {len(files)} files -> {command.out}{left_out}")


def _boxes(command: Command, category: int | str) -> Boxes | None:
    return Boxes(read_boxes(command.boxes, command.min_box_score, [category])) if command.boxes else None


@dataclass
class Boxes:
    """The boxes of a file, and how many images were looked up in it and found."""

    known: KnownBoxes
    asked: int = 0
    found: int = 0

    def __call__(self, name: str) -> np.ndarray:
        """[N, 4] boxes in the image with this file name."""
        boxes = self.known(name)
        self.asked += 1
        self.found += len(boxes) > 0
        return boxes

    def sentences(self, file: Path | None) -> list[str]:
        """What a person should know of the images that have no boxes."""
        if self.found == self.asked:
            return []
        if self.found:
            return [f"{self.asked - self.found} of {self.asked} images have no box in {file}"]
        names = ", ".join(printable(name) for name in list(self.known.boxes)[:_NAMED]) or "none"
        return [f"none of the {self.asked} images has a box in {file}: images are found by file name or number, in it "
                f"are {names}"]


def _notes(command: Command, boxes: Boxes | None, files: Sequence[Path]) -> list[str]:
    """What is not what a person may think, before it is done."""
    others = other_files(command.inputs)
    more = "more file" if len(others) == 1 else "more files"
    said = [f"the folders hold {len(others)} {more}, no images or videos by their names: "
            f"{_some([printable(file.name) for file in others], ', ')}"] if others else []
    if boxes is None:
        return [*said, "without --boxes each image is taken as one person's"]
    return [*said, *boxes.known.findings.line(), *_corners(boxes.known, files)]


def _corners(known: KnownBoxes, files: Sequence[Path]) -> list[str]:
    """A sentence where the boxes of these images are no x, y, width and height."""
    found = [(box, size) for file in files if len(boxes := known(file.name))
             if (size := photo_size(file)) is not None for box in boxes]
    if not found or not are_corners(np.array([box for box, _ in found]), np.array([size for _, size in found])):
        return []
    return [f"{known.findings.file}: the boxes are read as x, y, width, height and leave their images, in which they "
            "would lie as two corners x1, y1, x2, y2; write x1, y1, x2 - x1, y2 - y1 if that is what they are"]


def _some(words: Sequence[str], separator: str) -> str:
    rest = len(words) - _NAMED
    return separator.join(words[:_NAMED]) + (f"{separator}and {rest} more" if rest > 0 else "")


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


def _require_shares(command: Command) -> None:
    for option, value in (("--min-box-score", command.min_box_score), ("--min-confidence", command.min_confidence)):
        if not 0 <= value <= 1:  # NaN does not
            raise InputError(f"{option} must be a number from 0 to 1, got {value}")


def _check_places(files: Sequence[Path], out: Path) -> None:
    """Raises InputError if there is nothing to predict, or if `out` cannot take the results."""
    if not files:
        raise InputError("nothing to predict: name images, folders of images or videos after the checkpoint")
    if os.path.exists(out) and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    there = os.path.realpath(out)  # unlike Path.resolve, it takes a link to itself for a file
    if any(Path(os.path.realpath(file)).is_relative_to(there) for file in files):
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
