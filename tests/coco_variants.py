"""COCO's keypoint files as tools and people really write them: each variant is one odd thing, done to a clean file.

A variant says what is owed to poses that are scored against it: the AP of the clean copy of the same labels, that AP
nearly and a sentence, or a refusal in one sentence. `clean_content` and `poses_near` give a file and poses to begin
with; most variants will do with any clean file of people with COCO's keypoints.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from tests.scorer_cases import COCO_SIGMAS

Content = dict[str, Any]
Record = dict[str, Any]
Results = list[Record]
Change = Callable[[Content], Content]
ResultsChange = Callable[[Results], Results]
Owed = Literal["same", "near", "refused or same", "refused or near", "refused"]
NAN, INFINITY = math.nan, math.inf


def unchanged(content: Content) -> Content:
    return copy.deepcopy(content)


def same_results(results: Results) -> Results:
    return copy.deepcopy(results)


def as_json(content: Content) -> bytes:
    return json.dumps(content).encode()


@dataclass(frozen=True)
class Variant:
    """One odd thing about a file.

    name: of the variant.
    owed: "same" is the AP of the clean copy within 5e-4; "near" is within 0.05, and a sentence that says what was
        guessed; a refusal is one sentence with the remedy.
    change: makes the variant of a clean file's content, which stays as it is.
    clean: makes the clean copy of the variant's labels, where that is not the file as it was.
    results: the same results as another tool would write them beside this file.
    clean_results: the results that count with the clean copy.
    encode: writes the content.
    sigmas: of all keypoints in the clean copy's AP, where these are not COCO's.
    from_tool: who writes it.
    """

    name: str
    owed: Owed
    change: Change
    from_tool: str = ""
    clean: Change = unchanged
    results: ResultsChange = same_results
    clean_results: ResultsChange = same_results
    encode: Callable[[Content], bytes] = as_json
    sigmas: float | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ResultVariant:
    """One odd thing about a file of results; what is owed as in `Variant`.

    clean: the results that count.
    """

    name: str
    owed: Owed
    change: Callable[[Results, Content], Any]
    from_tool: str = ""
    clean: ResultsChange = same_results
    encode: Callable[[Any], bytes] = as_json

    def __str__(self) -> str:
        return self.name


# A file to begin with.

UNIT = ((0, .08), (.03, .06), (-.03, .06), (.06, .08), (-.06, .08), (.13, .2), (-.13, .2), (.2, .33), (-.2, .33),
        (.22, .47), (-.22, .47), (.09, .5), (-.09, .5), (.1, .73), (-.1, .73), (.1, .96), (-.1, .96))
"""Where COCO's keypoints are on somebody of height 1, seen from the front."""
LIMBS = [[16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10], [9, 11],
         [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]]
NAMES = list(COCO_SIGMAS)


def clean_content(seed: int = 0, image_count: int = 8) -> Content:
    """Two labeled people in each image, some keypoints not labeled; a crowd, and somebody without labels."""
    random = Random(seed)
    images, annotations = [], []
    for image_id in range(1, image_count + 1):
        height = random.choice((120, 160, 260))
        images.append({"id": image_id, "file_name": f"image_{image_id:03d}.jpg", "width": 2 * height + 80,
                       "height": height + 40})
        for place in (0.5, 1.5):
            keypoints: list[float] = []
            for x, y in UNIT:
                labeled = random.random() < 0.85
                keypoints += [round(height * (place + x + random.gauss(0, 0.02)), 2),
                              round(15 + height * (y + random.gauss(0, 0.02)), 2),
                              random.choice((1, 2))] if labeled else [0, 0, 0]
            annotations.append(_record(len(annotations) + 1, image_id, keypoints,
                                       [round(height * (place - 0.26), 2), 12, round(0.52 * height, 2), height]))
    annotations.append({**_record(len(annotations) + 1, 1, [0] * 51, [5.0, 5.0, 20.0, 30.0]), "iscrowd": 1})
    annotations.append(_record(len(annotations) + 1, 2, [0] * 51, [5.0, 5.0, 20.0, 30.0]))
    return {"info": {"description": "people", "version": "1.0"}, "licenses": [], "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person", "supercategory": "person", "keypoints": list(NAMES),
                            "skeleton": copy.deepcopy(LIMBS)}]}


def _record(number: int, image_id: int, keypoints: list[float], box: list[float]) -> Record:
    return {"id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0, "bbox": box,
            "area": round(0.53 * box[2] * box[3], 2), "segmentation": [], "keypoints": keypoints,
            "num_keypoints": sum(visibility > 0 for visibility in keypoints[2::3])}


def poses_near(content: Content, pixels: float = 3.0, seed: int = 0) -> Results:
    """A pose of each labeled person, so many pixels off on average, and one on each region that is ignored."""
    random, results = Random(seed), []
    for record in content["annotations"]:
        labels, (left, top, width, height) = record["keypoints"], record["bbox"]
        keypoints: list[float] = []
        for start in range(0, len(labels), 3):
            x, y, visibility = labels[start:start + 3]
            if visibility == 0:
                x, y = left + width / 2, top + height / 2
            keypoints += [round(x + random.gauss(0, pixels), 4), round(y + random.gauss(0, pixels), 4), 1.0]
        results.append({"image_id": record["image_id"], "category_id": record["category_id"],
                        "keypoints": keypoints, "score": round(random.uniform(0.3, 1), 4)})
    return results


# How a variant is made.

Edit = Callable[[Record, int], object]
"""Changes a record; it is told its place in the list."""


def each(key: str, edit: Edit, whom: Callable[[Record, int], bool] = lambda record, place: True) -> Change:
    """Edit the records of a list, or those that are chosen."""
    def change(content: Content) -> Content:
        content = copy.deepcopy(content)
        for place, record in enumerate(content[key]):
            if whom(record, place):
                edit(record, place)
        return content
    return change


def is_labeled(record: Record, place: int = 0) -> bool:
    """Whether this is a person to find; regions that are ignored need their boxes."""
    return any(visibility > 0 for visibility in record["keypoints"][2::3]) and not record.get("iscrowd")


def is_first(record: Record, place: int) -> bool:
    return place == 0


def every(edit: Edit) -> Change:
    return each("annotations", edit)


def labeled(edit: Edit) -> Change:
    return each("annotations", edit, is_labeled)


def one(edit: Edit) -> Change:
    return each("annotations", edit, is_first)


def images(edit: Edit) -> Change:
    return each("images", edit)


def categories(edit: Edit) -> Change:
    return each("categories", edit)


def put(**fields: Any) -> Edit:
    """Write these fields."""
    return lambda record, place: record.update(copy.deepcopy(fields))


def drop(*keys: str) -> Edit:
    """Leave these fields out."""
    return lambda record, place: [record.pop(key, None) for key in keys]


def to(key: str, value: Callable[[Any], Any]) -> Edit:
    """Write a field in another way."""
    return lambda record, place: record.update({key: value(record[key])})


def together(*changes: Change) -> Change:
    def change(content: Content) -> Content:
        for single in changes:
            content = single(content)
        return content
    return change


def top(edit: Callable[[Content], object]) -> Change:
    """Edit what stands on the file's top level."""
    def change(content: Content) -> Content:
        content = copy.deepcopy(content)
        edit(content)
        return content
    return change


def of_results(edit: Edit) -> ResultsChange:
    def change(results: Results) -> Results:
        results = copy.deepcopy(results)
        for place, record in enumerate(results):
            edit(record, place)
        return results
    return change


def adding(records: Callable[[Content], Iterable[Record]], *declared: Record) -> Change:
    """Add records of annotations, and categories."""
    def change(content: Content) -> Content:
        content = copy.deepcopy(content)
        content["categories"] += copy.deepcopy(list(declared))
        content["annotations"] += list(records(content))
        return content
    return change


def next_id(content: Content) -> int:
    return max(record["id"] for record in content["annotations"]) + 1


def as_written(name: str, change: Change, from_tool: str = "") -> Variant:
    """Other labels, but clean ones."""
    return Variant(name, "same", change, from_tool, clean=change)


# Ids of annotations.

def numbered(number: Callable[[int], Any]) -> Change:
    """Write ids that are made from a record's place."""
    return every(lambda record, place: record.update(id=number(place)))


ANNOTATION_IDS = [
    Variant("annotation ids from 0", "same", numbered(lambda place: place), "X-AnyLabeling, Roboflow, labelme2coco"),
    Variant("annotation ids backwards", "same", numbered(lambda place: 1000 - place)),
    Variant("annotation ids of 18 digits", "same", numbered(lambda place: 7_700_000_000_000_000_000 + place),
            "hashed ids"),
    Variant("annotation ids beyond 64 bits", "refused or same", numbered(lambda place: 2**64 + place)),
    Variant("annotation ids of hundreds of digits", "refused or same", numbered(lambda place: 10**400 + place)),
    Variant("annotation ids below 0", "same", numbered(lambda place: -1 - place)),
    Variant("annotation ids as text", "same", numbered(lambda place: str(place + 1)), "mmpose #1155"),
    Variant("annotation ids as text from 0", "same", numbered(str)),
    Variant("annotation ids are UUIDs", "same", numbered(lambda place: f"9f0c{place:04x}-7d1e-4c55-9b2a-0123456789ab"),
            "Labelbox, Encord"),
    Variant("annotation ids are 24 hexadecimal digits", "same", numbered(lambda place: f"{place:024x}"), "MongoDB ids"),
    Variant("annotation ids as floats", "same", numbered(lambda place: place + 1.0), "pandas"),
    Variant("annotation ids as floats from 0", "same", numbered(float), "pandas"),
    Variant("annotation ids missing", "refused or same", every(drop("id"))),
    Variant("one annotation id missing", "refused or same", one(drop("id"))),
    Variant("annotation ids null", "refused or same", every(put(id=None))),
    Variant("annotation ids are lists", "refused or same", numbered(lambda place: [place])),
    Variant("annotation ids not finite", "refused or same", every(put(id=NAN))),
    Variant("annotation ids all the same", "refused or same", every(put(id=1)), "exporters that never count"),
    Variant("annotation ids begin anew in each image", "refused or same", numbered(lambda place: place % 2)),
    Variant("two annotation ids are one when they are rounded", "refused or same",
            numbered(lambda place: {0: 7, 1: 7.5}.get(place, 100 + place))),
    Variant("annotation ids as a number and as the same text", "refused or same",
            numbered(lambda place: {0: 7, 1: "7"}.get(place, 100 + place))),
    Variant("annotation ids 1, 1.0 and true", "refused or same",
            numbered(lambda place: {0: 1, 1: 1.0, 2: True}.get(place, 100 + place))),
]


