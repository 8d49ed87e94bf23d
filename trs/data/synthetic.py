"""Drawn people: articulated figures in COCO's layout, for demos and tests that need no download.

A figure is posed as a 3D skeleton and projected orthographically, so that foreshortening, back views and the
swap of left and right follow from geometry. Axes: x to the right of the image, y down, z to the viewer.
Lengths of the body are shares of its standing height, from the middle of the hips. Colors are RGB, 0 to 255.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from trs.files import whole_folder

SIDES = (("left", 1), ("right", -1))
JOINTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
KEYPOINTS = ("nose", *(f"{side}_{joint}" for joint in JOINTS for side, _ in SIDES))
LIMBS = ((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
         (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))  # 1-based, as COCO counts
OBJECT_SHARE, CUT_SHARE = 0.35, 0.06  # of images: an object hides, the border may cut part of the person

# Painting is finer than the image and in fixed point, so outlines are true to a fraction of a pixel.
SUPERSAMPLING, SHIFT = 2, 4
CIRCLE = np.array([(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 16, endpoint=False)])
# Range of degrees: arm raised, arm swung, elbow bent, leg spread, leg swung, knee bent, trunk leant.
STANCES = np.radians([
    [(3, 30), (-15, 25), (0, 80), (0, 14), (-6, 9), (0, 9), (-6, 12)],  # standing
    [(70, 170), (-15, 30), (0, 85), (0, 28), (-12, 18), (0, 18), (-12, 12)],  # arms up
    [(6, 100), (-15, 45), (0, 115), (6, 40), (-12, 30), (0, 45), (-6, 23)],  # gesturing
    [(3, 17), (-40, 40), (12, 75), (0, 6), (-35, 35), (0, 40), (0, 14)],  # walking
    [(6, 60), (0, 60), (12, 90), (6, 35), (45, 75), (85, 120), (6, 35)],  # crouching or sitting
])
FACINGS = (0, 0, 0, 0, 0.7, -0.7, math.pi)  # radians, give or take half of one: 0 to the viewer, pi away
TRUNK = {"neck": (0, -0.3, 0), "head": (0, -0.415, 0.01), "nape": (0, -0.3, -0.06)} | {
    f"{side}_{name}": (sign * x, y, 0) for side, sign in SIDES
    for name, x, y in (("hip", 0.06, 0), ("waist", 0.052, -0.11), ("shoulder", 0.105, -0.28))}
FACE = {"nose": (0, 0.015, 0.083), "jaw": (0, 0.038, 0.015)} | {  # from the middle of a head along z
    f"{side}_{name}": (sign * x, y, z) for side, sign in SIDES
    for name, x, y, z in (("eye", 0.029, -0.01, 0.067), ("ear", 0.084, 0.004, -0.007),
                          ("cheek", 0.034, -0.004, 0.04), ("lip", 0.016, 0.048, 0.066))}
# A part is the hull of discs: its name, its paint, how much nearer it counts, then centers and radii.
PARTS: list[tuple[Any, ...]] = [
    ("head", "long hair", 0.025, ("head", 0.08), ("nape", 0.06)),
    ("pelvis", "trousers", 0.01, *((f"{s}_{end}", 0.043) for s, _ in SIDES for end in ("hip", "waist"))),
    ("chest", "shirt", 0.012, *((f"{s}_{end}", 0.04) for s, _ in SIDES for end in ("shoulder", "waist"))),
    ("pelvis", "skirt", 0.06, *((f"{s}_{end}", 0.052) for s, _ in SIDES for end in ("hip", "knee"))),
    ("head", "skin", 0.014, ("neck", 0.028), ("head", 0.028)),
    ("head", "hair", 0.06, ("head", 0.075)),
    ("head", "skin", 0.06, ("left_cheek", 0.022), ("right_cheek", 0.022), ("jaw", 0.051)),
    ("head", "lips", 0.06, ("left_lip", 0.006), ("right_lip", 0.006)),
    ("nose", "nose", 0.06, ("nose", 0.011)),
]
for _side, _ in SIDES:
    _eye, _ear, _shoulder, _elbow, _wrist, _hip, _knee, _ankle = (f"{_side}_{joint}" for joint in JOINTS)
    PARTS += [
        (_eye, "white", 0.06, (_eye, 0.014)),
        (_eye, "pupil", 0.061, (_eye, 0.007)),
        (_ear, "skin", 0.06, (_ear, 0.017)),
        (_elbow, "upper arm", 0.03, (_shoulder, 0.038), (_elbow, 0.03)),
        (_wrist, "forearm", 0.03, (_elbow, 0.029), (_wrist, 0.021)),
        (_wrist, "skin", 0.03, (_wrist, 0.02), (f"{_side}_hand", 0.024)),
        (_knee, "thigh", 0, (_hip, 0.054), (_knee, 0.038)),
        (_ankle, "shin", 0, (_knee, 0.037), (_ankle, 0.024)),
        (_ankle, "shoes", 0.01, (_ankle, 0.027), (f"{_side}_toe", 0.022)),
    ]
LABELS = {name: i for i, name in enumerate(("scene", *KEYPOINTS, "chest", "pelvis", "head", "object"))}
# The labels of the parts that meet at a joint: it is visible where one of them is the topmost paint.
MEETING = {joint: {LABELS[part[0]] for part in PARTS if joint in dict(part[3:])} for joint in KEYPOINTS}

Color = tuple[float, ...]
Paints = dict[str, Color]
Points = dict[str, np.ndarray]


@dataclass(frozen=True)
class Canvas:
    """An image in the making, [h, w, 3], and the label of the topmost paint at each pixel, [h, w]."""

    pixels: np.ndarray
    labels: np.ndarray

    def paint(self, name: str, color: Color, centers: np.ndarray, radii: np.ndarray) -> None:
        """Paint the hull of discs, with centers [N, 2] and radii [N] in pixels of the final image."""
        rims = SUPERSAMPLING * (centers[:, None] + radii[:, None, None] * CIRCLE + 0.5) - 0.5
        corners = cv2.convexHull((2**SHIFT * rims).astype(np.int32).reshape(-1, 2))
        cv2.fillConvexPoly(self.pixels, corners, color, cv2.LINE_AA, SHIFT)
        cv2.polylines(self.pixels, [corners], True, [0.65 * c for c in color], 1, cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(self.labels, corners, LABELS[name], cv2.LINE_8, SHIFT)


def _turn(nod: float, yaw: float, roll: float) -> np.ndarray:
    """Rotation matrix about x, y and z, in radians."""
    matrix: np.ndarray = cv2.Rodrigues(np.array([nod, yaw, roll], dtype=np.float64))[0]
    return matrix


def _direction(side: float, spread: float, swing: float) -> np.ndarray:
    """A limb's unit vector: down at rest, `spread` outwards to its side, `swing` to the front."""
    return np.array([side * math.sin(spread), math.cos(spread), math.tan(swing)]) * math.cos(swing)


