"""MPII: the list of `HRNet` and SimpleBaseline (one JSON record a person), and the official .mat file.

Coordinates are Matlab's: the first pixel is number 1, so its center lies at 0.5 in the convention of
`trs.data.geometry`. A person's place is a center and a scale, whose unit is a height of 200 pixels; the boxes made from
them are squares, moved down by 15 pixels a unit as in `microsoft/human-pose-estimation.pytorch`.

The length that PCKh is relative to is 0.6 of the head box's diagonal. The list leaves head boxes out: they are read
from `gt_NAME.mat` beside it, or, without that file, the distance from upper neck to head top stands in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trs.data.annotations.annotations import Annotations
from trs.data.annotations.fields import checked, file_name, is_list_of, number, numbers
from trs.data.annotations.left_out import Findings, Reason
from trs.data.annotations.matlab import read_matlab
from trs.data.annotations.reading import Reading
from trs.data.person_table import AREA_OF_BOX, PersonTable, are_credible, undeclared_sizes
from trs.errors import InputError, printable
from trs.skeleton import MPII

_PIXELS_PER_SCALE = 200.0
_SHIFT_DOWN = 15.0
_HEAD_BIAS = 0.6
_UPPER_NECK, _HEAD_TOP = MPII.names.index("upper_neck"), MPII.names.index("head_top")


def is_list(content: Any) -> bool:
    """Whether this is the content of HRNet's list."""
    return is_list_of(content, "joints", "center", "scale")


def people_of(annotations: Path, content: list[dict[str, Any]], images: Path, reading: Reading) -> Annotations:
    """The labeled people in the content of HRNet's list, numbered in its order.

    Raises:
        InputError: a malformed record, or a .mat file of another list.
    """
    records = [record | {"id": index} for index, record in enumerate(checked(annotations, content))]
    files = [file_name(annotations, record, "image") for record in records]
    joints = np.array([numbers(annotations, record, "joints", (len(MPII), 2)) for record in records])
    weights = np.array([numbers(annotations, record, "joints_vis", (len(MPII),)) for record in records])
    centers = np.array([numbers(annotations, record, "center", (2,)) for record in records])
    scales = np.array([number(annotations, record, "scale") for record in records], dtype=np.float64)
    boxes_file = head_boxes_file(annotations)
    heads = _head_boxes(boxes_file, len(records)) if boxes_file.exists() else _head_segments(joints, weights)
    return _annotations(Findings(annotations.name), reading, images, files, joints, weights, centers, scales, heads)


def head_boxes_file(annotations: Path) -> Path:
    """Where the head boxes of a list lie, if they do: `gt_valid.mat` beside `valid.json`."""
    return annotations.with_name(f"gt_{annotations.stem}.mat")


def _head_boxes(path: Path, count: int) -> np.ndarray:
    """[N] head sizes from corners [2, 2, N], first and last, as HRNet's evaluation reads them."""
    corners = np.asarray(read_matlab(path, "headboxes_src"))
    if corners.dtype.kind not in "iuf":
        raise InputError(f"{path} holds no numbers under headboxes_src")
    if corners.shape != (2, 2, count):
        raise InputError(f"{path} holds head boxes of shape {corners.shape}, the list beside it {count} people")
    first, last = corners.astype(np.float64).transpose(0, 2, 1)
    return _HEAD_BIAS * _lengths(first, last)