# Ids of images.

def renamed(number: Callable[[int], Any], in_annotations: Callable[[int], Any] | None = None) -> Change:
    """Write the images' ids in another way, in the annotations perhaps in a third one."""
    def change(content: Content) -> Content:
        content = copy.deepcopy(content)
        for record in content["images"]:
            record["id"] = number(record["id"])
        for record in content["annotations"]:
            record["image_id"] = (in_annotations or number)(record["image_id"])
        return content
    return change


def results_renamed(number: Callable[[int], Any]) -> ResultsChange:
    return of_results(to("image_id", number))


def image_ids(name: str, owed: Owed, number: Callable[[int], Any], in_annotations: Callable[[int], Any] | None = None,
              in_results: Callable[[int], Any] | None = None, from_tool: str = "") -> Variant:
    return Variant(name, owed, renamed(number, in_annotations), from_tool,
                   results=results_renamed(in_results or in_annotations or number))


def stem(image_id: int) -> str:
    """What an image is called without its ending, see `clean_content`."""
    return f"image_{image_id:03d}"


IMAGE_IDS = [
    image_ids("image ids from 0", "same", lambda image_id: image_id - 1, from_tool="Roboflow, Label Studio"),
    image_ids("image ids in no order", "same", lambda image_id: 1000 + image_id * 7919 % 101),
    image_ids("image ids of 18 digits", "same", lambda image_id: 7_700_000_000_000_000_000 + image_id),
    image_ids("image ids below 0", "same", lambda image_id: -image_id),
    image_ids("image ids as text", "same", str, from_tool="VIA, mmpose #1155"),
    image_ids("image ids as text, numbers in the results", "same", str, in_results=int),
    image_ids("image ids as text in the annotations only", "same", int, str, int),
    image_ids("image ids as text in the images only", "same", str, int, int),
    image_ids("image ids as text in the results only", "same", int, int, str, from_tool="ultralytics"),
    image_ids("image ids as floats", "same", float, from_tool="pandas"),
    image_ids("image ids as floats in the annotations only", "same", int, float, int, from_tool="pandas"),
    image_ids("image ids are names", "same", stem, from_tool="ultralytics, FiftyOne"),
    image_ids("image ids are names, numbers in no file", "same", lambda image_id: f"IMG-{image_id:04d}.JPG"),
    image_ids("image ids are UUIDs", "same", lambda image_id: f"9f0c{image_id:04x}-7d1e-4c55-9b2a-0123456789ab",
              from_tool="Labelbox"),
    image_ids("image ids with leading zeros", "same", lambda image_id: f"{image_id:012d}"),
    image_ids("image ids with leading zeros in the results only", "refused or same", int, int,
              lambda image_id: f"{image_id:012d}", from_tool="ultralytics on COCO's images"),
    image_ids("image names for ids in the results only", "refused or same", int, int, stem, from_tool="ultralytics"),
    image_ids("file names for ids in the results only", "refused or same", int, int,
              lambda image_id: f"{stem(image_id)}.jpg"),
    Variant("an image that no record names", "same",
            top(lambda content: content["images"].append({"id": 99, "file_name": "empty.jpg", "width": 9,
                                                          "height": 9}))),
    Variant("images in reverse", "same", top(lambda content: content["images"].reverse())),
    Variant("annotations in reverse", "same", top(lambda content: content["annotations"].reverse())),
    Variant("an image twice, alike", "refused or same",
            top(lambda content: content["images"].append(copy.deepcopy(content["images"][0]))), "merged files"),
    Variant("an image id twice, not alike", "refused or same",
            top(lambda content: content["images"].append({**content["images"][0], "file_name": "other.jpg"}))),
    Variant("an image without an id", "refused or same",
            top(lambda content: content["images"].append({"file_name": "empty.jpg", "width": 9, "height": 9}))),
    Variant("a record of an image that is not listed", "refused or same",
            adding(lambda content: [{**copy.deepcopy(content["annotations"][0]), "id": next_id(content),
                                     "image_id": 123456}]), "files cut by hand"),
    Variant("a record without image_id", "refused or same",
            adding(lambda content: [{key: value for key, value in content["annotations"][0].items()
                                     if key != "image_id"} | {"id": next_id(content)}])),
    Variant("a record whose image_id is null", "refused or same",
            adding(lambda content: [{**content["annotations"][0], "id": next_id(content), "image_id": None}])),
    Variant("a record whose image_id is a list", "refused or same",
            adding(lambda content: [{**content["annotations"][0], "id": next_id(content), "image_id": [1]}])),
]


# Ids of categories, and several of them.

def category(written: Any, in_annotations: Any = None) -> Change:
    return together(categories(put(id=written)),
                    every(put(category_id=written if in_annotations is None else in_annotations)))


def spread(*ids: int) -> Change:
    """Several categories with the same keypoints; the people take turns."""
    def change(content: Content) -> Content:
        content = copy.deepcopy(content)
        first = content["categories"][0]
        content["categories"] = [{**copy.deepcopy(first), "id": number, "name": f"{first['name']} {number}"}
                                 for number in ids]
        for place, record in enumerate(content["annotations"]):
            record["category_id"] = ids[place % len(ids)]
        return content
    return change


def only(chosen: int, declared: Iterable[int]) -> Change:
    """Several categories of the same keypoints, of which one has all the people."""
    return together(spread(*declared), every(put(category_id=chosen)))


def box_only(category_id: Any, **fields: Any) -> Callable[[Content], list[Record]]:
    """A record of a thing without keypoints for every image."""
    return lambda content: [{"id": next_id(content) + place, "image_id": image["id"], "category_id": category_id,
                             "bbox": [3, 3, 9, 9], "area": 81, "iscrowd": 0, "segmentation": [], **fields}
                            for place, image in enumerate(content["images"])]


def dogs(content: Content) -> list[Record]:
    return [{**record, "keypoints": [5, 5, 2, 8, 8, 2], "num_keypoints": 2} for record in box_only(2)(content)]


def in_category(number: Any) -> ResultsChange:
    return of_results(put(category_id=number))


def people_of_category_1(content: Content) -> Content:
    content = copy.deepcopy(content)
    content["annotations"] = [record for record in content["annotations"] if record["id"] % 2 == 1]
    return content


def other_order(content: Content) -> Content:
    """Every second person belongs to a category that lists the same keypoints backwards."""
    content = copy.deepcopy(content)
    first = content["categories"][0]
    content["categories"].append({**first, "id": 2, "name": "backwards", "keypoints": first["keypoints"][::-1],
                                  "skeleton": []})
    for record in content["annotations"]:
        if record["id"] % 2 == 0:
            points = record["keypoints"]
            record.update(category_id=2, keypoints=[value for start in range(len(points) - 3, -1, -3)
                                                    for value in points[start:start + 3]])
    return content


def label_studio(content: Content) -> Content:
    """Each person's rectangle is a record of its own, in a category without keypoints that comes first."""
    content = copy.deepcopy(content)
    content["categories"] = [{"id": 9, "name": "person"},
                             {**content["categories"][0], "id": 10, "name": "default", "skeleton": []}]
    records: list[Record] = []
    for record in content["annotations"]:
        records.append({"id": len(records), "image_id": record["image_id"], "category_id": 9, "segmentation": [],
                        "bbox": record["bbox"], "ignore": 0, "iscrowd": 0, "area": record["area"]})
        records.append({**record, "id": len(records), "category_id": 10})
    content["annotations"] = records
    return content


def roboflow(content: Content) -> Content:
    """A super category without people comes first, and everything is counted from 0."""
    content = together(numbered(lambda place: place), renamed(lambda image_id: image_id - 1))(content)
    content["categories"] = [{"id": 0, "name": "people", "supercategory": "none"},
                             {**content["categories"][0], "supercategory": "people"}]
    for image in content["images"]:
        image.update(license=1, date_captured="2024-05-01T10:00:00+00:00", extra={"name": image["file_name"]})
    content["info"] = {"year": "2024", "version": "1", "description": "Exported from roboflow.com", "contributor": "",
                       "url": "https://public.roboflow.com/object-detection/undefined", "date_created": "2024-05-01"}
    return content