def _pose(rng: Generator, girth: float) -> Points:
    """Sample a pose: the x, y, z of every point of the body."""
    limits, limb = STANCES[rng.integers(len(STANCES))].T, rng.uniform(0.93, 1.07)
    upper = {name: np.array(place) * (girth, 1, 1) for name, place in TRUNK.items()}
    gaze = _turn(rng.uniform(-0.2, 0.25), rng.uniform(-0.4, 0.4), rng.uniform(-0.15, 0.15))
    upper |= {name: upper["head"] + girth * gaze @ place for name, place in FACE.items()}
    lower = {}
    for side, sign in SIDES:
        raised, swing, bend, spread, stride, knee, lean = rng.uniform(*limits)
        plane = rng.uniform(-1.0, 1.0)  # the elbow bends inwards at -1, forwards at 0, outwards at 1
        forearm = _direction(sign, raised + bend * plane, swing + bend * math.sqrt(1 - plane**2))
        upper[f"{side}_elbow"] = upper[f"{side}_shoulder"] + 0.16 * limb * _direction(sign, raised, swing)
        upper[f"{side}_wrist"] = upper[f"{side}_elbow"] + 0.145 * limb * forearm
        upper[f"{side}_hand"] = upper[f"{side}_wrist"] + 0.03 * forearm
        hip, thigh = upper[f"{side}_hip"], 0.235 * limb * _direction(sign, spread, stride)
        lower[f"{side}_knee"] = hip + thigh
        lower[f"{side}_ankle"] = hip + thigh + 0.235 * limb * _direction(sign, spread / 2, stride - knee)
        lower[f"{side}_toe"] = lower[f"{side}_ankle"] + 0.07 * _direction(sign, 0.45, stride - knee + 1.2)
    facing = FACINGS[rng.integers(len(FACINGS))] + rng.uniform(-0.5, 0.5)
    body = _turn(rng.uniform(-0.1, 0.2), 0, rng.normal(0, 0.12)) @ _turn(0, facing, 0)
    trunk = body @ _turn(-lean, 0, rng.uniform(-0.2, 0.2))  # one trunk: the last side's lean
    points = {name: trunk @ point for name, point in upper.items()}
    for name in FACE:  # flattened, so that an arm passes in front of the whole face or behind it
        points[name][2] += 0.85 * (points["head"][2] - points[name][2])
    return points | {name: body @ point for name, point in lower.items()}


