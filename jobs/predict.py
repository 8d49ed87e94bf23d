"""Poses on any picture: `python -m jobs.predict RUN_OR_CHECKPOINT PICTURE|FOLDER|VIDEO... [--boxes FILE]`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import tyro

from jobs import cli
from trs.data.annotations.detections import FindBoxes, read_boxes, whole_picture
from trs.data.images import BadImage, read_photo
from trs.errors import InputError
from trs.evaluation.oks import coco_result, mean_heat
from trs.evaluation.predict import Crops
from trs.evaluation.predictor import ENSEMBLE, Predictor, load_predictor
from trs.files import write_whole
from trs.visualize import draw_skeleton, enlarge, grid, overlay_heatmap, sheet, write_jpeg

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm"}
_CELL = 192
"""A heatmap's crop is enlarged until its shorter side has about so many pixels."""


@dataclass(frozen=True)
class Command:
    """Predict poses: a picture with skeletons for each picture, a video for each video, and the poses as JSON."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint's folder, or a run's, whose latest checkpoint is taken."""
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, folders of pictures, videos."""
    out: Path = Path("predictions")
    """Folder for NAME.jpg and NAME.mp4, predictions.json and NAME.json in COCO's result format."""
    boxes: Path | None = None
    """Where the people are: a COCO file, or a detector's results; without it each picture is one person's."""
    min_box_score: float = 0.5
    """Detected boxes below this score are left out."""
    network: str = ENSEMBLE
    """Whose poses: the ensemble of the peers, or one of the networks, such as a or reviewer_a."""
    heatmaps: bool = False
    """Also write NAME_heatmaps_1.jpg, ...: every keypoint of each person, as teacher and reviewer see it."""
    min_confidence: float = 0.2
    """Keypoints with less heat are not drawn; the JSON has them all."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where to compute."""


@dataclass(frozen=True)
class Picture:
    """One picture or frame.

    name: of its overlay, without an ending.
    file: what its boxes are found by.
    image_id: of its records: the number in a COCO file name, of the frame, or of the picture in order.
    image: [H, W, 3] uint8 RGB.
    """

    name: str
    file: str
    image_id: int
    image: np.ndarray


def main(arguments: list[str]) -> None:
    """Predict; pictures that cannot be read are named and survived."""
    command = tyro.cli(Command, args=arguments, prog="python -m jobs.predict")
    files = [file for path in command.inputs for file in _files(path)]
    if not files:
        raise InputError("nothing to look at: name pictures, folders of pictures or videos after the checkpoint")
    predictor = load_predictor(command.checkpoint, _device(command.device))
    if command.network not in predictor.names:
        raise InputError(f"--network {command.network}: this checkpoint has {', '.join(predictor.names)}")
    find = read_boxes(command.boxes, command.min_box_score) if command.boxes else None
    if command.out.exists() and not command.out.is_dir():
        raise InputError(f"{command.out} is a file; --out names a folder")
    if any(file.resolve().is_relative_to(command.out.resolve()) for file in files):
        raise InputError(f"some of the pictures lie in {command.out}, where the results go; choose another --out")
    command.out.mkdir(parents=True, exist_ok=True)
    names = _names(files)
    pictures = {file: name for file, name in names.items() if file.suffix.lower() not in VIDEOS}
    bad: list[str] = []
    if pictures:
        _predict_pictures(command, predictor, _read(pictures, bad), find)
    for file, name in names.items():
        if file.suffix.lower() in VIDEOS:
            try:
                _predict_video(command, predictor, file, name, find)
            except BadImage as error:
                bad.append(str(error))
    for complaint in bad:
        print(f"WARNING: {complaint}", file=sys.stderr)
    if len(bad) == len(files):
        raise InputError("none of the files can be read; the lines above say why")
    print(f"{len(files) - len(bad)} of {len(files)} files -> {command.out}")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES | VIDEOS)
        if not found:
            raise InputError(f"there are no pictures in {path}; known are {' '.join(sorted(PICTURES | VIDEOS))}")
        return found
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    return [path]


def _device(name: str) -> torch.device:
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: {str(error).splitlines()[0]}") from error


def _names(files: list[Path]) -> dict[Path, str]:
    """A name of its own for each file's results: two folders may hold files of one name."""
    names: dict[Path, str] = {}
    taken = {"predictions"}
    for file in files:
        candidates = (file.stem, *(f"{file.stem}_{number}" for number in range(2, len(files) + 3)))
        names[file] = next(name for name in candidates if name not in taken)
        taken.add(names[file])
    return names