CATEGORIES = [
    *[Variant(f"category id {number}", "same", category(number), results=in_category(number))
      for number in (0, 2, 10, 90, 2**40)],
    Variant("category id 0, 1 in the results", "same", category(0), "ultralytics #18140", results=in_category(1)),
    Variant("category id 2, 1 in the results", "same", category(2), "detectors of COCO", results=in_category(1)),
    Variant("category id 1, 0 in the results", "same", unchanged, "ultralytics #18140", results=in_category(0)),
    Variant("category id 1, 7 in the results", "same", unchanged, results=in_category(7)),
    Variant("category id below 0", "refused or same", category(-1), results=in_category(-1)),
    Variant("category id as text", "same", category("1"), "mmpose #1155"),
    Variant("category id as text, and in the results", "same", category("1"), results=in_category("1")),
    Variant("category id as text in the annotations only", "same", category(1, "1"), "mmpose #1155"),
    Variant("category id as text in the categories only", "same", category("1", 1)),
    Variant("category id is a word", "same", category("person"), results=in_category("person")),
    Variant("category id is a word, 1 in the results", "same", category("person")),
    Variant("category name instead of its id in the annotations", "refused or same", category(1, "person")),
    Variant("category id as a float", "same", category(1.0), "pandas"),
    Variant("category id as a float in the annotations only", "same", category(1, 1.0), "pandas"),
    Variant("category without an id", "same", categories(drop("id")), "files written by hand"),
    Variant("category id null", "refused or same", categories(put(id=None))),
    Variant("category id a list", "refused or same", category([1])),
    Variant("category id not finite", "refused or same", category(NAN)),
    Variant("records without category_id, one category", "same", every(drop("category_id")), "files written by hand"),
    Variant("category_id null, one category", "refused or same", every(put(category_id=None))),
    Variant("several categories of the same keypoints", "same", spread(1, 2, 3), "AP-10K, Animal Kingdom"),
    *(Variant(f"two categories of the same keypoints, {name}", "same", together(
        adding(lambda content: [], {"id": 2, "name": "child", "keypoints": [spell(name) for name in NAMES]}), each(
            "annotations", put(category_id=2), lambda record, place: bool(place % 2))))
      for name, spell in (("in capitals", str.upper), ("with spaces", lambda name: name.replace("_", " ")))),
    Variant("keypoints' places by their names", "same", categories(put(keypoints={
        name: place for place, name in enumerate(NAMES)}))),
    Variant("several categories of the same keypoints, results in theirs", "same", spread(1, 2, 3), "AP-10K",
            results=of_results(lambda record, place: record.update(category_id=place % 3 + 1))),
    Variant("54 categories", "same", spread(*range(1, 55)), "AP-10K"),
    Variant("the first category has no people", "same", only(2, (1, 2)), results=in_category(2)),
    Variant("the first category has no people, 1 in the results", "same", only(2, (1, 2))),
    Variant("only the last category has people", "same", only(3, (1, 2, 3)), "mmpose #2101", results=in_category(3)),
    Variant("categories from 0, only the last has people", "same", only(2, (0, 1, 2)), results=in_category(2)),
    Variant("another category of other keypoints", "same",
            adding(dogs, {"id": 2, "name": "dog", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]})),
    Variant("a category of other keypoints comes first", "same",
            together(adding(dogs, {"id": 2, "name": "dog", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}),
                     top(lambda content: content["categories"].reverse()))),
    Variant("a second category of as many other keypoints, without people", "same",
            adding(lambda content: [], {"id": 2, "name": "dog", "keypoints": [f"d{n}" for n in range(17)]})),
    Variant("a second category lists the keypoints in another order", "refused or same", other_order,
            clean=people_of_category_1,
            results=of_results(lambda record, place: record.update(category_id=place % 2 + 1)),
            clean_results=lambda results: [copy.deepcopy(record) for record in results[::2]]),
    Variant("things without keypoints beside people", "same", adding(box_only(37), {"id": 37, "name": "ball"}),
            "CVAT, COCO"),
    Variant("things whose keypoints are empty beside people", "same",
            adding(box_only(37, keypoints=[], num_keypoints=0), {"id": 37, "name": "ball", "keypoints": []})),
    Variant("things whose keypoints are null beside people", "same",
            adding(box_only(37, keypoints=None), {"id": 37, "name": "ball", "keypoints": None})),
    Variant("people's rectangles are records of their own", "same", label_studio, "Label Studio"),
    Variant("a super category comes first", "same", roboflow, "Roboflow",
            results=results_renamed(lambda image_id: image_id - 1)),
    Variant("some records are of an undeclared category", "same", adding(box_only(99)), "mmpose #2081"),
    Variant("some people are of an undeclared category", "refused or same",
            adding(lambda content: [{**copy.deepcopy(content["annotations"][0]), "id": next_id(content),
                                     "category_id": 99}])),
    Variant("all records are of an undeclared category", "refused or same", every(put(category_id=99))),
    Variant("a category twice, alike", "refused or same",
            top(lambda content: content["categories"].append(copy.deepcopy(content["categories"][0])))),
    Variant("a category id twice, not alike", "refused or same",
            top(lambda content: content["categories"].append({"id": 1, "name": "dog", "keypoints": ["nose", "tail"]}))),
    Variant("no categories", "refused or same", top(lambda content: content.update(categories=[]))),
    Variant("categories missing", "refused or same", top(lambda content: content.pop("categories"))),
    Variant("categories null", "refused or same", top(lambda content: content.update(categories=None))),
    Variant("categories is one object", "refused or same",
            top(lambda content: content.update(categories=content["categories"][0]))),
    Variant("categories by id", "refused or same",
            top(lambda content: content.update(categories={"1": content["categories"][0]}))),
    Variant("categories holds null", "refused or same", top(lambda content: content["categories"].append(None))),
    Variant("category without a name", "same", categories(drop("name", "supercategory"))),
    Variant("category name null", "same", categories(put(name=None, supercategory=None)), "FiftyOne"),
    Variant("category name empty", "same", categories(put(name="", supercategory=""))),
    Variant("category name is a number", "same", categories(put(name=1))),
    Variant("category name of another language", "same", categories(put(name="人物 – Fußgänger"))),
    Variant("category name with newline and escape codes", "same", categories(put(name="\x1b[2J\nperson"))),
    Variant("category with a background before it", "same",
            top(lambda content: content["categories"].insert(0, {"id": 0, "name": "_background_"})), "labelme2coco"),
]


# Names of keypoints, sigmas, mirror pairs.

def spelled(spell: Callable[[str], Any]) -> Change:
    return categories(to("keypoints", lambda names: [spell(name) for name in names]))


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def side_behind(name: str, separator: str = "_", short: bool = False) -> str:
    side, _, part = name.rpartition("_")
    return f"{part}{separator}{side[0] if short else side}" if side else part


def short_side(name: str, separator: str = "_") -> str:
    side, _, part = name.rpartition("_")
    return f"{side[0]}{separator}{part}" if side else part


KEYPOINT_NAMES = [
    Variant("keypoint names in capitals", "same", spelled(str.upper)),
    Variant("keypoint names in title case", "same", spelled(lambda name: name.replace("_", " ").title())),
    Variant("keypoint names with spaces", "same", spelled(lambda name: name.replace("_", " "))),
    Variant("keypoint names with spaces around them", "same", spelled(lambda name: f" {name} ")),
    Variant("keypoint names with hyphens", "same", spelled(lambda name: name.replace("_", "-")), "Roboflow"),
    Variant("keypoint names with dots", "same", spelled(lambda name: name.replace("_", "."))),
    Variant("keypoint names in camel case", "same", spelled(camel), "Unity, MediaPipe"),
    Variant("keypoint names in camel case with a capital", "same",
            spelled(lambda name: camel(name)[0].upper() + camel(name)[1:]), "Unity"),
    Variant("keypoint names with the side behind", "same", spelled(side_behind)),
    Variant("keypoint names with the side behind a space", "same", spelled(lambda name: side_behind(name, " "))),
    Variant("keypoint names with a short side behind", "same",
            spelled(lambda name: side_behind(name, "_", short=True))),
    Variant("keypoint names with a short side", "same", spelled(short_side), "labelme, OpenPose"),
    Variant("keypoint names with a short capital side", "same", spelled(lambda name: short_side(name, " ").title()),
            "CVAT"),
    Variant("keypoint names with a short side and nothing between", "same",
            spelled(lambda name: short_side(name, "")), "JHMDB"),
    Variant("keypoint names after a short side in camel case", "same",
            spelled(lambda name: f"{name.split('_')[0][0]}{name.split('_')[1].title()}" if "_" in name else name),
            "OpenPose"),
    Variant("keypoint names in capitals with a short side", "same", spelled(lambda name: short_side(name).upper())),
    Variant("keypoint names are numbers as text", "same",
            categories(to("keypoints", lambda names: [str(place + 1) for place in range(len(names))])), "CVAT",
            sigmas=0.079),
    Variant("keypoint names are numbers", "refused or same",
            categories(to("keypoints", lambda names: list(range(1, len(names) + 1)))), sigmas=0.079),
    Variant("keypoint names are unknown words", "same",
            categories(to("keypoints", lambda names: [f"quux{place}" for place in range(len(names))])), sigmas=0.079),
    Variant("keypoint names by number", "refused or same",
            categories(to("keypoints", lambda names: {str(place + 1): name for place, name in enumerate(names)}))),
    Variant("keypoint names in objects", "refused or same",
            categories(to("keypoints", lambda names: [{"id": place, "name": name}
                                                      for place, name in enumerate(names)]))),
    Variant("keypoint names in one text", "refused or same", categories(to("keypoints", ",".join))),
    Variant("keypoint names hold null", "refused or same",
            categories(to("keypoints", lambda names: [None, *names[1:]]))),
    Variant("a keypoint name twice", "refused or same",
            categories(to("keypoints", lambda names: [names[1], *names[1:]]))),
    Variant("two keypoint names that differ by their case only", "refused or near",
            categories(to("keypoints", lambda names: [names[1].upper(), *names[1:]]))),
    Variant("one keypoint name too few", "refused or same", categories(to("keypoints", lambda names: names[:-1]))),
    Variant("one keypoint name too many", "refused or same",
            categories(to("keypoints", lambda names: [*names, "tail"]))),
    Variant("no keypoint names", "refused", categories(drop("keypoints", "skeleton")), "Halpe, WFLW, 300W, AFLW"),
    Variant("keypoint names empty", "refused", categories(put(keypoints=[], skeleton=[])), "AFLW"),
    Variant("keypoint names null", "refused", categories(put(keypoints=None, skeleton=None))),
    Variant("sigmas in the category", "same", categories(put(sigmas=list(COCO_SIGMAS.values())))),
    Variant("other sigmas in the category", "same", categories(put(sigmas=[0.05] * 17)), sigmas=0.05),
    Variant("sigmas null", "same", categories(put(sigmas=None))),
    Variant("sigmas of another number", "refused or same", categories(put(sigmas=[0.05]))),
    Variant("sigmas not positive", "refused or same", categories(put(sigmas=[0.0] * 17))),
    Variant("sigmas as words", "refused or same", categories(put(sigmas=["wide"] * 17))),
    Variant("mirror order in the category", "same",
            categories(put(flip_idx=[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])), "ultralytics"),
    Variant("a mirror order that is none", "refused or same", categories(put(flip_idx=list(range(1, 18))))),
    Variant("colors of keypoints", "same", categories(put(keypoint_colors=["#bf5c4d"] * 17, color="#3c3", metadata={},
                                                          creator="me")), "COCO Annotator"),
]