def _place(rng: Generator, points: Points, size: tuple[int, int]) -> tuple[Points, float]:
    """Move a pose into the image: its points in pixels and the pixels of a standing height."""
    flat = np.array(list(points.values()))[:, :2]
    low, high = flat.min(axis=0) - 0.05, flat.max(axis=0) + 0.05
    extent = high - low
    scale = min(rng.uniform(0.57, 0.88) * size[0] / max(extent[1], 0.8), 0.95 * size[1] / extent[0])
    overhang = 0.25 * scale * extent * (rng.random() < CUT_SHARE)
    origin = np.append(rng.uniform(-overhang, size[::-1] - scale * extent + overhang) - scale * low, 0.0)
    return {name: origin + scale * point for name, point in points.items()}, scale


def _sample_paints(rng: Generator) -> Paints:
    """Colors by paint. A missing paint is a missing garment: nothing is painted with it."""
    tan = rng.uniform(0.4, 1.0)
    skin = (245 * tan, 205 * tan**1.3, 175 * tan**1.5)
    hair = ((40, 28, 20), (90, 55, 30), (195, 155, 95), (150, 150, 150), (130, 60, 30))[rng.integers(5)]
    shirt, stripe, trousers, shoes = (tuple(color) for color in rng.uniform(15, 240, (4, 3)).tolist())
    long_sleeve, bare_leg, skirt, long_hair, striped = rng.random(5) < (0.4, 0.3, 0.15, 0.35, 0.5)
    paints = {"skin": skin, "hair": hair, "shirt": shirt, "trousers": trousers, "shoes": shoes,
              "white": (245, 245, 245), "pupil": (25, 20, 20), "lips": (150 * tan, 60 * tan, 60 * tan),
              "nose": tuple(0.82 * c for c in skin),
              "upper arm": shirt, "forearm": shirt if long_sleeve else skin,
              "thigh": skin if skirt else trousers, "shin": skin if skirt or bare_leg else trousers}
    extras = {"skirt": (skirt, trousers), "long hair": (long_hair, hair), "stripes": (striped, stripe)}
    return paints | {name: color for name, (worn, color) in extras.items() if worn}


