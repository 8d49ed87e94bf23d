"""Files as annotation tools really write them, read and scored; `exported/README.md` says which tool wrote each."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.scorer_cases import COCO_SIGMAS
from trs.data.annotations.formats import load_people
from trs.data.annotations.left_out import Mended, Reason
from trs.data.annotations.reading import Reading
from trs.data.images import BadImage, read_image
from trs.errors import InputError
from trs.evaluation.coco_eval import MAX_DETECTIONS, NAMES
from trs.evaluation.score import Scored, score_file

FOLDER = Path(__file__).parent / "exported"
NAMED = Reading(keypoint_names=("coco",))
ROUNDED, CUT = 0.5, 1.0
"""Pixels by which tools move a keypoint that round it, or cut it, to a whole number."""


@dataclass(frozen=True)
class Export:
    """A file of labels that can be used.

    name: of the file.
    within: pixels between a keypoint in the file and the one that was drawn.
    reading: what a person has to say of it.
    left_out: how many records for each reason.
    mended: what is put right, in each record.
    """

    name: str
    within: float = 0.0
    reading: Reading = field(default_factory=Reading)
    left_out: dict[Reason, int] = field(default_factory=dict)
    mended: tuple[Mended, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.json"


NO_SIZE = (Mended.BOX, Mended.AREA)
EXPORTS = (
    Export("coco_annotator_boxes", ROUNDED),
    Export("coco_annotator_points", ROUNDED, mended=NO_SIZE),
    Export("cvat_numbered", reading=NAMED),
    Export("cvat_rectangles"),
    Export("cvat_skeletons"),
    Export("cvat_track"),
    Export("datumaro_boxes", within=1e-4),
    Export("datumaro_no_sizes", within=1e-4),
    Export("datumaro_points", within=1e-4),
    Export("detectron2", reading=NAMED),
    Export("fiftyone_categories", CUT, mended=NO_SIZE),
    Export("fiftyone_plain", CUT, NAMED, mended=NO_SIZE),
    Export("label_studio_mmpose", reading=NAMED),
    Export("label_studio_sdk", ROUNDED, left_out={Reason.OTHER_CATEGORY: 3}, mended=(Mended.AREA,)),
    Export("label_studio_sdk_server_names", ROUNDED, left_out={Reason.OTHER_CATEGORY: 3}, mended=(Mended.AREA,)),
    Export("sleap_io"),
    Export("sleap_io_film"),
    Export("supervisely_graphs", CUT),
    Export("supervisely_rectangles", CUT, left_out={Reason.OTHER_CATEGORY: 4}),
    Export("x_anylabeling", CUT),
    Export("x_anylabeling_pairs", CUT),
)
MERGED = "label_studio_sdk_merged"
NOBODY = ("label_studio_converter", "label_studio_converter_polygons", "labelme2coco_points", "labelme2coco_polygons",
          "supervision")
"""Files of boxes and outlines: the tool has dropped the keypoints."""
RESULTS = ("mmpose_results", "ultralytics_8_2", "ultralytics_8_2_coco", "ultralytics_8_2_names", "ultralytics_8_4",
           "ultralytics_8_4_names")

every = pytest.mark.parametrize("export", EXPORTS, ids=str)


def content_of(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def drawn_people(name: str) -> list[dict[str, Any]]:
    """Those whom a file is about, in its order: file_name, keypoints and box."""
    people: list[dict[str, Any]] = content_of(f"{name}_people")
    assert people
    return people


def points_of(people: list[dict[str, Any]]) -> np.ndarray:
    return np.array([person["keypoints"] for person in people], dtype=np.float64).reshape(len(people), -1, 3)


def drawn_areas(people: list[dict[str, Any]]) -> list[float]:
    """0.53 of each person's box."""
    return [0.53 * person["box"][2] * person["box"][3] for person in people]


