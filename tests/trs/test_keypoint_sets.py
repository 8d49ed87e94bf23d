"""The keypoint sets of public datasets: known in any spelling, their pairs those that the names tell, their sigmas."""

from __future__ import annotations

import configparser
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pycocotools.cocoeval import Params

from trs.errors import InputError
from trs.keypoint_names import canonical, mirror_order
from trs.keypoint_sets import KnownSet, known_set, named_set, sets_of, sigmas_of

ROOT = Path(__file__).resolve().parents[2]
FACTS = json.loads((ROOT / "trs/keypoint_sets.json").read_text("utf-8"))
TITLES = [entry["titles"][0] for entry in FACTS["keypoint_sets"]]
NUMBERED = {"300W", "AFLW", "COFW", "LaPa", "WFLW", "COCO-WholeBody face", "DeepFashion2", "COCO-WholeBody", "Halpe",
            "COCO-WholeBody OpenPose", "UBody 3D"}
"""Sets whose keypoints, or those of the face, have only numbers."""
BODY = {"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107,
        "knee": 0.087, "ankle": 0.089, "neck": 0.079, "head_top": 0.079, "head": 0.079}
AIC = (0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144, 0.03909642, 0.03686941, 0.01981803,
       0.03843971, 0.03412318, 0.02415081, 0.01291456, 0.01236173)
MPII = (0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026, 0.062, 0.072, 0.179, 0.179, 0.072, 0.062)
SPELLINGS: list[Callable[[str], str]] = [
    str.upper, lambda name: name.replace("_", "-"), lambda name: name.replace("_", " ").title(),
    lambda name: re.sub(r"[_-](\w)", lambda found: found[1].upper(), name),
    lambda name: re.sub("^(left|right)[ _](.*)", r"\2_\1", name),
    lambda name: re.sub("^(L|R|l|r)(?:eft|ight)?[ _](.*)", lambda found: f"{found[2]} ({found[1].upper()})", name)]


def pairs(known: KnownSet) -> list[tuple[int, int]]:
    return [(one, other) for one, other in enumerate(known.mirror_order) if one < other]