def _sample_color(rng: Generator, paints: Paints) -> Color:
    """Often one of the person's own colors, so that color alone tells nobody from the scene."""
    if rng.random() < 0.4:
        return list(paints.values())[rng.integers(len(paints))]
    return tuple((rng.uniform(50, 205) + rng.uniform(-50, 50, 3)).tolist())


def _paint_shape(rng: Generator, canvas: Canvas, name: str, color: Color, center: np.ndarray,
                 radius: float) -> None:
    """A box, a rounded box or a pill at any angle."""
    along = radius * _direction(1, rng.uniform(0, math.pi), 0)[:2]
    across = rng.uniform(0.1, 1.0) * along[::-1] * (-1, 1)
    corners = np.array([along + across, along - across, -along - across, across - along]) + center
    canvas.paint(name, color, corners, np.full(4, (0.0, 0.2, 0.6)[rng.integers(3)] * radius))


def _paint_scene(rng: Generator, size: tuple[int, int], paints: Paints) -> Canvas:
    """A background: a gradient (few cells) or a texture (many), perhaps a floor, and clutter."""
    labels = np.zeros(np.multiply(SUPERSAMPLING, size), np.uint8)
    cells, channels = (2, 3, 8, 40)[rng.integers(4)], (1, 3)[rng.integers(2)]
    coarse = _sample_color(rng, paints) + rng.normal(0, rng.uniform(5, 30), (cells, cells, channels))
    canvas = Canvas(cv2.resize(coarse.clip(0, 255).astype(np.uint8), labels.shape[::-1]), labels)
    if rng.random() < 0.6:
        canvas.pixels[int(rng.uniform(0.5, 0.95) * len(labels)):] = _sample_color(rng, paints)
    for _ in range(rng.integers(2, 8)):
        center, radius = rng.uniform(0, size[::-1]), rng.uniform(0.03, 0.15) * size[0]
        _paint_shape(rng, canvas, "scene", _sample_color(rng, paints), center, radius)
    return canvas


def _paint_body(canvas: Canvas, points: Points, scale: float, girth: float, paints: Paints) -> None:
    order = sorted(PARTS, key=lambda part: fmean(points[name][2] for name, _ in part[3:]) / scale + part[2])
    for label, paint, _, *discs in order:
        if paint in paints:
            centers = np.array([points[name][:2] for name, _ in discs])
            radii = girth * scale * np.array([radius for _, radius in discs])
            canvas.paint(label, paints[paint], centers, radii)


def _print_stripes(rng: Generator, canvas: Canvas, color: Color) -> None:
    rows, columns = np.nonzero(canvas.labels == LABELS["chest"])
    period, angle = rng.uniform(5, 14), rng.uniform(0, math.pi)
    striped = (math.cos(angle) * rows + math.sin(angle) * columns) % period < period / 2
    canvas.pixels[rows[striped], columns[striped]] = color


def _paint_object(rng: Generator, canvas: Canvas, points: Points, scale: float, color: Color) -> None:
    """Something in front of a joint: the edge of a table or a shape."""
    center = points[KEYPOINTS[rng.integers(5, len(KEYPOINTS))]][:2]
    if rng.random() < 0.25:
        top, bottom = SUPERSAMPLING * (center[1] + np.array([0, rng.uniform(0.1, 0.3) * scale])).clip(0)
        canvas.pixels[int(top):int(bottom)], canvas.labels[int(top):int(bottom)] = color, LABELS["object"]
    else:
        _paint_shape(rng, canvas, "object", color, center, rng.uniform(0.06, 0.16) * scale)


def _keypoints(points: Points, labels: np.ndarray) -> np.ndarray:
    """COCO's keypoints [17, 3] of what can be seen on the canvas."""
    keypoints = np.zeros((len(KEYPOINTS), 3))
    for index, joint in enumerate(KEYPOINTS):
        x, y = points[joint][:2]
        column, row = math.floor((x + 0.5) * SUPERSAMPLING), math.floor((y + 0.5) * SUPERSAMPLING)
        if 0 <= column < labels.shape[1] and 0 <= row < labels.shape[0]:
            keypoints[index] = x, y, 2 if labels[row, column] in MEETING[joint] else 1
    return keypoints