# Skeletons.

def limbs(written: Any) -> Change:
    return categories(put(skeleton=written))


SKELETONS = [
    Variant("skeleton absent", "same", categories(drop("skeleton"))),
    Variant("skeleton null", "same", limbs(None)),
    Variant("skeleton empty", "same", limbs([]), "Label Studio"),
    Variant("skeleton holds null", "same", limbs([None, [1, 2]])),
    Variant("skeleton's limbs hold null", "same", limbs([[1, None], [None, 2]])),
    Variant("skeleton holds empty limbs", "same", limbs([[], [1, 2]])),
    Variant("skeleton of names", "same", limbs([["left_hip", "left_knee"], ["left_knee", "left_ankle"]]),
            "Supervisely"),
    Variant("skeleton of names that are none", "same", limbs([["left_tail", "right_tail"]])),
    Variant("skeleton of names and numbers", "same", limbs([["left_hip", 14]])),
    Variant("skeleton from 0", "same", limbs([[0, 1], [1, 2]]), "Datumaro"),
    Variant("skeleton of another category", "same", limbs([[4, 3], [32, 33], [21, 20]]), "coco-annotator #304"),
    Variant("skeleton below 0", "same", limbs([[-1, 2]])),
    Variant("skeleton of polylines", "same", limbs([[1, 2, 3], [6, 8, 10]])),
    Variant("skeleton flat", "same", limbs([1, 2, 2, 3])),
    Variant("skeleton flat and odd", "same", limbs([1, 2, 2])),
    Variant("skeleton of texts", "same", limbs([["1", "2"], ["2", "3"]])),
    Variant("skeleton of joined texts", "same", limbs(["1-2", "2-3"])),
    Variant("skeleton of floats", "same", limbs([[1.0, 2.0]]), "pandas"),
    Variant("skeleton of objects", "same", limbs([{"from": 1, "to": 2}])),
    Variant("skeleton is an object", "same", limbs({"0": [1, 2]})),
    Variant("skeleton is a text", "same", limbs("1 2 2 3")),
    Variant("skeleton is a number", "same", limbs(3)),
    Variant("skeleton of limbs to themselves", "same", limbs([[1, 1], [2, 2]])),
    Variant("skeleton nested more deeply", "same", limbs([[[1, 2], [2, 3]]])),
    Variant("skeleton of huge numbers", "same", limbs([[1, 2**70]])),
    Variant("skeleton not finite", "same", limbs([[1, NAN]])),
]


# Areas.

def area(written: Any, whom: Callable[[Edit], Change] = labeled) -> Change:
    return whom(put(area=written))


AREAS = [
    Variant("area 0", "near", area(0), "mmpose #1795, #2248"),
    Variant("area 0.0", "near", area(0.0)),
    Variant("area 0 of one", "near", area(0, one)),
    Variant("area below 0", "near", area(-5.0)),
    Variant("area -1", "near", area(-1)),
    Variant("area below 0 of one", "near", area(-5.0, one)),
    Variant("area missing", "near", labeled(drop("area")), "CrowdPose, tlpss/keypoint-detection"),
    Variant("area missing of everybody", "near", every(drop("area"))),
    Variant("area missing of one", "near", one(drop("area"))),
    Variant("area null", "near", area(None)),
    Variant("area null of one", "near", area(None, one)),
    Variant("area not finite", "refused or near", area(NAN)),
    Variant("area infinite", "refused or near", area(INFINITY)),
    Variant("area as text", "refused or same", labeled(to("area", str))),
    Variant("area is an empty text", "refused or near", area("")),
    Variant("area is a list", "refused or near", area([100.0])),
    Variant("area true", "refused or near", area(True)),
    as_written("area rounded", labeled(to("area", round))),
    as_written("area of the whole box", labeled(lambda record, place: record.update(
        area=record["bbox"][2] * record["bbox"][3])), "Roboflow, CVAT, X-AnyLabeling"),
    as_written("area of an outline", labeled(to("area", lambda area: 0.6 * area)), "COCO"),
    Variant("area beyond all numbers", "refused or near", area(10**400)),
    Variant("area 1", "near", area(1)),
    Variant("area of a country", "near", area(9e9)),
    Variant("area as a share of the image", "near", labeled(to("area", lambda area: area / (600 * 300)))),
    Variant("area in thousandths", "near", labeled(to("area", lambda area: 1e-4 * area))),
]


# Counts of keypoints.

COUNTS = [
    Variant("num_keypoints 0", "same", labeled(put(num_keypoints=0))),
    Variant("num_keypoints 0 of one", "same", one(put(num_keypoints=0))),
    Variant("num_keypoints missing", "same", every(drop("num_keypoints")), "many"),
    Variant("num_keypoints of all keypoints", "same", every(put(num_keypoints=17)), "exporters that count the names"),
    Variant("num_keypoints too large", "same", every(put(num_keypoints=999))),
    Variant("num_keypoints below 0", "same", every(put(num_keypoints=-1))),
    Variant("num_keypoints null", "same", every(put(num_keypoints=None))),
    Variant("num_keypoints as text", "same", every(to("num_keypoints", str))),
    Variant("num_keypoints as a float", "same", every(to("num_keypoints", float)), "pandas"),
    Variant("num_keypoints true", "same", labeled(put(num_keypoints=True))),
    Variant("num_keypoints 17 where nothing is labeled", "same",
            each("annotations", put(num_keypoints=17), lambda record, place: not is_labeled(record, place))),
]


# Crowds.

def crowd(written: Any, whom: Callable[[Edit], Change] = labeled) -> Change:
    return whom(put(iscrowd=written))


def a_crowd(name: str, owed: Owed, written: Any, from_tool: str = "") -> Variant:
    """The first person is a crowd, in another spelling of 1."""
    return Variant(name, owed, crowd(written, one), from_tool, clean=crowd(1, one))


CROWDS = [
    Variant("iscrowd missing", "same", labeled(drop("iscrowd")), "PoseTrack, tlpss/keypoint-detection"),
    Variant("iscrowd missing of one", "same", one(drop("iscrowd"))),
    Variant('iscrowd "0"', "same", crowd("0")),
    Variant("iscrowd 0.0", "same", crowd(0.0), "pandas"),
    Variant("iscrowd false", "same", crowd(False), "FiftyOne, Supervisely"),
    Variant("iscrowd null", "refused or same", crowd(None)),
    Variant('iscrowd "false"', "refused or same", crowd("false")),
    Variant('iscrowd "False"', "refused or same", crowd("False")),
    Variant('iscrowd "no"', "refused or same", crowd("no")),
    Variant('iscrowd ""', "refused or same", crowd("")),
    Variant("iscrowd []", "refused or same", crowd([])),
    Variant("iscrowd [0]", "refused or same", crowd([0])),
    Variant("iscrowd -1", "refused or same", crowd(-1)),
    Variant("iscrowd not finite", "refused or same", crowd(NAN)),
    a_crowd('iscrowd "1"', "same", "1"),
    a_crowd("iscrowd 1.0", "same", 1.0, "pandas"),
    a_crowd("iscrowd true", "same", True),
    a_crowd('iscrowd "true"', "refused or same", "true"),
    a_crowd("iscrowd 2", "refused or same", 2),
    Variant("a labeled crowd", "same", crowd(1, one), clean=crowd(1, one)),
    Variant("a crowd without keypoints", "same",
            each("annotations", drop("keypoints", "num_keypoints"), lambda record, place: record["iscrowd"] == 1),
            "COCO's instances"),
    Variant("a crowd whose keypoints are empty", "same",
            each("annotations", put(keypoints=[]), lambda record, place: record["iscrowd"] == 1)),
    Variant("a crowd without a box", "refused or near",
            each("annotations", drop("bbox"), lambda record, place: record["iscrowd"] == 1)),
    Variant("a crowd without an area", "same",
            each("annotations", drop("area"), lambda record, place: record["iscrowd"] == 1)),
    Variant("a crowd without an image", "refused or near",
            each("annotations", drop("image_id"), lambda record, place: record["iscrowd"] == 1)),
    Variant("a crowd with a mask", "same",
            each("annotations", put(segmentation={"size": [40, 40], "counts": [20, 100, 1480]}),
                 lambda record, place: record["iscrowd"] == 1), "COCO"),
    Variant("ignore 0", "same", every(put(ignore=0)), "Label Studio, X-AnyLabeling"),
    Variant("ignore 1", "same", every(put(ignore=1)), "CrowdHuman; COCO's evaluation overwrites it"),
]