def _head_segments(joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    lengths = _lengths(joints[:, _UPPER_NECK], joints[:, _HEAD_TOP])
    both = (weights[:, _HEAD_TOP] > 0) & (weights[:, _UPPER_NECK] > 0)
    return np.where(both & (lengths > 0), lengths, np.nan)


def _lengths(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[N] between two points [N, 2] each; infinite or NaN where they are too far apart, or none."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths: np.ndarray = np.linalg.norm(ends - starts, axis=1)
    return lengths


def load_release(path: Path, images: Path, reading: Reading) -> Annotations:
    """The labeled people of the training part of `mpii_human_pose_v1_u12_1.mat`; the test part has no labels.

    Raises:
        InputError: the file is missing, or not MPII's.
    """
    release = read_matlab(path, "RELEASE")
    try:
        listed = np.atleast_1d(release.annolist)
        training = np.atleast_1d(release.img_train)
        people = [(str(image.image.name), person) for image, used in zip(listed, training, strict=True) if used
                  for person in np.atleast_1d(image.annorect)
                  if _is_whole(person)]
        files = [file_name(path, {"image": name, "id": index}, "image") for index, (name, _) in enumerate(people)]
        joints, weights = _points([person for _, person in people])
        centers = np.array([(person.objpos.x, person.objpos.y) for _, person in people], dtype=np.float64)
        scales = np.array([person.scale for _, person in people], dtype=np.float64)
        corners = np.array([(person.x1, person.y1, person.x2, person.y2) for _, person in people], dtype=np.float64)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is not MPII's annotation file: {printable(str(error))}") from error
    corners = corners.reshape(-1, 4)
    heads = _HEAD_BIAS * _lengths(corners[:, :2], corners[:, 2:])
    return _annotations(Findings(path.name), reading, images, files, joints, weights, centers.reshape(-1, 2), scales,
                        heads)


def _is_whole(person: Any) -> bool:
    """Some records lack their points, their place or their head; nothing can be learned or measured there."""
    fields = [getattr(person, name, ()) for name in ("scale", "x1", "y1", "x2", "y2")]
    fields += [getattr(getattr(person, "objpos", None), name, ()) for name in ("x", "y")]
    return (np.size(getattr(getattr(person, "annopoints", None), "point", ())) > 0
            and all(np.size(field) == 1 for field in fields))


def _points(people: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Joints [N, 16, 2] and weights [N, 16] from lists of labeled points, each with its number."""
    joints, weights = np.zeros((len(people), len(MPII), 2)), np.zeros((len(people), len(MPII)))
    for row, person in enumerate(people):
        for point in np.atleast_1d(person.annopoints.point):
            place = int(point.id)
            if not 0 <= place < len(MPII):
                raise ValueError(f"a point has the number {place}, and there are {len(MPII)}, from 0")
            joints[row, place] = float(point.x), float(point.y)
            weights[row, place] = 1
    return joints, weights


def _annotations(findings: Findings, reading: Reading, images: Path, files: list[str], joints: np.ndarray,
                 weights: np.ndarray, centers: np.ndarray, scales: np.ndarray, heads: np.ndarray) -> Annotations:
    with np.errstate(over="ignore", invalid="ignore"):
        side = _PIXELS_PER_SCALE * scales[:, None]
        areas = side[:, 0] ** 2
        # From pixel numbers that begin with 1 to continuous coordinates.
        middles = centers + np.array([0.0, _SHIFT_DOWN]) * scales[:, None] - 0.5
        corners = middles - side / 2
    image_ids = np.unique(np.array(files, dtype=np.str_), return_inverse=True)[1]
    people = PersonTable(
        root=str(images), files=np.array(files, dtype=np.str_), ids=np.arange(len(files)),
        image_ids=image_ids.astype(np.int64), image_sizes=undeclared_sizes(len(files)),
        boxes=np.concatenate([corners, side, side], axis=1), scores=np.ones(len(files)),
        keypoints=joints - 0.5, keypoint_weights=(weights > 0).astype(np.float32),
        areas=AREA_OF_BOX * areas, head_sizes=np.where(np.isfinite(heads) & (heads > 0), heads, np.nan),
        frame=reading.stored_frame)
    labeled: np.ndarray = np.any(weights > 0, axis=1)
    finite = np.isfinite(joints).all(2) | (weights <= 0)
    whole = (scales > 0) & are_credible(areas) & np.isfinite(centers).all(1)
    findings.count(Reason.UNLABELED, ~labeled)
    findings.count(Reason.NOT_FINITE, labeled & ~finite.all(1))
    findings.count(Reason.NO_SIZE, labeled & finite.all(1) & ~whole)
    used: np.ndarray = labeled & finite.all(1) & whole
    return Annotations(people.take(used), MPII, None, findings, MPII.names)
