"""Which files hold photos and videos, and what is read from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from trs.data.images import BadImage, read_photo
from trs.errors import InputError

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_ENDINGS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm"})
PREDICTIONS = "predictions"
"""Name, without an ending, of the file with the poses of all photos; no photo's results get this name."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One image file, or one frame of a video.

    name: of the files that are made from it, without an ending.
    file: the image's file name, or the frame's number: what its boxes are found by.
    image_id: of its records: the number that the file name is, the frame's number, or the photo's place in the order.
    image: [H, W, 3] uint8 RGB.
    """

    name: str
    file: str
    image_id: int
    image: np.ndarray


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
        if path.is_dir():
            endings = IMAGE_ENDINGS | VIDEO_ENDINGS
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in endings)
            if not inside:
                raise InputError(f"there are no images and no videos in {path}: no file names that end in "
                                 f"{' '.join(sorted(endings))}")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"there is no file {path}")
    return found


def result_names(files: Sequence[Path]) -> dict[Path, str]:
    """A name of its own for each file's results: NAME, or NAME_2, NAME_3, ... where several files are called NAME."""
    names: dict[Path, str] = {}
    taken = {PREDICTIONS}
    for file in files:
        candidates = (file.stem, *(f"{file.stem}_{number}" for number in range(2, len(files) + 3)))
        names[file] = next(name for name in candidates if name not in taken)
        taken.add(names[file])
    return names


def read_photos(names: Mapping[Path, str], unreadable: list[str]) -> Iterator[Photo]:
    """The photos in image files, one after the other.

    Args:
        names: of each file's results.
        unreadable: receives a sentence about each file that cannot be read; the file is left out.
    """
    for place, (file, name) in enumerate(names.items(), start=1):
        try:
            image = read_photo(file)
        except BadImage as error:
            unreadable.append(str(error))
            continue
        yield Photo(name, file.name, int(file.stem) if file.stem.isdecimal() else place, image)


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
    """Open a video, whose frames are called NAME_000000, NAME_000001, ...; one that cannot be read has no frames."""
    capture = cv2.VideoCapture(str(file))
    return Video(capture.get(cv2.CAP_PROP_FPS) or 25.0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)),
                 _frames(capture, name))


def _frames(capture: cv2.VideoCapture, name: str) -> Iterator[Photo]:
    number = 0
    while (frame := capture.read()[1]) is not None:
        yield Photo(f"{name}_{number:06d}", str(number), number, np.ascontiguousarray(frame[..., ::-1]))
        number += 1
    capture.release()