def labels(people: list[dict[str, Any]], areas: list[float], points: np.ndarray, first_image: int = 1
           ) -> dict[str, Any]:
    """A file in COCO's format that leaves no question open: points [N, 17, 3] of people, their images, their areas."""
    files = list(dict.fromkeys(person["file_name"] for person in people))
    return {"images": [{"id": number, "file_name": file, "width": 640, "height": 640}
                       for number, file in enumerate(files, start=first_image)],
            "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_SIGMAS)}],
            "annotations": [{"id": number, "image_id": first_image + files.index(person["file_name"]),
                             "category_id": 1, "iscrowd": 0, "bbox": person["box"] or [0, 0, 640, 640], "area": area,
                             "num_keypoints": int((pose[:, 2] > 0).sum()), "keypoints": pose.ravel().tolist()}
                            for number, (person, area, pose) in enumerate(zip(people, areas, points, strict=True), 1)]}


def clean_copy(export: Export) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same labels in a file that leaves no question open, and the tool's own records of them.

    An area is the tool's; where it writes none, 0.53 of its box; where it writes neither, 0.53 of the drawn one.
    """
    people = drawn_people(export.name)
    records = [record for record in content_of(export.name)["annotations"] if record.get("keypoints")]
    width = len(records[0]["keypoints"]) // len(COCO_SIGMAS)
    written = np.array([record["keypoints"] for record in records], dtype=np.float64).reshape(len(records), -1, width)
    points = points_of(people)
    points[..., :2] = np.where(points[..., 2:] > 0, written[..., :2], 0)
    drawn = [person["box"] for person in drawn_people("datumaro_boxes")]
    areas = []
    for record, person in zip(records, people, strict=True):
        _, _, wide, high = (record["bbox"] if any(record.get("bbox", [])) else drawn[people.index(person)])
        areas.append(record["area"] if record.get("area") else 0.53 * wide * high)
    return labels(people, areas, points), records


def moved(points: np.ndarray) -> np.ndarray:
    """Poses [N, 17, 3] beside the labels, 12 pixels for the first person, 3 for the last; anywhere without a label."""
    rng = np.random.default_rng(4)
    angles = rng.uniform(0, 2 * np.pi, points.shape[:2])
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * np.linspace(12, 3, len(points))[:, None, None]
    places = np.where(points[..., 2:] > 0, points[..., :2] + steps, rng.uniform(0, 240, steps.shape))
    return np.concatenate([places, rng.uniform(0.4, 1, (*points.shape[:2], 1))], axis=-1)


def results(poses: np.ndarray, like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Poses [N, 17, 3] in COCO's result format, with the images and categories of these records."""
    return [{"image_id": record["image_id"], "category_id": record["category_id"], "score": round(0.9 - 0.1 * place, 2),
             "keypoints": pose.ravel().tolist()} for place, (pose, record) in enumerate(zip(poses, like, strict=True))]