# Boxes.

def boxes(written: Any) -> Change:
    return labeled(put(bbox=written))


def boxed(write: Callable[[float, float, float, float], Any]) -> Change:
    return labeled(lambda record, place: record.update(bbox=write(*record["bbox"])))


NO_AREA = labeled(put(area=0))


def both(name: str, change: Change, from_tool: str = "", refusable: bool = False) -> list[Variant]:
    """A box that says nothing: the areas beside it decide the AP, and where they are 0 too the hull stands in."""
    return [Variant(name, "refused or same" if refusable else "same", change, from_tool),
            Variant(f"{name}, area 0", "refused or near" if refusable else "near", together(change, NO_AREA),
                    from_tool)]


def corners(record: Record) -> None:
    x, y, w, h = record["bbox"]
    record["bbox"] = [x, y, round(x + w, 2), round(y + h, 2)]


CORNERS = labeled(lambda record, place: corners(record))

BOXES = [
    *both("box missing", labeled(drop("bbox")), "MPII-TRB, tlpss/keypoint-detection"),
    *both("box missing of one", one(drop("bbox"))),
    *both("box null", boxes(None)),
    *both("box empty", boxes([])),
    *both("box of zeros", boxes([0, 0, 0, 0]), "COCO Annotator"),
    *both("box of zeros of one", one(put(bbox=[0, 0, 0, 0])), "COCO Annotator"),
    *both("box without height", boxed(lambda x, y, w, h: [x, y, w, 0.0]), "CVAT's hull of points on a line"),
    *both("box without width", boxed(lambda x, y, w, h: [x, y, 0, h]), "CVAT's hull of points on a line"),
    *both("box of minus one", boxes([-1, -1, -1, -1])),
    *both("box as text", boxed(lambda x, y, w, h: f"{x},{y},{w},{h}"), refusable=True),
    *both("box of too few numbers", boxed(lambda x, y, w, h: [x, y, w]), refusable=True),
    *both("box not finite", boxed(lambda x, y, w, h: [x, y, NAN, h]), refusable=True),
    *both("box of nulls", boxes([None] * 4), refusable=True),
    *both("box beyond all numbers", boxes([10**400] * 4), refusable=True),
    *both("box by side", boxed(lambda x, y, w, h: {"x": x, "y": y, "width": w, "height": h}), "Label Studio's own JSON",
          refusable=True),
    Variant("box with sides below 0", "same", boxed(lambda x, y, w, h: [x + w, y + h, -w, -h]),
            "drawn from the lower right"),
    Variant("box with sides below 0, area below 0", "near",
            together(boxed(lambda x, y, w, h: [x + w, y, -w, h]), labeled(put(area=-100.0)))),
    Variant("box with sides below 0, area missing", "near",
            together(boxed(lambda x, y, w, h: [x + w, y + h, -w, -h]), labeled(drop("area")))),
    Variant("box as corners", "same", boxed(lambda x, y, w, h: [x, y, round(x + w, 2), round(y + h, 2)]),
            "cocoapi #672"),
    Variant("box as shares of the image", "refused or same",
            boxed(lambda x, y, w, h: [x / 600, y / 300, w / 600, h / 300]), "YOLO"),
    Variant("box as corners, area missing", "refused or near", together(
        boxed(lambda x, y, w, h: [x, y, round(x + w, 2), round(y + h, 2)]), labeled(drop("area"))), "cocoapi #672"),
    Variant("box as shares of the image, area missing", "refused or near", together(
        boxed(lambda x, y, w, h: [x / 600, y / 300, w / 600, h / 300]), labeled(drop("area"))), "YOLO"),
    Variant("box of whole numbers", "same", boxed(lambda x, y, w, h: [int(x), int(y), math.ceil(w), math.ceil(h)])),
    Variant("box of numbers as text", "refused or same", boxed(lambda x, y, w, h: [str(x), str(y), str(w), str(h)])),
    Variant("box of two corners", "refused or same", boxed(lambda x, y, w, h: [[x, y], [w, h]])),
    Variant("box with a score behind", "refused or same", boxed(lambda x, y, w, h: [x, y, w, h, 0.9])),
    Variant("box that leaves the image", "same", boxed(lambda x, y, w, h: [x - 500, y - 500, w + 1000, h + 1000])),
    Variant("box and area as shares of the image", "near", labeled(lambda record, place: record.update(
        bbox=[0.1, 0.1, 0.2, 0.4], area=0.04)), "YOLO"),
    *(Variant(f"box as corners, area missing, {name}", "near", together(CORNERS, labeled(drop("area")), exception))
      for name, exception in (("one without a box", one(drop("bbox"))),
                              ("a keypoint of one outside", one(lambda record, place: record["bbox"].__setitem__(
                                  0, record["bbox"][0] + 0.25 * (record["bbox"][2] - record["bbox"][0])))))),
    Variant("every second box as corners", "refused", together(labeled(drop("area")), labeled(
        lambda record, place: corners(record) if place % 2 else None))),
    Variant("somebody without labels has no box", "refused or near",
            each("annotations", drop("bbox"), lambda record, place: not is_labeled(record) and not record["iscrowd"])),
]


# Keypoints.

def points(write: Callable[[list[list[float]]], Any], whom: Callable[[Edit], Change] = every) -> Change:
    """Write [[x, y, v], ...] in another way."""
    def edit(record: Record, place: int) -> None:
        flat = record["keypoints"]
        record["keypoints"] = write([flat[start:start + 3] for start in range(0, len(flat), 3)])
    return whom(edit)


def flat(triples: Iterable[Iterable[Any]]) -> list[Any]:
    return [value for triple in triples for value in triple]


def where_not_labeled(*written: Any, whom: Callable[[Edit], Change] = every) -> Change:
    return points(lambda triples: flat(list(written) if triple[2] == 0 else triple for triple in triples), whom)


def visibility(write: Callable[[Any], Any]) -> Change:
    return points(lambda triples: flat([x, y, write(v)] for x, y, v in triples))


def bystander(**fields: Any) -> Change:
    """Somebody without keypoints in each image, of the people's own category."""
    return adding(box_only(1, **fields))


def named_points(triples: list[list[float]]) -> dict[str, list[float]]:
    return dict(zip(NAMES, triples, strict=True))


def _first_labeled(record: Record) -> int:
    return next(start for start in range(0, len(record["keypoints"]), 3) if record["keypoints"][start + 2] > 0)


def damaged(name: str, owed: Owed, value: Any, from_tool: str = "") -> Variant:
    """A labeled point of the first person has no place: whether that point or the person is lost, it must be said."""
    def break_point(record: Record, place: int) -> None:
        start = _first_labeled(record)
        record["keypoints"][start:start + 2] = [value, value]

    def unlabel(record: Record, place: int) -> None:
        start = _first_labeled(record)
        record["keypoints"][start:start + 3] = [0, 0, 0]
    return Variant(name, owed, one(break_point), from_tool, clean=one(unlabel))


def of_one_point(record: Record) -> None:
    """Only the first labeled keypoint stays."""
    start = _first_labeled(record)
    kept = record["keypoints"][start:start + 3]
    record.update(keypoints=[0] * len(record["keypoints"]), num_keypoints=1)
    record["keypoints"][start:start + 3] = kept


def labeled_twice(content: Content) -> Content:
    """Two people of an image are labeled in the same pose."""
    content = copy.deepcopy(content)
    first, second = content["annotations"][:2]
    second.update({key: copy.deepcopy(first[key])
                   for key in ("image_id", "keypoints", "num_keypoints", "bbox", "area")})
    return content


def labeled_twice_in_part(content: Content) -> Content:
    """Of one of two people in the same pose only one keypoint is labeled: each of both poses fits it."""
    content = labeled_twice(content)
    of_one_point(content["annotations"][1])
    return content