def _read(files: dict[Path, str], bad: list[str]) -> Iterator[Picture]:
    for order, (file, name) in enumerate(files.items(), start=1):
        try:
            image = read_photo(file)
        except BadImage as error:
            bad.append(str(error))
            continue
        yield Picture(name, file.name, int(file.stem) if file.stem.isdecimal() else order, image)


def _predict_pictures(command: Command, predictor: Predictor, pictures: Iterable[Picture], find: FindBoxes | None
                      ) -> None:
    results: list[dict[str, Any]] = []
    for picture in pictures:
        drawn, found = _predict(command, predictor, picture, find)
        write_jpeg(command.out / f"{picture.name}.jpg", drawn)
        results += found
        print(f"{picture.file}: {len(found)} {'person' if len(found) == 1 else 'people'}", flush=True)
    write_whole(command.out / "predictions.json", json.dumps(results))


def _predict_video(command: Command, predictor: Predictor, file: Path, name: str, find: FindBoxes | None) -> None:
    """The overlay appears once it is whole.

    Raises:
        BadImage: no frame can be read, or no video can be written.
    """
    video = cv2.VideoCapture(str(file))
    partial = command.out / f"{name}.partial.mp4"
    rate, count = video.get(cv2.CAP_PROP_FPS) or 25.0, int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    writer, results, number = None, [], 0
    while (frame := video.read()[1]) is not None:
        picture = Picture(f"{name}_{number:06d}", str(number), number, np.ascontiguousarray(frame[..., ::-1]))
        drawn, found = _predict(command, predictor, picture, find)
        results += found
        height, width = drawn.shape[:2]
        writer = writer or cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
        if not writer.isOpened():
            raise BadImage(f"{file}: OpenCV cannot write mp4 here")
        writer.write(drawn[..., ::-1])
        number += 1
        if number % 100 == 0:
            print(f"{file.name}: frame {number} of {count}", flush=True)
    video.release()
    if writer is None:
        raise BadImage(f"{file} is not a video that can be read")
    writer.release()
    os.replace(partial, command.out / f"{name}.mp4")
    write_whole(command.out / f"{name}.json", json.dumps(results))
    print(f"{file.name}: {number} frames, {len(results)} poses", flush=True)


def _predict(command: Command, predictor: Predictor, picture: Picture, find: FindBoxes | None
             ) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The picture with its skeletons, and the poses as records."""
    boxes = whole_picture(picture.image) if find is None else find(picture.file)
    if len(boxes) == 0:
        return picture.image, []
    crops = predictor.crop(picture.image, boxes)
    poses = predictor.decode(predictor.heatmaps(crops, command.network), crops)
    drawn = picture.image
    for pose in poses:
        drawn = draw_skeleton(drawn, pose, predictor.skeleton, command.min_confidence)
    if command.heatmaps:
        for number, drawing in enumerate(heatmap_sheets(predictor, crops), start=1):
            write_jpeg(command.out / f"{picture.name}_heatmaps_{number}.jpg", drawing)
    scores = mean_heat(poses)
    return drawn, [
        {**coco_result(picture.image_id, pose, score, predictor.skeleton.category_id), "file_name": picture.file,
         "bbox": box.tolist()} for pose, score, box in zip(poses, scores, boxes, strict=True)]


def heatmap_sheets(predictor: Predictor, crops: Crops) -> Iterator[np.ndarray]:
    """A sheet a person: each keypoint's heat and its peak, as the teacher and, beside it, its reviewer see it."""
    names = [name for name in ("a", "reviewer_a") if name in predictor.names]
    seen = {name: predictor.heatmaps(crops, name).cpu().numpy() for name in names}
    for row, crop in enumerate(crops.images):
        image = enlarge(crop, max(1, round(_CELL / min(crop.shape[:2]))))
        blocks = []
        for index, keypoint in enumerate(predictor.skeleton.names):
            maps = [seen[name][row, index] for name in names]
            titles = [f"{title} {heat.max():.2f}" for title, heat in
                      zip((keypoint.replace("_", " "), "reviewer"), maps, strict=False)]
            blocks.append(sheet([[overlay_heatmap(image, heat)] for heat in maps], titles))
        yield grid(blocks, columns=max(1, round(len(blocks) ** 0.5)))


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
