"""What single values of other people's files are read as."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trs.data.annotations.fields import file_name, finite, flag, identity, named, number, numbers, numbers_or_nan
from trs.errors import InputError

NONE = [None, True, False, [7], {}, float("nan"), float("inf"), ""]


@pytest.mark.parametrize(("written", "found"), [
    (7, 7), (7.0, 7), ("7", 7), (0, 0), ("0", 0), (7.5, "7.5"), ("7.5", "7.5"), ("007", "007"), (-1, "-1"),
    ("-1", "-1"), (2**63 - 1, 2**63 - 1), (2**63, str(2**63)), (str(2**63), str(2**63)), ("9" * 5000, "9" * 5000),
    ("a", "a"), ("\u0667", "\u0667"), *((value, None) for value in NONE)])
def test_an_id_is_what_it_says(written: Any, found: int | str | None) -> None:
    assert identity(written) == found and type(identity(written)) is type(found)


@pytest.mark.parametrize(("written", "found"), [
    (0, False), (1, True), ("0", False), ("1", True), (0.0, False), (1.0, True), (False, False), (True, True),
    (None, False), ("", False), ("false", False), (" True ", True), (2, None), ("2", None), (-1, None), ([0], None),
    ({}, None), ("yes", None), (0.5, None)])
def test_a_flag_says_so_or_is_none(written: Any, found: bool | None) -> None:
    assert flag(written) is found


@pytest.mark.parametrize(("written", "found"), [(5, 5.0), ("5", 5.0), ("5e1", 50.0), (-2.5, -2.5), (" 5 ", 5.0)])
def test_a_number_may_be_text(written: Any, found: float) -> None:
    assert finite(written) == found


@pytest.mark.parametrize("written", [*NONE, "five", "inf", "nan", 1e309, 10**400, "9" * 5000])
def test_what_is_no_finite_number_is_none(written: Any) -> None:
    assert math.isnan(finite(written))


def test_numbers_of_any_nesting() -> None:
    np.testing.assert_array_equal(numbers_or_nan([[1, 2.5], [3, 4]]), [1, 2.5, 3, 4])
    np.testing.assert_array_equal(numbers_or_nan([1, [2, ["3", None]], True, float("inf"), 10**400, "x"]),
                                  [1, 2, 3, np.nan, 1, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(numbers_or_nan([1.0, float("inf"), float("-inf")]), [1, np.nan, np.nan])
    assert [numbers_or_nan(value).size for value in (None, 5, "5", {}, [])] == [0] * 5


@pytest.mark.parametrize("written", [None, "x", [1], [1, 2, 3], [[1, 2]], [1, float("nan")], [1, float("inf")],
                                     [1, None], [1, 10**400]])
def test_numbers_of_a_shape_are_all_there_and_finite(written: Any) -> None:
    np.testing.assert_array_equal(numbers(Path("a.json"), {"id": 7, "box": [1, 2]}, "box", (2,)), [1, 2])
    with pytest.raises(InputError, match=r"^a\.json: record 7 needs 2 finite numbers under 'box'$"):
        numbers(Path("a.json"), {"id": 7, "box": written}, "box", (2,))


@pytest.mark.parametrize("written", [None, "5", True, float("nan"), float("inf"), [5], 10**400])
def test_a_number_is_there_and_finite(written: Any) -> None:
    assert number(Path("a.json"), {"id": 7, "scale": 2}, "scale") == 2
    with pytest.raises(InputError, match=r"^a\.json: record 7 has no finite number under 'scale'$"):
        number(Path("a.json"), {"id": 7, "scale": written}, "scale")


@pytest.mark.parametrize("written", ["../a.jpg", "/a.jpg", "images/../../a.jpg"])
def test_a_file_lies_below_its_folder(written: str) -> None:
    assert file_name(Path("a.json"), {"id": 7, "image": "images/a.jpg"}, "image") == "images/a.jpg"
    with pytest.raises(InputError, match=r"^a\.json: image 7 points outside its folder: "):
        file_name(Path("a.json"), {"id": 7, "image": written}, "image")


def test_a_record_is_named_by_its_id_or_its_place() -> None:
    assert [named(record, 3) for record in ({"id": 7}, {"id": "a\nb"}, {"id": None}, {}, 5)] == [
        "7", "a\\nb", "at place 3", "at place 3", "at place 3"]