def by_part(names: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(BODY[name.removeprefix("left_").removeprefix("right_")] for name in names)


def test_all_sets_of_the_source_are_there_once() -> None:
    files = Counter(name for entry in FACTS["keypoint_sets"] for name in entry.get("mmpose", ()))
    assert len(files) == 55 == files.total()
    assert {"coco", "crowdpose", "mpii", "aic", "ap10k", "300w", "deepfashion2", "halpe", "zebra"} <= set(files)
    assert FACTS["source"]["license"] == "Apache-2.0"
    assert FACTS["source"]["commit"]
    titles = [title for entry in FACTS["keypoint_sets"] for title in entry["titles"]]
    named = Counter(re.sub(r"\W", "", title).casefold() for title in titles)
    assert named.total() == len(named) > 60, "each title means one set"
    assert {named_set(file).title for file in files} >= {"COCO", "Human-Art", "MHP", "FreiHAND 2D"}


@pytest.mark.parametrize("title", TITLES)
def test_a_set_is_well_formed_and_known_by_its_names(title: str) -> None:
    known = named_set(title)
    assert known_set(known.names) == known
    assert len(set(known.names)) == len(known.names)
    assert sorted(known.mirror_order) == list(range(len(known.names)))
    assert [known.mirror_order[other] for other in known.mirror_order] == list(range(len(known.names)))
    if known.sigmas is not None:
        assert len(known.sigmas) == len(known.names)
        assert 0 < min(known.sigmas) <= max(known.sigmas) < 0.2
    assert title in sets_of(len(known.names))


@pytest.mark.parametrize("title", [title for title in TITLES if title not in {*NUMBERED, "Horse-10"}])
def test_names_alone_tell_the_pairs_of_the_source(title: str) -> None:
    known = named_set(title)
    assert mirror_order(known.names) == known.mirror_order
    mirrored = {canonical(known.names)[one].split("_")[0] for pair in pairs(known) for one in pair}
    assert mirrored in ({"left", "right"}, set())


def test_most_sets_do_without_the_table() -> None:
    alone = [title for title in TITLES if mirror_order(named_set(title).names) == named_set(title).mirror_order]
    files = sum(len(entry.get("mmpose", ())) for entry in FACTS["keypoint_sets"] if entry["titles"][0] in alone)
    print(f"{len(alone)} of {len(TITLES)} sets, {files} of mmpose's 55 files, have their pairs by their names alone")
    assert (len(alone), len(TITLES), files) == (30, 42, 39)


@pytest.mark.parametrize("title", sorted(NUMBERED))
def test_names_that_are_numbers_tell_no_pairs_and_the_table_does(title: str) -> None:
    known = named_set(title)
    assert mirror_order(known.names) is None
    assert len(pairs(known)) > 6


def test_sides_of_the_animal_s_keeper_are_not_guessed() -> None:
    """Near and off are left and right of a horse, but the source mirrors none of them."""
    assert mirror_order(named_set("horse10").names) is None
    assert pairs(named_set("horse10")) == []


@pytest.mark.parametrize(("title", "expected"), [
    ("300w", {(0, 16), (17, 26), (31, 35), (36, 45), (39, 42), (41, 46), (48, 54), (60, 64)}),
    ("aflw", {(0, 5), (7, 10)}), ("300W-LP", {(0, 16), (36, 45)}), ("wflw", {(0, 32), (33, 46), (96, 97)}),
    ("cofw", {(0, 1), (4, 6), (16, 17)}),
    ("coco_wholebody", {(1, 2), (23, 39), (91, 112), (111, 132)}), ("fly", {(1, 2), (6, 18), (30, 31)}),
    ("deepfashion2", {(1, 5), (6, 24), (136, 140)}), ("ubody3d", {(1, 2), (67, 68)}), ("mpii", {(0, 5), (10, 15)})])
def test_pairs_of_known_points(title: str, expected: set[tuple[int, int]]) -> None:
    assert expected <= set(pairs(named_set(title)))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("title", TITLES)
def test_a_set_is_known_in_every_spelling(title: str, spelling: Callable[[str], str]) -> None:
    known = named_set(title)
    assert known_set([spelling(name) for name in known.names]) == known


@pytest.mark.parametrize(("title", "change"), [
    ("CrowdPose", {"head": "top_head"}), ("AP-10K", {"left_front_paw": "L_F_Paw", "right_front_paw": "R_F_Paw",
                                                     "left_back_paw": "L_B_Paw", "right_back_paw": "R_B_Paw"})])
def test_names_of_the_dataset_s_own_files_and_of_the_source(title: str, change: dict[str, str]) -> None:
    names = [change.get(name, name) for name in named_set(title).names]
    assert names != list(named_set(title).names)
    assert known_set(names) == named_set(title)


def test_points_that_are_numbered_up_to_294_are_of_deepfashion2() -> None:
    assert known_set([str(number) for number in range(1, 295)]) == named_set("DeepFashion2")
    assert known_set([str(number) for number in range(1, 18)]) is None


@pytest.mark.parametrize("names", [
    [], ["nose"], [f"kpt-{number}" for number in range(67)], list(named_set("coco").names[::-1]),
    list(named_set("coco").names[:-1]), [*named_set("coco").names[:-1], "tail"]])
def test_other_names_are_no_set(names: list[str]) -> None:
    assert known_set(names) is None


@pytest.mark.parametrize(("asked", "title", "count"), [
    ("coco", "COCO", 17), ("COCO", "COCO", 17), ("crowdpose", "CrowdPose", 14), ("mpii", "MPII", 16),
    ("mhp", "MHP", 16), ("aic", "AIC", 14), ("lsp", "LSP", 14), ("lspet", "LSPET", 14), ("ap10k", "AP-10K", 17),
    ("AP-10K", "AP-10K", 17), ("coco 2017", "COCO 2017", 17),
    ("hand", "Hand", 21), ("onehand10k", "OneHand10K", 21), ("freihand", "FreiHAND", 21), ("wflw", "WFLW", 98),
    ("300w", "300W", 68), ("coco_wholebody", "COCO-WholeBody", 133), ("halpe", "Halpe", 136), ("jhmdb", "JHMDB", 15),
    ("ochuman", "OCHuman", 17), ("posetrack18", "PoseTrack18", 17), ("animalpose", "Animal-Pose", 20),
    ("macaque", "Macaque", 17), ("fly", "Fly", 32), ("locust", "Locust", 35), ("zebra", "Zebra", 9),
    ("deepfashion2", "DeepFashion2", 294), (" Animal kingdom", "Animal Kingdom", 23), ("face", "Face", 68)])
def test_titles_in_any_spelling(asked: str, title: str, count: int) -> None:
    known = named_set(asked)
    assert (known.title, len(known.names)) == (title, count)


@pytest.mark.parametrize("title", ["cocos", "", "-", "person"])
def test_a_title_that_nobody_knows_is_told_which_there_are(title: str) -> None:
    expected = f"^there is no keypoint set {title!r}; there are COCO, CrowdPose, MPII, .*, and other datasets of "
    with pytest.raises(InputError, match=expected):
        named_set(title)


def test_sets_of_a_number_of_keypoints() -> None:
    assert sets_of(17)[:2] == ["COCO", "AP-10K"]
    assert sets_of(14)[:3] == ["CrowdPose", "AI Challenger", "LSP"]
    assert sets_of(136) == ["Halpe"]
    assert sets_of(5) == []


def test_sigmas_of_coco_are_those_of_its_own_code() -> None:
    sigmas, source, guessed = sigmas_of(named_set("coco").names)
    assert sigmas == pytest.approx(list(Params("keypoints").kpt_oks_sigmas), abs=1e-15)
    assert (source, guessed) == ("COCO", ())


@pytest.mark.parametrize(("title", "source"), [
    ("coco", "COCO"), ("crowdpose", "CrowdPose"), ("lsp", "body parts of COCO"), ("lspet", "body parts of COCO")])
def test_sigmas_that_are_as_they_were(title: str, source: str) -> None:
    names = named_set(title).names
    assert sigmas_of(names) == (by_part(names), source, ())


@pytest.mark.parametrize(("title", "sigmas", "source"), [("aic", AIC, "AI Challenger"), ("mpii", MPII, "MPII")])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_sigmas_of_a_set_are_its_own_in_any_spelling(title: str, sigmas: tuple[float, ...], source: str,
                                                     spelling: Callable[[str], str]) -> None:
    assert sigmas_of([spelling(name) for name in named_set(title).names]) == (sigmas, source, ())


@pytest.mark.parametrize("title", [title for title in TITLES if named_set(title).sigmas is not None])
def test_no_sigma_of_a_set_that_has_some_is_a_guess(title: str) -> None:
    assert sigmas_of(named_set(title).names) == (named_set(title).sigmas, title, ())


def test_body_parts_come_before_sets_that_have_them_in_another_order() -> None:
    """LSP has AI Challenger's keypoints in another order, and COCO's reversed are still COCO's."""
    assert set(named_set("lsp").names) == set(named_set("aic").names)
    names = named_set("coco").names[::-1]
    assert sigmas_of(names) == (by_part(names), "body parts of COCO", ())


def test_keypoints_that_a_set_has_among_others_have_its_sigmas() -> None:
    hand = dict(zip(named_set("hand").names, named_set("hand").sigmas or (), strict=True))
    names = named_set("rhd").names
    assert sigmas_of(names) == (tuple(hand[name] for name in names), "COCO-WholeBody hand", ())
    whole = named_set("coco_wholebody")
    feet = whole.names[:23]
    assert sigmas_of(feet) == ((whole.sigmas or ())[:23], "COCO-WholeBody", ()), "Halpe lists them in another order"
    assert sigmas_of(named_set("mpii").names[4:9]) == (MPII[4:9], "MPII", ())


def test_sets_that_disagree_are_not_asked() -> None:
    """COCO-WholeBody and Halpe have other sigmas for toes, and neither lists them in this order."""
    sigmas, source, guessed = sigmas_of(["right_heel", "left_heel", "left_knee", "right_knee"])
    assert sigmas == (0.079, 0.079, 0.087, 0.087)
    assert (source, guessed) == ("body parts of COCO", ("right_heel", "left_heel"))


def test_sigmas_that_do_not_follow_the_names_are_not_taken_by_name() -> None:
    assert FACTS["keypoint_sets"][TITLES.index("COCO OpenPose")]["sigmas_by_name"] is False
    assert named_set("coco_openpose").sigmas == sigmas_of(named_set("openpose").names)[0]
    with_feet = named_set("coco_wholebody_openpose").names[:24]
    sigmas, source, guessed = sigmas_of(with_feet)
    assert sigmas[:18] == by_part(with_feet[:18])
    assert (source, guessed) == ("body parts of COCO", with_feet[18:])


def test_guesses_are_named() -> None:
    assert sigmas_of(["Nose", "Horn_L", "Horn_R"]) == ((0.026, 0.079, 0.079), "body parts of COCO",
                                                       ("left_horn", "right_horn"))
    assert sigmas_of(["Head-Top", "HeadTop", "head top"])[1:] == ("body parts of COCO", ())
    assert sigmas_of(["1", "2"]) == ((0.079, 0.079), "a guess", ("1", "2"))
    assert sigmas_of(named_set("300w").names)[1] == "a guess"


def test_an_installed_copy_has_the_table() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["options.package_data"]["trs"].split() == ["keypoint_sets.json"]