def pycocotools_numbers(truth: dict[str, Any], poses: list[dict[str, Any]], folder: Path) -> dict[str, float | None]:
    """COCO's ten numbers of a clean file, with COCO's own sigmas; None where there is nobody."""
    path = write(folder / "clean.json", truth)
    known = COCO(str(path))
    evaluation = COCOeval(known, known.loadRes(str(write(folder / "clean_results.json", poses))), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {name: None if value == -1 else float(value) for name, value in zip(NAMES, evaluation.stats, strict=True)}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def score(annotations: Path, poses: Path, reading: Reading | None = None) -> Scored:
    return score_file(annotations, poses, reading or Reading(), MAX_DETECTIONS)


def test_each_file_is_described_and_tried() -> None:
    there = sorted(path.stem for path in FOLDER.glob("*.json") if not path.stem.endswith("_people"))
    assert there == sorted([*(export.name for export in EXPORTS), MERGED, *NOBODY, *RESULTS])
    described = (FOLDER / "README.md").read_text()
    assert [name for name in there if f"`{name}`" not in described] == []
    assert [name for name in there if not (FOLDER / f"{name}_people.json").exists()] == []


@every
def test_everybody_is_read_where_they_were_drawn(export: Export) -> None:
    read, people = load_people(export.path, FOLDER, export.reading), drawn_people(export.name)
    assert read.people.files.tolist() == [person["file_name"] for person in people]
    declared = {image["file_name"]: [image["height"], image["width"]] for image in content_of(export.name)["images"]}
    assert read.people.image_sizes.tolist() == [declared[person["file_name"]] for person in people]
    points = points_of(people)
    labeled = points[..., 2] > 0
    np.testing.assert_array_equal(read.people.keypoint_weights, labeled)
    assert np.abs(read.people.keypoints - 0.5 - points[..., :2])[labeled].max() <= export.within + 1e-9
    for box, person, pose in zip(read.people.boxes, people, points, strict=True):
        if person["box"] is not None:
            assert np.abs(box - person["box"]).max() <= max(export.within, 0.5)  # the box of a tool of whole pixels
        seen = pose[pose[:, 2] > 0, :2]
        assert (seen.min(0) > box[:2] - CUT).all() and (seen.max(0) < box[:2] + box[2:] + CUT).all()


@every
def test_the_skeleton_is_cocos(export: Export) -> None:
    skeleton = load_people(export.path, FOLDER, export.reading).skeleton
    assert skeleton.names == tuple(COCO_SIGMAS) and skeleton.sigmas == tuple(COCO_SIGMAS.values())
    assert [(skeleton.names[a], skeleton.names[b]) for a, b in skeleton.mirror_pairs] == [
        (f"left_{part}", f"right_{part}")
        for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")]


@every
def test_what_is_left_out_or_put_right_is_counted(export: Export) -> None:
    findings, people = load_people(export.path, FOLDER, export.reading).findings, drawn_people(export.name)
    assert findings.left_out == Counter(export.left_out)
    assert findings.mended == Counter(dict.fromkeys(export.mended, len(people)))


@every
def test_poses_score_as_pycocotools_says_on_a_clean_copy(export: Export, tmp_path: Path) -> None:
    truth, records = clean_copy(export)
    poses = moved(np.array([record["keypoints"] for record in truth["annotations"]]).reshape(len(records), -1, 3))
    expected = pycocotools_numbers(truth, results(poses, truth["annotations"]), tmp_path)
    assert expected["ap"] is not None and 0.5 < expected["ap"] < 0.95, "poses neither all right nor all wrong"
    scored = score(export.path, write(tmp_path / "results.json", results(poses, records)), export.reading)
    if Mended.BOX in export.mended:  # the areas are guessed, and so they are owed nearly, and a sentence
        assert scored.numbers["ap"] == pytest.approx(expected["ap"], abs=0.05)
        assert any(Mended.AREA.value in note for note in scored.notes)
    else:
        assert scored.numbers == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("name", ["cvat_numbered", "detectron2", "fiftyone_plain", "label_studio_mmpose"])
def test_points_without_names_are_named_by_a_person_or_refused(name: str) -> None:
    """Or, where the tool numbers them, their sigmas are guessed, and they are known to have no sides."""
    path = FOLDER / f"{name}.json"
    if name == "cvat_numbered":
        skeleton = load_people(path, FOLDER).skeleton
        assert skeleton.guessed == skeleton.names and not skeleton.mirror_pairs
    else:
        with pytest.raises(InputError, match=rf"{name}\.json.* have 17; .*data\.keypoint_names"):
            load_people(path, FOLDER)


@pytest.mark.parametrize("name", NOBODY)
@pytest.mark.parametrize("reading", [Reading(), NAMED], ids=["plain", "named"])
def test_files_whose_keypoints_are_lost_are_refused(name: str, reading: Reading, tmp_path: Path) -> None:
    poses = write(tmp_path / "results.json", [{"image_id": 0, "category_id": 0, "score": 1, "keypoints": [9.0] * 51}])
    with pytest.raises(InputError, match=rf"{name}\.json.*keypoint") as refusal:
        score(FOLDER / f"{name}.json", poses, reading)
    assert "\n" not in str(refusal.value)


def test_people_whom_a_tool_has_merged_are_one(tmp_path: Path) -> None:
    """Nobody can part them: points that the second person lacks are the first one's."""
    read, people = load_people(FOLDER / f"{MERGED}.json", FOLDER), drawn_people(MERGED)
    assert read.findings.left_out == {Reason.OTHER_CATEGORY: 4} and len(people) == 4
    first, second, *others = points_of(people)
    merged = np.where(second[:, 2:] > 0, second, first)
    expected = np.stack([merged, *others])
    labeled = expected[..., 2] > 0
    np.testing.assert_array_equal(read.people.keypoint_weights, labeled)
    assert np.abs(read.people.keypoints - 0.5 - expected[..., :2])[labeled].max() < ROUNDED + 1e-9


@pytest.mark.parametrize("name", ["label_studio_sdk", "detectron2", "cvat_track", "sleap_io"])
def test_images_lie_where_a_file_says(name: str, tmp_path: Path) -> None:
    people = load_people(FOLDER / f"{name}.json", tmp_path, NAMED).people
    for file, (height, width) in zip(people.files.tolist(), people.image_sizes.tolist(), strict=True):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (width, height)).save(path)
        assert read_image(people.root, file, (height, width)).shape == (height, width, 3)


def test_names_of_a_server_lead_out_of_the_folder(tmp_path: Path) -> None:
    people = load_people(FOLDER / "label_studio_sdk_server_names.json", tmp_path).people
    for file in people.files.tolist():
        with pytest.raises(BadImage, match="leads out of"):
            read_image(people.root, file, (0, 0))


@pytest.mark.parametrize("name", RESULTS)
def test_results_of_other_tools_score_as_pycocotools_says(name: str, tmp_path: Path) -> None:
    """Whatever they call the image and the category; the labels lie so far off that the AP is neither 0 nor 1."""
    people = drawn_people(name)
    points = points_of(people)
    aside = moved(points)
    aside[..., 2] = points[..., 2]
    truth = labels(people, drawn_areas(people), np.where(points[..., 2:] > 0, aside, 0))
    written = content_of(name)
    as_numbered = [{**record, "category_id": 1, "image_id": known["image_id"]}
                   for record, known in zip(sorted_by(written, people), truth["annotations"], strict=True)]
    expected = pycocotools_numbers(truth, as_numbered, tmp_path)
    assert expected["ap"] is not None and 0.5 < expected["ap"] < 0.95
    scored = score(write(tmp_path / "labels.json", truth), FOLDER / f"{name}.json")
    assert scored.numbers == pytest.approx(expected, abs=5e-4) and not scored.notes


def sorted_by(written: list[dict[str, Any]], people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results in the order of the people, each the nearest to a person by its box."""
    boxes = np.array([record["bbox"] for record in written])
    ordered = [written[int(np.abs(boxes - person["box"]).sum(1).argmin())] for person in people]
    assert len({id(record) for record in ordered}) == len(written)
    return ordered


@pytest.mark.parametrize("first_image", [0, 10])
@pytest.mark.parametrize("name", [name for name in RESULTS if name.startswith("ultralytics")])
def test_results_name_their_images_by_their_files(name: str, first_image: int, tmp_path: Path) -> None:
    """Numbers of files are not ids: tools that label count images from 0, or from anywhere."""
    people = drawn_people(name)
    truth = labels(people, drawn_areas(people), points_of(people), first_image)
    assert score(write(tmp_path / "labels.json", truth), FOLDER / f"{name}.json").numbers["ap"] == pytest.approx(1)


def test_a_file_name_decides_where_each_id_is_the_number_of_another_image(tmp_path: Path) -> None:
    people = drawn_people("ultralytics_8_4")
    truth = labels(people, drawn_areas(people), points_of(people))
    for record in truth["images"]:
        record["id"] = 4 - record["id"]
    for record in truth["annotations"]:
        record["image_id"] = 4 - record["image_id"]
    scored = score(write(tmp_path / "labels.json", truth), FOLDER / "ultralytics_8_4.json")
    assert scored.numbers["ap"] == pytest.approx(1)
