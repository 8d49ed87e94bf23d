"""Predictions for many photos and videos as files: drawn skeletons, heatmap sheets and records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from trs.data.images import BadImage
from trs.errors import printable
from trs.files import whole_file, write_text
from trs.photos.files import PREDICTIONS, Photo, is_video, open_video, read_photos, result_names
from trs.photos.predict import PhotoPredictor, PredictedPhoto, heatmap_sheets
from trs.visualize import write_jpeg

_FRAMES_A_REPORT = 100
_LONGEST_JPEG = 65_500
_CODEC = "vp09"
"""Browsers play it; OpenCV's packages cannot write H.264, and nothing but players shows their default, MPEG-4."""


def predict_files(predictor: PhotoPredictor, files: Sequence[Path], out: Path, report: Callable[[str], object],
                  heatmaps: bool = False) -> list[str]:
    """Predict the poses in photos and videos, and write them into a folder.

    An image becomes NAME.jpg and part of predictions.json, a video becomes NAME.mp4 and NAME.json. The JSON files hold
    lists of records in COCO's result format.

    Args:
        predictor: predicts and draws one photo.
        files: images and videos.
        out: the folder, which exists.
        report: receives a line about each image, and several about each video, as they are done.
        heatmaps: also write NAME_heatmaps_1.jpg, ...: a sheet for each person.

    Returns: a sentence about each file that could not be used.
    """
    def predict(photo: Photo) -> PredictedPhoto:
        predicted = predictor.predict(photo)
        if heatmaps and predicted.crops is not None:
            for number, drawing in enumerate(heatmap_sheets(predictor.predictor, predicted.crops), start=1):
                write_jpeg(out / f"{photo.name}_heatmaps_{number}.jpg", drawing)
        return predicted

    unreadable: list[str] = []
    names = result_names(files)
    images = {file: name for file, name in names.items() if not is_video(file)}
    if images:
        _predict_images(predict, images, out, report, unreadable)
    for file, name in names.items():
        if is_video(file):
            try:
                _predict_video(predict, file, name, out, report)
            except BadImage as error:
                unreadable.append(str(error))
    return unreadable


def _predict_images(predict: Callable[[Photo], PredictedPhoto], names: Mapping[Path, str], out: Path,
                    report: Callable[[str], object], unreadable: list[str]) -> None:
    records: list[dict[str, Any]] = []
    for photo in read_photos(names, unreadable):
        if max(photo.image.shape) > _LONGEST_JPEG:
            unreadable.append(f"{printable(photo.file)} cannot be drawn: a JPEG has at most {_LONGEST_JPEG} pixels in "
                              "a row")
            continue
        predicted = predict(photo)
        write_jpeg(out / f"{photo.name}.jpg", predicted.drawn)
        records += predicted.records
        count = len(predicted.records)
        report(f"{printable(photo.file)}: {count} {'person' if count == 1 else 'people'}"
               + (f", in the first of its {photo.of} images" if photo.of > 1 else ""))
    write_text(out / f"{PREDICTIONS}.json", json.dumps(records))


def _predict_video(predict: Callable[[Photo], PredictedPhoto], file: Path, name: str, out: Path,
                   report: Callable[[str], object]) -> None:
    """Write NAME.mp4, which appears once it is whole, and NAME.json.

    Raises:
        BadImage: no frame can be read, or no video can be written.
    """
    video, shown = open_video(file, name), printable(file.name)
    writer: cv2.VideoWriter | None = None
    records: list[dict[str, Any]] = []
    number = 0
    with whole_file(out / f"{name}.mp4") as partial:
        for number, photo in enumerate(video.frames, start=1):
            predicted = predict(photo)
            records += predicted.records
            height, width = predicted.drawn.shape[:2]
            writer = writer or cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*_CODEC), video.frame_rate,
                                               (width, height))
            if not writer.isOpened():
                raise BadImage(f"{shown}: OpenCV cannot write {_CODEC} into mp4 files here")
            writer.write(predicted.drawn[..., ::-1])
            if number % _FRAMES_A_REPORT == 0:
                report(f"{shown}: frame {number} of {video.frame_count}")
        if writer is None:
            raise BadImage(f"{printable(str(file))} is a video without a frame that can be read")
        writer.release()
    write_text(out / f"{name}.json", json.dumps(records))
    claimed = f" of the {video.frame_count} that it claims to have" if number < video.frame_count else ""
    report(f"{shown}: {number} frames{claimed}, {len(records)} poses")