KEYPOINTS = [
    as_written("two people in the same pose", labeled_twice, "double labels"),
    as_written("two people in the same pose, one of them labeled in part", labeled_twice_in_part, "double labels"),
    as_written("one labeled keypoint of one person", one(lambda record, place: of_one_point(record))),
    Variant("one labeled keypoint of one person, box missing", "same", one(lambda record, place: (
        of_one_point(record), record.pop("bbox"))), clean=one(lambda record, place: of_one_point(record))),
    Variant("one labeled keypoint of one person, box and area missing", "refused or near", one(lambda record, place: (
        of_one_point(record), record.pop("bbox"), record.pop("area"))),
        clean=one(lambda record, place: record.update(keypoints=[0] * 51, num_keypoints=0))),
    Variant("NaN where nothing is labeled", "same", where_not_labeled(NAN, NAN, 0), "DeepLabCut, SLEAP"),
    Variant("NaN where nothing is labeled of one", "same", where_not_labeled(NAN, NAN, 0, whom=one)),
    Variant("null where nothing is labeled", "same", where_not_labeled(None, None, 0), "mmpose"),
    Variant("null where nothing is labeled of one", "same", where_not_labeled(None, None, 0, whom=one)),
    Variant("null where nothing is labeled, visibility too", "same", where_not_labeled(None, None, None)),
    Variant("NaN where nothing is labeled, visibility too", "same", where_not_labeled(NAN, NAN, NAN), "pandas"),
    Variant("infinity where nothing is labeled", "same", where_not_labeled(INFINITY, -INFINITY, 0)),
    Variant("-1 where nothing is labeled", "same", where_not_labeled(-1, -1, 0), "MPII"),
    Variant("-1 where nothing is labeled, visibility too", "same", where_not_labeled(-1, -1, -1)),
    Variant("places where nothing is labeled", "same", where_not_labeled(33.5, 44.5, 0), "CVAT, X-AnyLabeling"),
    Variant("empty texts where nothing is labeled", "refused or same", where_not_labeled("", "", 0)),
    damaged("NaN where something is labeled", "refused or near", NAN),
    damaged("null where something is labeled", "refused or near", None),
    damaged("infinity where something is labeled", "refused or near", INFINITY),
    damaged("a word where something is labeled", "refused or near", "left"),
    damaged("a number beyond all where something is labeled", "refused or near", 10**400),
    Variant("keypoints nested", "same", points(lambda triples: triples), "many"),
    Variant("keypoints nested of one", "same", points(lambda triples: triples, one)),
    Variant("keypoints nested, null where nothing is labeled", "same",
            points(lambda triples: [triple if triple[2] else None for triple in triples])),
    Variant("keypoints nested, empty where nothing is labeled", "same",
            points(lambda triples: [triple if triple[2] else [] for triple in triples])),
    Variant("keypoints nested, empty places where nothing is labeled", "same",
            points(lambda triples: [triple if triple[2] else [[], [], 0] for triple in triples])),
    Variant("keypoints in pairs, -1 where nothing is labeled", "same",
            points(lambda triples: [triple[:2] if triple[2] else [-1, -1] for triple in triples])),
    Variant("keypoints as shares of the image", "refused",
            points(lambda triples: flat([x / 600, y / 300, v] for x, y, v in triples)), "YOLO"),
    Variant("visibility in words", "refused", points(lambda triples: flat([x, y, "visible" if v else 0]
                                                                          for x, y, v in triples))),
    Variant("visibility with a unit", "refused", points(lambda triples: flat([x, y, f"{v}px"] for x, y, v in triples))),
    Variant("visibility infinite", "refused", points(lambda triples: flat([x, y, INFINITY] for x, y, v in triples))),
    Variant("visibility of one person in words", "near", points(lambda triples: flat(
        [x, y, "visible"] for x, y, v in triples), one)),
    Variant("keypoints false where nobody is labeled", "same", each(
        "annotations", put(keypoints=False), lambda record, place: not is_labeled(record))),
    Variant("keypoints nested twice", "refused or same", points(lambda triples: [triples])),
    Variant("keypoints nested, as texts", "refused or same",
            points(lambda triples: [[str(value) for value in triple] for triple in triples])),
    Variant("keypoints as rows of x, y and visibility", "refused",
            points(lambda triples: [list(row) for row in zip(*triples, strict=True)])),
    Variant("keypoints by name", "refused or same", points(named_points)),
    Variant("keypoints in objects", "refused or same",
            points(lambda triples: [{"x": x, "y": y, "visible": v} for x, y, v in triples])),
    Variant("keypoints as text", "refused or same", every(to("keypoints", json.dumps))),
    Variant("keypoints as text with spaces", "refused or same",
            every(to("keypoints", lambda values: " ".join(map(str, values))))),
    Variant("keypoints of numbers as text", "refused or same",
            every(to("keypoints", lambda values: [str(value) for value in values]))),
    Variant("keypoints one number short", "refused", labeled(to("keypoints", lambda values: values[:-1]))),
    Variant("keypoints one point short", "refused or same", labeled(to("keypoints", lambda values: values[:-3])),
            clean=labeled(to("keypoints", lambda values: [*values[:-3], 0, 0, 0]))),
    Variant("keypoints one point long", "refused or same", labeled(to("keypoints", lambda values: [*values, 1, 1, 2]))),
    Variant("keypoints of one person one point short", "refused or near",
            one(to("keypoints", lambda values: values[:-3]))),
    Variant("keypoints a number", "refused", labeled(put(keypoints=5))),
    Variant("keypoints hold objects", "refused", labeled(put(keypoints=[{}] * 51))),
    as_written("keypoints as whole numbers",
               points(lambda triples: flat([round(x), round(y), v] for x, y, v in triples)), "Label Studio"),
    Variant("keypoints as floats", "same", points(lambda triples: flat([float(value) for value in triple]
                                                                     for triple in triples)), "pandas"),
    Variant("keypoints left of the image", "same",
            together(points(lambda triples: flat([x - 1000, y, v] if v else [x, y, v] for x, y, v in triples)),
                     every(lambda record, place: record["bbox"].__setitem__(0, record["bbox"][0] - 1000))),
            "people who leave the frame",
            results=of_results(lambda record, place: record.update(
                keypoints=flat([x - 1000, y, v] for x, y, v in _triples(record["keypoints"]))))),
    Variant("visibility as booleans", "same", visibility(bool)),
    Variant("visibility as floats", "same", visibility(float), "pandas"),
    Variant("visibility 1 and 0", "same", visibility(lambda v: int(v > 0)), "CVAT, Label Studio"),
    Variant("visibility 2 and 0", "same", visibility(lambda v: 2 * int(v > 0)), "Supervisely"),
    Variant("visibility as text", "refused or same", visibility(str)),
    Variant("visibility as words", "refused or same", visibility(lambda v: "visible" if v else "hidden")),
    Variant("visibility as confidence", "same", visibility(lambda v: 0.45 * v), "ultralytics, pseudo labels"),
    Variant("visibility 3", "same", visibility(lambda v: 3 if v else 0), "X-AnyLabeling"),
    Variant("visibility null where nothing is labeled", "refused or same", where_not_labeled(0, 0, None)),
    Variant("people without keypoints beside those with", "same", bystander(), "Label Studio, COCO's instances"),
    Variant("people with empty keypoints beside those with", "same", bystander(keypoints=[], num_keypoints=0),
            "CVAT's tracks, #7021"),
    Variant("people with keypoints null beside those with", "same", bystander(keypoints=None)),
    Variant("people with keypoints 0 beside those with", "refused or same", bystander(keypoints=0)),
    Variant("people with nothing labeled beside those with", "same", bystander(keypoints=[0] * 51, num_keypoints=0),
            "COCO"),
    Variant("people with nothing labeled and nothing else beside those with", "same",
            bystander(keypoints=[0] * 51, num_keypoints=0, bbox=[0, 0, 0, 0], area=0), "CVAT's tracks"),
    Variant("people with nothing labeled as nulls beside those with", "same",
            bystander(keypoints=[None, None, 0] * 17, num_keypoints=0)),
]


def _triples(values: list[Any]) -> list[list[Any]]:
    return [values[start:start + 3] for start in range(0, len(values), 3)]


# Images.

def named_file(write: Callable[[str], Any]) -> Change:
    return images(to("file_name", write))