def _expose(rng: Generator, image: np.ndarray) -> np.ndarray:
    """The camera's blur, brightness and grain."""
    grain = rng.standard_normal((*image.shape[:2], 1), np.float32)
    exposed = np.float32(rng.uniform(0.75, 1.2)) * cv2.GaussianBlur(image, (3, 3), rng.uniform(0.1, 0.8))
    exposed += np.float32(rng.uniform(1, 8)) * grain + np.float32(rng.uniform(-15, 25))
    clipped: np.ndarray = np.clip(exposed, 0, 255).astype(np.uint8)
    return clipped


def draw_person(rng: Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one person.

    Args:
        rng: decides everything.
        size: height and width of the image in pixels.

    Returns:
        the image, RGB uint8 [H, W, 3]; keypoints [17, 3] float64 x, y, v in COCO's order, the middle of the
        first pixel being (0, 0) and v being 2 visible, 1 occluded, 0 outside of the image (then x = y = 0);
        the box [4] float64 x, y, width, height of the person in the image, which spans [0, W] x [0, H].
    """
    girth, paints = rng.uniform(0.88, 1.2), _sample_paints(rng)
    points, scale = _place(rng, _pose(rng, girth), size)
    canvas = _paint_scene(rng, size, paints)
    _paint_body(canvas, points, scale, girth, paints)
    if "stripes" in paints:
        _print_stripes(rng, canvas, paints["stripes"])
    box = np.array(cv2.boundingRect(canvas.labels)) / SUPERSAMPLING
    if rng.random() < OBJECT_SHARE:
        _paint_object(rng, canvas, points, scale, _sample_color(rng, paints))
    image = cv2.resize(canvas.pixels, size[::-1], interpolation=cv2.INTER_AREA)
    return _expose(rng, image), _keypoints(points, canvas.labels), box


def _draw_split(root: Path, split: str, count: int, seeds: tuple[int, int]) -> None:
    (root / split).mkdir()
    images, annotations = [], []
    for i in range(1, count + 1):
        rng = np.random.default_rng([*seeds, i])
        height, width = rng.integers(116, 141, 2).tolist()
        image, keypoints, box = draw_person(rng, (height, width))
        images.append({"id": i, "file_name": f"{i:06d}.jpg", "height": height, "width": width})
        jpeg = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        (root / split / f"{i:06d}.jpg").write_bytes(jpeg.tobytes())
        annotations.append({"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": box.tolist(),
                            "area": 0.53 * float(box[2] * box[3]),  # what a silhouette usually fills
                            "num_keypoints": int(np.count_nonzero(keypoints[:, 2])),
                            "keypoints": keypoints.round(2).ravel().tolist()})
    category = {"id": 1, "name": "person", "keypoints": KEYPOINTS, "skeleton": LIMBS}
    content = {"info": {"description": f"Drawn people, {split}"}, "categories": [category], "images": images,
               "annotations": annotations}
    (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content), "utf-8")


def draw_dataset(root: Path, train_count: int, val_count: int, seed: int = 0) -> None:
    """Write drawn people in COCO's layout: `root`/train, `root`/val, `root`/annotations; one in each image.

    An image depends on the seed, its split and its number only. `root` appears complete or not at all.

    Raises:
        FileExistsError: `root` is there already.
    """
    if root.exists():
        raise FileExistsError(f"{root} exists already; delete it or name another folder")
    with whole_folder(root) as unfinished:  # another process may draw it meanwhile
        (unfinished / "annotations").mkdir()
        _draw_split(unfinished, "train", train_count, (seed, 0))
        _draw_split(unfinished, "val", val_count, (seed, 1))
