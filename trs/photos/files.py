"""Which files hold photos and videos, and what is read from them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from trs.data.images import MAX_PIXELS, BadImage, frame_count, read_header, read_photo
from trs.errors import InputError, printable
from trs.files import LONGEST_NAME, open_regular, shortened

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff",
                           ".gif", ".avif", ".heic", ".heif", ".hif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"})
"""Some are read only where a package for them is installed; what cannot be read is named then."""
VIDEO_ENDINGS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp", ".ogv",
                           ".mts", ".m2ts", ".flv"})
PREDICTIONS = "predictions"
"""Name, without an ending, of the file with the poses of all photos; no photo's results get this name."""

_ROOM = 40
"""Bytes behind NAME in the longest names: `_1234_123456_heatmaps_123.jpg`."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One image file, or one frame of a video.

    name: of the files that are made from it, without an ending.
    file: the image's file name, or the frame's number: what its boxes are found by.
    image_id: of its records: the number that the file name is, the frame's number, or the photo's place in the order.
    image: [H, W, 3] uint8 RGB.
    of: how many images the file holds, of an animation or a document, of which this is the first.
    """

    name: str
    file: str
    image_id: int
    image: np.ndarray
    of: int = 1


def is_video(file: Path) -> bool:
    """Whether the file's name ends as a video's does; every other file is taken for an image."""
    return file.suffix.lower() in VIDEO_ENDINGS


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files among the paths, and the images and videos anywhere below the folders among them, sorted by folder.

    Raises:
        InputError: a path does not exist, or a folder holds no image and no video.
    """
    found: list[Path] = []
    for path in paths:
        if os.path.isdir(path):  # unlike Path.is_dir, it says no to a name that is too long
            inside = [file for file in _below(path) if _is_known(file)]
            if not inside:
                raise InputError(f"there are no images and no videos in {printable(str(path))}: no file names that "
                                 f"end in {' '.join(sorted(IMAGE_ENDINGS | VIDEO_ENDINGS))}")
            found += inside
        elif os.path.exists(path):
            found.append(path)
        else:
            raise InputError(f"there is no file {printable(str(path))}")
    return found


def other_files(paths: Iterable[Path]) -> list[Path]:
    """What `find_files` leaves in folders: files that are no images and no videos by their names; not hidden ones."""
    return [file for path in paths if path.is_dir() for file in _below(path)
            if not _is_known(file) and not file.name.startswith(".")]


def _below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if not file.is_dir())


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_ENDINGS | VIDEO_ENDINGS


def result_names(files: Sequence[Path]) -> dict[Path, str]:
    """A name of its own for each file's results: NAME, or NAME_2, NAME_3, ... where several files are called NAME.

    A name that leaves no room for what comes behind it is cut.
    """
    names: dict[Path, str] = {}
    taken = {PREDICTIONS}
    for file in files:
        stem = shortened(file.stem, LONGEST_NAME - _ROOM)
        candidates = (stem, *(f"{stem}_{number}" for number in range(2, len(files) + 3)))
        names[file] = next(name for name in candidates if name not in taken)
        taken.add(names[file])
    return names


def photo_size(file: Path) -> tuple[int, int] | None:
    """Height and width of an image as it is shown, from its header; None for a video, and what cannot be read."""
    if is_video(file):
        return None
    try:
        return read_header(str(file.absolute().parent), file.name).shown
    except BadImage:
        return None


def read_photos(names: Mapping[Path, str], unreadable: list[str]) -> Iterator[Photo]:
    """The photos in image files, one after the other.

    Args:
        names: of each file's results.
        unreadable: receives a sentence about each file that cannot be read; the file is left out.
    """
    for place, (file, name) in enumerate(names.items(), start=1):
        try:
            image, count = read_photo(file), frame_count(file)
        except BadImage as error:
            unreadable.append(str(error))
            continue
        yield Photo(name, file.name, _number(file.stem, place), image, count)


@dataclass(frozen=True, eq=False)
class Video:
    """A video that is read from its first frame to its last.

    frame_rate: frames a second; 25 where the file does not tell.
    frame_count: how many frames the file claims to have.
    frames: its frames, read as they are asked for.
    """

    frame_rate: float
    frame_count: int
    frames: Iterator[Photo]


def open_video(file: Path, name: str) -> Video:
    """Open a video, whose frames are called NAME_000000, NAME_000001, ...

    Raises:
        BadImage: it is missing, no regular file, or no video that can be read.
    """
    shown = printable(str(file))
    try:
        with open_regular(file) as stream:
            if not stream.read(1):
                raise BadImage(f"{shown} is empty")
        capture = cv2.VideoCapture(str(file.absolute()), cv2.CAP_FFMPEG)
    except OSError as error:
        raise BadImage(f"{shown}: {error.strerror}") from error
    except (cv2.error, UnicodeError) as error:
        raise BadImage(f"{shown} is not a video that can be read: {type(error).__name__}") from error
    if not capture.isOpened():
        raise BadImage(f"{shown} is not a video that can be read")
    width, height, count, rate = (capture.get(what) for what in (
        cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS))
    if width * height > MAX_PIXELS:
        raise BadImage(f"{shown} has frames of {width * height:.0f} pixels, more than {MAX_PIXELS}")
    return Video(rate if 0 < rate < 1000 else 25.0, max(0, int(count)), _frames(capture, name))


def _frames(capture: cv2.VideoCapture, name: str) -> Iterator[Photo]:
    number = 0
    while (frame := capture.read()[1]) is not None:
        yield Photo(f"{name}_{number:06d}", str(number), number, np.ascontiguousarray(frame[..., ::-1]))
        number += 1
    capture.release()


def _number(stem: str, otherwise: int) -> int:
    """The number that a file is named by."""
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) < 19 else otherwise