IMAGES = [
    Variant("image sizes missing", "same", images(drop("width", "height"))),
    Variant("image sizes 0", "same", images(put(width=0, height=0)), "datumaro #775"),
    Variant("image sizes null", "same", images(put(width=None, height=None)), "FiftyOne"),
    Variant("image width null", "same", images(put(width=None))),
    Variant("image sizes -1", "same", images(put(width=-1, height=-1))),
    Variant("image sizes as floats", "same", images(lambda record, place: record.update(
        width=float(record["width"]), height=float(record["height"]))), "pandas"),
    Variant("image sizes as text", "refused or same", images(lambda record, place: record.update(
        width=str(record["width"]), height=str(record["height"])))),
    Variant("image sizes not finite", "refused or same", images(put(width=NAN, height=NAN))),
    Variant("image sizes infinite", "refused or same", images(put(width=INFINITY, height=INFINITY))),
    Variant("image sizes are lists", "refused or same", images(put(width=[1], height=[1]))),
    Variant("image sizes beyond all numbers", "refused or same", images(put(width=10**400, height=1e308))),
    Variant("image sizes missing of one", "same", each("images", drop("width", "height"), is_first)),
    Variant("file names with folders", "same", named_file(lambda name: f"val/a/{name}")),
    Variant("file names with ./", "same", named_file(lambda name: f"./{name}")),
    Variant("file names with backslashes", "same", named_file(lambda name: f"images\\{name}"),
            "Label Studio and X-AnyLabeling on Windows"),
    Variant("file names of another machine", "refused or same", named_file(lambda name: f"/home/me/data/{name}"),
            "mmpose #922"),
    Variant("file names of a Windows drive", "refused or same", named_file(lambda name: f"C:\\Users\\me\\{name}")),
    Variant("file names that lead out", "refused or same", named_file(lambda name: f"../../{name}")),
    Variant("file names that lead out with backslashes", "refused or same",
            named_file(lambda name: f"..\\images\\{name}")),
    Variant("file names are addresses", "refused or same", named_file(lambda name: f"https://example.org/{name}")),
    Variant("file names of local storage", "refused or same",
            named_file(lambda name: f"/data/local-files/?d=images/{name}"), "Label Studio"),
    Variant("file names without an ending", "refused or same", named_file(lambda name: name.rpartition(".")[0])),
    Variant("file names with capitals in the ending", "refused or same",
            named_file(lambda name: name.replace(".jpg", ".JPG"))),
    Variant("file names of other languages", "same", named_file(lambda name: f"Ärger/東京 {name}")),
    Variant("file names with spaces and %20", "same", named_file(lambda name: f"my images/a%20b {name}")),
    Variant("file names with a newline", "refused or same", named_file(lambda name: f"\n{name}")),
    Variant("file names with escape codes", "refused or same", named_file(lambda name: f"\x1b[2J\x1b[31m{name}")),
    Variant("file names with NUL", "refused or same", named_file(lambda name: f"\0{name}")),
    Variant("file names with a lone surrogate", "refused or same", named_file(lambda name: f"\udc80{name}")),
    Variant("file names are numbers", "refused or same", images(lambda record, place: record.update(file_name=place))),
    Variant("file names null", "refused or same", images(put(file_name=None))),
    Variant("file names empty", "refused or same", images(put(file_name=""))),
    Variant("file names missing", "refused or same", images(drop("file_name"))),
    Variant("paths beside file names", "same", images(lambda record, place: record.update(
        path=f"/datasets/people/{record['file_name']}", dataset_id=1, category_ids=[], annotated=True, annotating=[],
        num_annotations=2, metadata={}, deleted=False, milliseconds=0, events=[], regenerate_thumbnail=False)),
            "COCO Annotator"),
    Variant("paths instead of file names", "refused or same", images(lambda record, place: record.update(
        path=record.pop("file_name")))),
    Variant("one file name for two images", "refused or same", images(put(file_name="image_001.jpg"))),
    Variant("licenses and addresses of images", "same", images(put(
        license=3, coco_url="http://images.cocodataset.org/val2017/1.jpg", flickr_url="", date_captured=0)),
            "COCO, CVAT"),
    Variant("fields of videos", "same", images(put(vid_id="000342", frame_id=10003420000, nframes=100, is_labeled=True,
                                                   ignore_regions_x=[], ignore_regions_y=[])), "PoseTrack"),
    Variant("images by id", "refused", top(lambda content: content.update(
        images={str(record["id"]): record for record in content["images"]}))),
    Variant("images hold null", "refused or same", top(lambda content: content["images"].append(None))),
    Variant("images missing", "refused", top(lambda content: content.pop("images"))),
    Variant("images null", "refused", top(lambda content: content.update(images=None))),
    Variant("images empty", "refused", top(lambda content: content.update(images=[]))),
]


# Whole records and whole files.

EXTRAS = {"attributes": {"occluded": False, "rotation": 0.0, "track_id": 3, "keyframe": True}, "score": 1.0,
          "track_id": 3, "isbbox": False, "color": "#9a3b11", "metadata": {}, "segmentation": None, "creator": "me",
          "caption": "", "center": [1, 2], "scale": [1, 1], "valid": [True] * 17, "face_box": [0, 0, 0, 0],
          "lefthand_kpts": [0] * 63, "confidence": 0.9, "tags": [], "difficult": 0, "caption_2": None}


def cvat(content: Content) -> Content:
    content = together(
        every(lambda record, place: record.update(segmentation=[], attributes={"occluded": False})),
        images(put(license=0, flickr_url="", coco_url="", date_captured=0)),
        categories(put(supercategory="")))(content)
    content["licenses"] = [{"name": "", "id": 0, "url": ""}]
    content["info"] = {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""}
    return content


def cvat_tracks(content: Content) -> Content:
    """Frames in which a track's person is outside have records without keypoints."""
    return adding(box_only(1, keypoints=[], num_keypoints=0, bbox=[0, 0, 0, 0], area=0))(cvat(content))


def coco_annotator(content: Content) -> Content:
    """People who were labeled with keypoints only have neither box nor area."""
    return together(
        labeled(put(bbox=[0, 0, 0, 0], area=0, segmentation=[], isbbox=False, color="#d1ae4e", metadata={})),
        categories(put(keypoint_colors=["#bf5c4d"] * 17, color="#45e9c5", metadata={}, creator="admin")),
        images(lambda record, place: record.update(dataset_id=1, path=f"/datasets/a/{record['file_name']}",
                                                   category_ids=[1], annotated=True, deleted=False)),
        top(lambda content: [content.pop(key) for key in ("info", "licenses")]))(content)


def x_anylabeling(content: Content) -> Content:
    return together(
        numbered(lambda place: place), every(put(ignore=0, segmentation=[])),
        named_file(lambda name: f"images\\{name}"),
        top(lambda content: content["categories"].insert(0, {"id": 0, "name": "_background_", "supercategory": ""})),
        top(lambda content: content.update(type="instances", info={
            "year": 2024, "version": "2.4.0", "description": "COCO Label Conversion"})))(content)


def datumaro(content: Content) -> Content:
    return together(
        limbs([[0, 1], [1, 2]]), categories(put(supercategory="")),
        every(put(attributes={"occluded": False, "keypoint_only": True})),
        images(put(license=0, flickr_url="", coco_url="", date_captured=0, width=0, height=0)))(content)


def labelme(content: Content) -> Content:
    return together(
        numbered(lambda place: place), renamed(lambda image_id: image_id - 1),
        labeled(put(segmentation=[[1, 1, 9, 1, 9, 9]])), every(drop("num_keypoints")), limbs([]),
        top(lambda content: content["categories"].insert(0, {"id": 0, "name": "_background_"})))(content)


def via(content: Content) -> Content:
    return together(
        numbered(lambda place: place), renamed(str), every(to("category_id", str)), categories(to("id", str)),
        images(put(license=1, flickr_url="", coco_url="", date_captured="")),
        top(lambda content: content.update(info={"year": 2024, "version": "1", "url": "http://www.robots.ox.ac.uk/~vgg/"})),
        top(lambda content: content.update(licenses={"0": {"id": 1, "name": "Unknown"}})))(content)


def supervisely(content: Content) -> Content:
    return together(
        every(put(segmentation=[])), visibility(lambda v: 2 * int(v > 0)), crowd(False),
        limbs([["nose", "left_eye"], ["left_hip", "left_knee"]]),
        top(lambda content: content.update(licenses=[None], info={
            "description": "", "url": "None", "version": 1.0, "year": 2024, "contributor": "Supervisely"})))(content)


def posetrack(content: Content) -> Content:
    """No iscrowd and no area; ids of twelve digits and fields of tracks."""
    return together(
        renamed(lambda image_id: 10_000_340_000 + image_id), numbered(lambda place: 1_000_034_000_000 + place),
        labeled(drop("iscrowd", "area", "num_keypoints", "segmentation")),
        every(put(track_id=1, bbox_head=[0, 0, 0, 0], scores=[])))(content)


def crowdpose(content: Content) -> Content:
    return together(labeled(drop("area", "segmentation")), images(put(crowdIndex=0.4)), limbs([[16, 14], [17, 15]]),
                    )(content)


def deeplabcut(content: Content) -> Content:
    return together(numbered(lambda place: place), category(0), where_not_labeled(NAN, NAN, 0),
                    every(drop("num_keypoints")), categories(put(supercategory="animal", name="mouse")))(content)


def fiftyone(content: Content) -> Content:
    return together(categories(put(supercategory=None)), images(put(license=None, coco_url=None)), category(0),
                    crowd(False), every(drop("segmentation")))(content)


def instances_beside(content: Content) -> Content:
    """All 80 things that COCO's instances hold, of which one has keypoints."""
    things = [{"id": number, "name": f"thing {number}", "supercategory": "thing"} for number in range(2, 81)]
    return adding(box_only(44), *things)(content)


