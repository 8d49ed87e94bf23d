"""The images of a file, found again by whatever other records call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trs.data.annotations.images import ListedImages, list_images
from trs.data.annotations.left_out import Findings
from trs.errors import InputError


def listed(*images: dict[str, Any]) -> ListedImages:
    return list_images(Path("a.json"), list(images), Findings("a.json"))


def test_ids_are_unique() -> None:
    with pytest.raises(InputError, match=r"^a\.json: image id 7 occurs twice; ids must be unique$"):
        listed({"id": 7, "file_name": "a.jpg"}, {"id": "7", "file_name": "b.jpg"})


def test_one_record_twice_is_one_image_and_what_has_no_id_is_counted() -> None:
    findings = Findings("a.json")
    image = {"id": 7, "file_name": "a.jpg", "height": 5, "width": 4}
    found = list_images(Path("a.json"), [image, dict(image), {"file_name": "b.jpg"}], findings)
    assert found.files.tolist() == ["a.jpg"] and found.sizes.tolist() == [[5, 4]]
    assert findings.notes == ["2 records of images without an id of their own are left out"]


@pytest.mark.parametrize(("size", "found"), [
    ({"height": 5, "width": 4}, [5, 4]), ({"height": "5", "width": 4.0}, [5, 4]), ({"height": 5}, [0, 0]),
    ({"width": 4}, [0, 0]), ({"height": 5, "width": 0}, [0, 0]), ({"height": -5, "width": 4}, [0, 0]),
    ({"height": 5.5, "width": 4}, [0, 0]), ({"height": float("nan"), "width": 4}, [0, 0]),
    ({"height": 2**31, "width": 4}, [0, 0]), ({"height": [5], "width": 4}, [0, 0]),
    ({"height": True, "width": 4}, [0, 0])])
def test_a_size_is_whole_and_positive_or_none(size: dict[str, Any], found: list[int]) -> None:
    assert listed({"id": 7, "file_name": "a.jpg", **size}).sizes.tolist() == [found]


IMAGES = listed({"id": 139, "file_name": "train/000000000139.jpg"}, {"id": 7, "file_name": "b\\x.png"},
                {"id": "c", "file_name": "c.jpg"}, {"id": 8, "file_name": "one/same.jpg"},
                {"id": 9, "file_name": "two/same.jpg"})


@pytest.mark.parametrize(("written", "row"), [
    (139, 0), ("139", 0), (139.0, 0), ("000000000139", 0), ("0007", 1), ("train/000000000139.jpg", 0),
    ("000000000139.jpg", 0), (7, 1), ("x.png", 1), ("x", 1), ("b\\x.png", 1), ("c", 2), ("c.jpg", 2),
    ("one/same.jpg", 3), ("two/same.jpg", 4), ("same.jpg", None), ("same", None), (5, None), ("139.5", None),
    (None, None), ("", None), ([139], None), (True, None)])
def test_an_image_is_found_by_its_id_or_its_name_if_that_is_its_own(written: Any, row: int | None) -> None:
    assert IMAGES.find(written) == row


def test_an_image_whose_id_is_text_of_digits_is_found_by_its_number() -> None:
    assert listed({"id": "000139", "file_name": "a.jpg"}).find(139) == 0
    assert listed({"id": "000139", "file_name": "a.jpg"}, {"id": "0139", "file_name": "b.jpg"}).find(139) is None


NUMBERED = listed({"id": 1, "file_name": "17.jpg"}, {"id": 17, "file_name": "2.jpg"}, {"id": 3, "file_name": "4.jpg"})


def found(images: ListedImages, *numbers: int) -> tuple[list[int | None], list[str]]:
    """The rows of records that name their images so, and what is said of it."""
    findings, records = Findings("results.json"), [{"image_id": number} for number in numbers]
    find = images.finder(records, findings)
    return [find(record) for record in records], findings.notes


def test_numbers_of_records_are_those_in_names_where_only_these_find_all() -> None:
    assert found(NUMBERED, 17, 2, 4) == ([0, 1, 2], [])
    assert found(NUMBERED, 17, 1) == ([1, 0], [])
    assert found(NUMBERED, 2, 99) == ([None, None], [])


def test_where_ids_and_numbers_in_names_find_all_it_is_said_that_ids_are_meant() -> None:
    crossed = listed({"id": 1, "file_name": "2.jpg"}, {"id": 2, "file_name": "1.jpg"})
    rows, notes = found(crossed, 1, 2)
    assert rows == [0, 1] and len(notes) == 1 and notes[0].startswith("image ids are read as ids, though")


def test_a_file_name_decides_where_a_record_has_one() -> None:
    images = listed({"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"})
    find = images.finder([], Findings("results.json"))
    assert find({"image_id": 1, "file_name": "b.jpg"}) == 1 and find({"image_id": 1, "file_name": "c.jpg"}) == 0


@pytest.mark.parametrize(("records", "note"), [
    ([{"image_id": 1, "file_name": "b.jpg"}], ["1 record names one image by file_name and another by image_id: the "
                                               "file_name decides"]),
    ([{"image_id": 1, "file_name": "b.jpg"}] * 3, ["3 records name one image by file_name and another by image_id: the "
                                                   "file_name decides"]),
    ([{"image_id": 1, "file_name": "a.jpg"}, {"image_id": 99, "file_name": "b.jpg"}, {"file_name": "b.jpg"}, 5,
      {"image_id": 1, "file_name": ["b.jpg"]}, {"image_id": 1, "file_name": "c.jpg"}], []),
    ([{"image_id": 2, "file_name": "2.jpg"}], [])], ids=["one", "three", "none", "the number in a name"])
def test_a_file_name_that_decides_against_an_id_is_said(records: list[Any], note: list[str]) -> None:
    images = listed({"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}, {"id": 3, "file_name": "2.jpg"})
    findings = Findings("results.json")
    images.finder(records, findings)
    assert findings.notes == note


@pytest.mark.parametrize("id", ["a\0", "a\0\0", "\0"])
def test_an_id_that_ends_in_a_zero_byte_is_refused(id: str) -> None:
    """An array of texts has no such end: two images would be one."""
    with pytest.raises(InputError, match=r"^a\.json: image id a?(\\x00)+ ends in a zero byte; take that off$"):
        listed({"id": "a", "file_name": "a.jpg"}, {"id": id, "file_name": "b.jpg"})


@pytest.mark.parametrize("name", [None, 5, "", ["a.jpg"], "x" * 4097, "a.jpg\0"],
                         ids=lambda name: repr(name)[:9])
def test_images_without_a_name_that_a_file_can_have_are_said(name: Any) -> None:
    findings = Findings("a.json")
    images = [{"id": id, "file_name": name} for id in ("one\n", *range(2, 8))]
    found = list_images(Path("a.json"), [*images, {"id": 8, "file_name": "b.jpg"}], findings)
    assert found.files.tolist() == [""] * 7 + ["b.jpg"]
    assert findings.notes == ["7 images have no file_name: one\\n, 2, 3, 4, 5, ..."]
    findings = Findings("a.json")
    list_images(Path("a.json"), images[1:2], findings)
    assert findings.notes == ["1 image has no file_name: 2"]
