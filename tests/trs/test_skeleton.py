"""A skeleton in a file is one, or is refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from trs.errors import InputError
from trs.skeleton import AIC, MPII, Skeleton, from_dict, of_names

WHOLE = {"names": ["nose", "left_hip", "right_hip"], "limbs": [[0, 1], [1, 2]], "sigmas": [0.026, 0.107, 1],
         "category_id": 1, "mirror": [0, 2, 1], "sigmas_from": "COCO", "guessed": ["nose"]}


@pytest.mark.parametrize("skeleton", [MPII, AIC, dataclasses.replace(AIC, mirror=None, category_id="person")])
def test_a_skeleton_goes_through_a_file(skeleton: Skeleton) -> None:
    assert from_dict(json.loads(json.dumps(dataclasses.asdict(skeleton)))) == skeleton


def test_older_files_name_no_mirror_order() -> None:
    older = {key: WHOLE[key] for key in ("names", "limbs", "sigmas", "category_id")}
    assert from_dict(older) == from_dict({**older, "mirror": [0, 2, 1], "sigmas_from": "", "guessed": []})


@pytest.mark.parametrize("change", [
    {"names": []}, {"names": ["nose", "nose", "b"]}, {"names": ["nose", "b", 3]}, {"names": None},
    {"sigmas": [0.1, 0.1]},
    {"sigmas": [0.1, 0.1, "0.1"]}, {"sigmas": [0.1, 0.1, 0]}, {"sigmas": [0.1, 0.1, float("nan")]},
    {"sigmas": [0.1, 0.1, float("inf")]}, {"sigmas": [0.1, 0.1, True]}, {"limbs": [[0, 3]]}, {"limbs": [[0, -1]]},
    {"limbs": [[0, 1.0]]}, {"limbs": [[0, 1, 2]]}, {"limbs": 5}, {"mirror": [0, 1]}, {"mirror": [0, 2, 2]},
    {"mirror": [1, 2, 0]}, {"mirror": [0, 2, 9]}, {"mirror": [0, "2", 1]}, {"mirror": [-3, 2, 1]}, {"mirror": 5},
    {"category_id": [1]}, {"category_id": None}, {"guessed": ["x"]}, {"guessed": [["nose"]]}, {"sigmas_from": 5}])
def test_what_is_none_is_refused(change: dict[str, Any]) -> None:
    assert len(from_dict(WHOLE)) == 3
    with pytest.raises((TypeError, ValueError)):
        from_dict(WHOLE | change)


def test_a_part_of_a_skeleton_is_mirrored_within_itself() -> None:
    part, order = MPII.select(("right_knee", "pelvis", "left_knee"))
    assert [MPII.names[place] for place in order] == ["right_knee", "pelvis", "left_knee"]
    assert part.mirror == (2, 1, 0) and part.sigmas == tuple(MPII.sigmas[place] for place in order)
    assert dataclasses.replace(MPII, mirror=None).select(("right_knee", "pelvis"))[0].mirror is None


@pytest.mark.parametrize("names", [["nobody"], ["left_\x1b[31m\n"]])
def test_names_of_any_letters_are_refused_on_one_line(names: list[str]) -> None:
    skeleton = of_names(["left_\x1b[31m\n", "right_\x1b[31m\n", "nose"])
    with pytest.raises(InputError, match=r"left_\\x1b\[31m") as refused:
        skeleton.select(names)
    assert str(refused.value).isprintable()