EXPORTS = [
    Variant("as CVAT", "same", cvat, "CVAT"),
    Variant("as CVAT's tracks", "same", cvat_tracks, "CVAT"),
    Variant("as COCO Annotator", "near", coco_annotator, "COCO Annotator"),
    Variant("as X-AnyLabeling", "same", x_anylabeling, "X-AnyLabeling"),
    Variant("as Datumaro", "same", datumaro, "Datumaro"),
    Variant("as labelme", "same", labelme, "labelme2coco and its like",
            results=results_renamed(lambda image_id: image_id - 1)),
    Variant("as VIA", "same", via, "VGG Image Annotator"),
    Variant("as Supervisely", "same", supervisely, "Supervisely"),
    Variant("as PoseTrack", "near", posetrack, "PoseTrack18",
            results=results_renamed(lambda image_id: 10_000_340_000 + image_id)),
    Variant("as CrowdPose", "near", crowdpose, "CrowdPose"),
    Variant("as DeepLabCut", "same", deeplabcut, "DeepLabCut, SLEAP"),
    Variant("as FiftyOne", "same", fiftyone, "FiftyOne"),
    Variant("as COCO with all its things", "same", instances_beside, "COCO"),
]
FILES = [
    Variant("fields that nobody reads", "same", every(put(**EXTRAS))),
    Variant("info missing", "same", top(lambda content: [content.pop(key) for key in ("info", "licenses")])),
    Variant("info null", "same", top(lambda content: content.update(info=None, licenses=None))),
    Variant("info is a text", "same", top(lambda content: content.update(info="people", licenses="none"))),
    Variant("info holds what it likes", "same", top(lambda content: content.update(
        info={"year": NAN, "author": {"name": "me"}, "categories": [1], "annotations": []}, tag_categories=[],
        segment_info=[], scene_graph=[], type="instances", videos=[]))),
    Variant("categories come first", "same", lambda content: {
        key: copy.deepcopy(content[key]) for key in ("categories", "annotations", "images")}),
    Variant("a BOM before it", "same", unchanged, "Windows tools",
            encode=lambda content: b"\xef\xbb\xbf" + as_json(content)),
    Variant("indented", "same", unchanged, encode=lambda content: json.dumps(content, indent=4).encode()),
    Variant("lines of Windows", "same", unchanged,
            encode=lambda content: json.dumps(content, indent=1).replace("\n", "\r\n").encode()),
    Variant("spaces around it", "same", unchanged, encode=lambda content: b"\n\n " + as_json(content) + b" \n\n"),
    Variant("UTF-8 without escapes", "same", categories(put(name="Fußgänger")),
            encode=lambda content: json.dumps(content, ensure_ascii=False).encode()),
    Variant("UTF-16", "refused or same", unchanged, "PowerShell",
            encode=lambda content: json.dumps(content).encode("utf-16")),
    Variant("Latin-1", "refused or same", categories(put(name="Fußgänger")),
            encode=lambda content: json.dumps(content, ensure_ascii=False).encode("latin-1")),
    Variant("NULs behind it", "refused or same", unchanged, encode=lambda content: as_json(content) + bytes(64)),
    Variant("cut in the middle", "refused", unchanged, encode=lambda content: as_json(content)[:2000]),
    Variant("empty", "refused", unchanged, encode=lambda content: b""),
    Variant("a web page", "refused", unchanged, "a download that failed",
            encode=lambda content: b"<!DOCTYPE html><html>"),
    Variant("a list around it", "refused or same", unchanged, encode=lambda content: json.dumps([content]).encode()),
    Variant("an object around it", "refused or same", unchanged,
            encode=lambda content: json.dumps({"coco": content}).encode()),
    Variant("annotations by id", "refused", top(lambda content: content.update(
        annotations={str(record["id"]): record for record in content["annotations"]}))),
    Variant("annotations hold null", "refused or same", top(lambda content: content["annotations"].append(None))),
    Variant("annotations hold a list", "refused or same", top(lambda content: content["annotations"].append([]))),
    Variant("annotations missing", "refused", top(lambda content: content.pop("annotations"))),
    Variant("annotations null", "refused", top(lambda content: content.update(annotations=None))),
    Variant("annotations empty", "refused", top(lambda content: content.update(annotations=[]))),
    Variant("nobody is labeled", "refused",
            every(lambda record, place: record.update(keypoints=[0] * 51, num_keypoints=0))),
    Variant("everybody is a crowd", "refused", every(put(iscrowd=1))),
    Variant("Label Studio's own tasks", "refused", unchanged, "Label Studio", encode=lambda content: json.dumps(
        [{"id": 1, "data": {"img": "1.jpg"}, "annotations": [{"result": []}], "predictions": []}]).encode()),
    Variant("labelme's own file", "refused", unchanged, "labelme", encode=lambda content: json.dumps(
        {"version": "5.4.1", "flags": {}, "shapes": [{"label": "nose", "points": [[1, 1]], "shape_type": "point"}],
         "imagePath": "1.jpg", "imageData": None, "imageHeight": 9, "imageWidth": 9}).encode()),
    Variant("VIA's own file", "refused", unchanged, "VIA", encode=lambda content: json.dumps(
        {"1.jpg1234": {"filename": "1.jpg", "size": 1234, "regions": [], "file_attributes": {}}}).encode()),
]

VARIANTS = [*ANNOTATION_IDS, *IMAGE_IDS, *CATEGORIES, *KEYPOINT_NAMES, *SKELETONS, *AREAS, *COUNTS, *CROWDS, *BOXES,
            *KEYPOINTS, *IMAGES, *EXPORTS, *FILES]
"""All that is known; each has a name of its own."""


# Results.

def every_result(edit: Edit) -> Callable[[Results, Content], Results]:
    return lambda results, content: of_results(edit)(results)


def with_boxes(results: Results, content: Content) -> Results:
    """Results with a box around each pose, as large as the pose's own extent."""
    results = copy.deepcopy(results)
    for record in results:
        xs, ys = record["keypoints"][::3], record["keypoints"][1::3]
        record["bbox"] = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return results


def one_broken(value: Any) -> Callable[[Results, Content], Results]:
    """One pose has a number that is none: that pose finds nobody."""
    def change(results: Results, content: Content) -> Results:
        results = copy.deepcopy(results)
        results[0]["keypoints"][0] = value
        return results
    return change


def pose_left_out(results: Results) -> Results:
    return copy.deepcopy(results[1:])


RESULT_VARIANTS = [
    ResultVariant("category 0", "same", every_result(put(category_id=0)), "ultralytics before December 2024"),
    ResultVariant("category 90", "same", every_result(put(category_id=90))),
    ResultVariant("category as text", "same", every_result(put(category_id="1"))),
    ResultVariant("category is a word", "same", every_result(put(category_id="person"))),
    ResultVariant("category as a float", "same", every_result(put(category_id=1.0))),
    ResultVariant("no category", "same", every_result(drop("category_id"))),
    ResultVariant("category null", "refused or same", every_result(put(category_id=None))),
    ResultVariant("image ids as text", "same", every_result(to("image_id", str))),
    ResultVariant("image ids as floats", "same", every_result(to("image_id", float))),
    ResultVariant("image ids are names", "refused or same", every_result(to("image_id", stem)), "ultralytics"),
    ResultVariant("image ids are file names", "refused or same",
                  every_result(to("image_id", lambda image_id: f"{stem(image_id)}.jpg"))),
    ResultVariant("image ids with leading zeros", "refused or same",
                  every_result(to("image_id", lambda image_id: f"{image_id:012d}"))),
    ResultVariant("backwards", "same", lambda results, content: copy.deepcopy(results)[::-1],
                  clean=lambda results: copy.deepcopy(results)[::-1]),
    ResultVariant("boxes beside the keypoints", "same", with_boxes, "ultralytics, mmpose"),
    ResultVariant("empty boxes beside the keypoints", "same", every_result(put(bbox=[]))),
    ResultVariant("null boxes beside the keypoints", "same", every_result(put(bbox=None))),
    ResultVariant("fields that nobody reads", "same",
                  every_result(put(id=7, iscrowd=0, area=3, segmentation=[], center=[1, 1], scale=[1, 1], track_id=None,
                                   file_name="x.jpg", num_keypoints=17))),
    ResultVariant("keypoints nested", "same", every_result(to("keypoints", _triples))),
    ResultVariant("keypoints nested and whole", "refused or same",
                  every_result(to("keypoints", lambda values: [_triples(values)]))),
    ResultVariant("keypoints without confidence", "refused or same",
                  every_result(to("keypoints", lambda values: flat(triple[:2] for triple in _triples(values))))),
    ResultVariant("keypoints of numbers as text", "refused or same",
                  every_result(to("keypoints", lambda values: [str(value) for value in values]))),
    ResultVariant("keypoints one point short", "refused", every_result(to("keypoints", lambda values: values[:-3]))),
    ResultVariant("keypoints in three rows", "refused",
                  every_result(to("keypoints", lambda values: [values[::3], values[1::3], values[2::3]]))),
    ResultVariant("keypoints in two rows", "refused",
                  every_result(to("keypoints", lambda values: [values[::3], values[1::3]]))),
    ResultVariant("keypoints missing", "refused", every_result(drop("keypoints")), "a detector's boxes"),
    ResultVariant("keypoints empty", "refused", every_result(put(keypoints=[]))),
    ResultVariant("confidence null", "refused or same",
                  every_result(to("keypoints", lambda values: flat([x, y, None] for x, y, _ in _triples(values))))),
    ResultVariant("confidence as visibility 2", "same",
                  every_result(to("keypoints", lambda values: flat([x, y, 2] for x, y, _ in _triples(values))))),
    ResultVariant("scores as text", "refused or same", every_result(to("score", str))),
    ResultVariant("scores beyond 1", "same", every_result(to("score", lambda score: 100 * score))),
    ResultVariant("scores below 0", "same", every_result(to("score", lambda score: score - 2))),
    ResultVariant("scores missing", "refused or near", every_result(drop("score"))),
    ResultVariant("scores null", "refused or near", every_result(put(score=None))),
    ResultVariant("scores not finite", "refused or near", every_result(put(score=NAN))),
    ResultVariant("one pose is not finite", "refused or same", one_broken(NAN), clean=pose_left_out),
    ResultVariant("one pose has null", "refused or same", one_broken(None), clean=pose_left_out),
    ResultVariant("one pose is infinite", "refused or same", one_broken(INFINITY), clean=pose_left_out),
    ResultVariant("poses in images that are not listed", "refused or same",
                  lambda results, content: [*copy.deepcopy(results), {**results[0], "image_id": 123456}]),
    ResultVariant("an object around them", "refused or same",
                  lambda results, content: {"annotations": copy.deepcopy(results)}),
    ResultVariant("a whole COCO file", "refused or same", lambda results, content: {
        **copy.deepcopy(content), "annotations": copy.deepcopy(results)}, "Datumaro"),
    ResultVariant("a BOM before them", "same", lambda results, content: copy.deepcopy(results),
                  encode=lambda content: b"\xef\xbb\xbf" + as_json(content)),
    ResultVariant("a record a line", "refused or same", lambda results, content: copy.deepcopy(results),
                  encode=lambda content: b"\n".join(map(as_json, content))),
    ResultVariant("a null among them", "refused or same", lambda results, content: [*copy.deepcopy(results), None]),
]
"""Results as other tools write them, for `clean_content`."""
