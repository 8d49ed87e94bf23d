"""Mirror pairs and one spelling from keypoint names, made by rule: word, place, separator, case and abbreviation."""

from __future__ import annotations

import itertools
import random
import string
import time
from collections.abc import Sequence

import pytest

from trs.keypoint_names import canonical, mirror_order, plain

BODY = ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "leg", "lip", "rib", "toe", "thigh", "heel",
        "front paw", "big toe", "lateral eyebrow", "upper lip"]
INVENTED = ["zorp", "quib", "flam", "dwix", "mune", "grob", "bax sool", "tindu omp"]
"""No words of bodies; the sides are told by the spelling alone."""
PLACES = ["prefix", "middle", "suffix"]
SEPARATORS = ["", "_", "-", " ", ".", "()"]
CASES = ["lower", "UPPER", "Title", "camel"]
ABBREVIATIONS = [("left", "right"), ("l", "r"), ("lt", "rt"), ("lft", "rgt"), ("lft", "rght"), ("lef", "rig"),
                 ("lf", "rt")]
RULES = list(itertools.product(PLACES, SEPARATORS, CASES, ABBREVIATIONS))


def spelled(words: str, side: str, place: str, separator: str, case: str) -> str:
    """One name; a word alone has no middle, so its side goes in front."""
    parts = words.split()
    at = {"prefix": 0, "middle": len(parts) // 2, "suffix": len(parts)}[place]
    parts.insert(at, side)
    if case == "UPPER":
        parts = [part.upper() for part in parts]
    elif case != "lower":
        parts = [part if case == "camel" and number == 0 else part.capitalize() for number, part in enumerate(parts)]
    if separator == "()":
        parts[at] = f"({parts[at]})"
    return (" " if separator == "()" else separator).join(parts)


def both(words: str, place: str, separator: str, case: str, sides: tuple[str, str]) -> list[str]:
    return [spelled(words, side, place, separator, case) for side in sides]


def is_glued(separator: str, case: str) -> bool:
    return separator == "" and case in ("lower", "UPPER")


def exchanged(count: int) -> tuple[int, ...]:
    """0 and 1 change places, 2 and 3, and so on; then three keypoints of the middle."""
    return (*(index ^ 1 for index in range(count)), count, count + 1, count + 2)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_both_sides_of_a_known_word_find_each_other_without_any_other_pair(place: str, separator: str) -> None:
    tried = 0
    for case, sides, words in itertools.product(CASES, ABBREVIATIONS, BODY):
        names = [*both(words, place, separator, case, sides), "nose", "neck", "tail"]
        assert mirror_order(names) == exchanged(2), names
        found = canonical(names)
        if is_glued(separator, case) and " " in words:  # where one word ends and the next begins is not told
            found = tuple(name.replace("_", "") for name in found)
            assert found[:2] == tuple(side + words.replace(" ", "") for side in ("left", "right")), names
        else:
            assert found[:2] == tuple(f"{side}_{words.replace(' ', '_')}" for side in ("left", "right")), names
        tried += 1
    assert tried == len(CASES) * len(ABBREVIATIONS) * len(BODY)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_several_pairs_of_words_that_nobody_knows_are_found_in_any_order(place: str, separator: str) -> None:
    """Left out: abbreviations in one case amid of unknown words (`foolbar`), where nothing tells them from other l."""
    tried = 0
    for case, sides in itertools.product(CASES, ABBREVIATIONS):
        glued = is_glued(separator, case)
        words = [one for one in INVENTED if not (glued and place == "middle" and " " in one and sides[0] != "left")]
        names = [name for one in words for name in both(one, place, separator, case, sides)] + ["nose", "neck", "tail"]
        assert mirror_order(names) == exchanged(2 * len(words)), names
        if not glued:  # `ltzorp` is left zorp or left tzorp
            assert canonical(names)[:-3] == tuple(f"{side}_{one.replace(' ', '_')}" for one in words
                                                  for side in ("left", "right"))
        shuffled = random.Random(tried).sample(range(len(names)), len(names))
        order = mirror_order([names[index] for index in shuffled])
        assert order is not None
        assert [shuffled[index] for index in order] == [exchanged(2 * len(words))[index] for index in shuffled]
        tried += 1
    assert tried == len(CASES) * len(ABBREVIATIONS)


@pytest.mark.parametrize("rule", RULES[::5], ids=str)
def test_one_spelling_is_spelled_the_same_again(rule: tuple[str, str, str, tuple[str, str]]) -> None:
    names = [name for words in BODY for name in both(words, *rule)]
    once = canonical(names)
    assert canonical(once) == once
    assert mirror_order(once) == mirror_order(names)


@pytest.mark.parametrize(("names", "expected"), [
    ("eyeL eyeR", "left_eye right_eye"), ("L_Eye R_Eye", "left_eye right_eye"),
    ("Eye-Left Eye-Right", "left_eye right_eye"), ("shoulder.r shoulder.l", "right_shoulder left_shoulder"),
    ("Leye Reye", "left_eye right_eye"), ("LEFTEye RIGHTEye", "left_eye right_eye"),
    ("lear rear", "left_ear right_ear"), ("LEFTeye RIGHTeye", "left_eye right_eye"),
    ("forelegR1 forelegL1", "right_foreleg1 left_foreleg1"),
    ("L_Thumb_1 R_Thumb_1", "left_thumb1 right_thumb1"), ("L_EarBase R_EarBase", "left_ear_base right_ear_base"),
    ("medial_right_bow medial_left_bow", "right_medial_bow left_medial_bow"), ("L_L1 R_L1", "left_l1 right_l1"),
    ("1L 1R", "left_1 right_1"), ("L R", "left right"), ("左眼 右眼", "left_眼 right_眼"),
    ("lft_eye right-eye", "left_eye right_eye"), ("left_eye Eye_R", "left_eye right_eye")])
def test_spellings_that_are_in_use(names: str, expected: str) -> None:
    assert canonical(names.split()) == tuple(expected.split())
    assert mirror_order(names.split()) == (1, 0)


@pytest.mark.parametrize(("names", "expected"), [
    (["Shoulder (L)", "Shoulder (R)"], "left_shoulder right_shoulder"), (["Lt. hip", "Rt. hip"], "left_hip right_hip"),
    (["Ankle_Left ", "Ankle_Right"], "left_ankle right_ankle"), (["eye 1 L", "eye 1 R"], "left_eye1 right_eye1")])
def test_spaces_and_points(names: list[str], expected: str) -> None:
    assert canonical(names) == tuple(expected.split())
    assert mirror_order(names) == (1, 0)


@pytest.mark.parametrize(("names", "order"), [
    (["LF_paw", "RF_paw", "LH_paw", "RH_paw"], (1, 0, 3, 2)), (["FL", "FR", "RL", "RR"], (1, 0, 3, 2)),
    (["LF", "RF", "LR", "RR"], (1, 0, 3, 2)), (["TL", "TR", "BR", "BL"], (1, 0, 3, 2)),
    (["UL", "UR", "LL", "LR"], (1, 0, 3, 2)),
    (["lsho", "rsho", "lelb", "relb", "lwri", "rwri"], (1, 0, 3, 2, 5, 4)),
    (["L1", "L2", "L3", "R1", "R2", "R3"], (3, 4, 5, 0, 1, 2))])
def test_corners_and_short_codes(names: list[str], order: tuple[int, ...]) -> None:
    assert mirror_order(names) == order


def test_a_mirror_image_exchanges_all_sides_that_a_name_says() -> None:
    names = [f"{eye}_eye_{corner}_corner" for eye in ("left", "right") for corner in ("left", "right")]
    assert mirror_order(names) == (3, 2, 1, 0)
    assert mirror_order([names[0], names[2]]) == (1, 0), "where there is no such name, the first side is exchanged"
    assert canonical(names) == tuple(names)


@pytest.mark.parametrize("names", [
    ["leg", "lip", "rear", "bill", "rib", "upper back"], ["lip", "rip"], ["leg", "reg"], ["rear", "ear"],
    ["lump", "rump"], ["lock", "rock"], ["cleft", "cright palate"], ["left out", "bright"], ["level", "lever"],
    ["foolbar", "foorbar"], ["heel", "heer"], ["left_eye", "nose"], ["L", "nose"],
    ["L1", "L2", "L3", "L4", "L5", "R1"], ["C7", "T1", "T12", "L1", "L5", "S1"], ["L1", "L2", "R7"],
    list(string.ascii_lowercase), list(string.ascii_uppercase), [f"point_{one}" for one in string.ascii_lowercase],
    [f"{one}{number}" for one in string.ascii_uppercase for number in range(3)]])
def test_what_only_looks_like_a_side_is_none(names: list[str]) -> None:
    assert mirror_order(names) in (None, tuple(range(len(names))))
    assert canonical(names) == tuple(map(plain, names))


def test_a_name_that_said_its_side_in_front_keeps_its_partner_beside_other_spellings_of_it() -> None:
    assert mirror_order(["left_eye", "right_eye", "Left-Eye"]) == (1, 0, 2)


def test_one_pair_of_two_letters_is_enough() -> None:
    assert mirror_order(["FL_zorp", "FR_zorp"]) == (1, 0)


def test_an_abbreviation_that_leaves_a_known_word_is_the_right_one() -> None:
    assert canonical(["lteye", "rteye", "ltear", "rtear"]) == ("left_eye", "right_eye", "left_ear", "right_ear")


@pytest.mark.parametrize("sides", [("left", "right"), ("l", "r")])
def test_sides_are_not_looked_for_far_inside_of_a_word(sides: tuple[str, str]) -> None:
    for times, expected in ((5, (1, 0)), (30, None)):
        assert mirror_order(["eye" * times + side for side in sides]) == expected


def test_a_word_of_a_body_is_no_side_beside_pairs_that_are_spelled_so() -> None:
    assert mirror_order(["lsho", "rsho", "lelb", "relb", "lip", "rip"]) == (1, 0, 3, 2, 4, 5)


@pytest.mark.parametrize("names", [
    [str(number) for number in range(1, 18)], [f"kpt-{number}" for number in range(68)], ["point 1", "point 2"],
    ["a", "b"], ["Nearknee", "Offknee"], ["sss_kpt1", "sss_kpt2"], ["wrist1", "wrist2"], ["", " "],
    ["left_eye", "right_eye", "face-0", "face-1"], ["L_Eye", "R_Eye", "3", "4"]])
def test_names_that_do_not_tell_their_sides_are_not_mirrored(names: list[str]) -> None:
    assert mirror_order(names) is None


@pytest.mark.parametrize("names", [
    [], ["anything"], ["left_eye"], ["nose", "neck", "tail base"],
    ["Head_Mid_Top", "Tail_Top_Back", "spine1", "spine2"],
    ["WRIST", "THUMB_CMC", "THUMB_TIP", "INDEX_FINGER_MCP", "PINKY_DIP"], ["thumb1", "forefinger1", "ring_finger4"]])
def test_names_without_sides_stay_where_they_are(names: list[str]) -> None:
    assert mirror_order(names) == tuple(range(len(names)))


@pytest.mark.parametrize("names", [
    ["Left Eye", "Right Eye", "Nose"], ["left_eye", "right_eye", "left_ear"], ["LEFT_THUMB_1", "right_thumb_1"],
    ["left_f_elbow", "right_f_elbow", "TailBase", "Root of tail"], ["left  eye", "right  eye"],
    ["face-0", "Neck.base"]])
def test_names_that_said_their_sides_in_front_are_as_they_were(names: Sequence[str]) -> None:
    assert canonical(names) == tuple(name.lower().replace(" ", "_") for name in names)


def test_names_stay_distinct() -> None:
    assert canonical(["left_eye", "right_eye", "L_Eye", "R_Eye"]) == ("left_eye", "right_eye", "l_eye", "r_eye")
    assert canonical(["Nose", "nose "]) == ("Nose", "nose")
    assert mirror_order(["left_eye", "right_eye", "L_Eye", "R_Eye"]) == (1, 0, 3, 2)


def test_any_names_give_a_mirror_image_of_a_mirror_image() -> None:
    """Names of few letters at random: whatever is found, the partner of the partner is the keypoint itself."""
    found = 0
    for seed in range(1000):
        draw = random.Random(seed)
        names = list({"".join(draw.choices("lrLR_eft1 ", k=draw.randint(1, 5))) for _ in range(draw.randint(1, 12))})
        order = mirror_order(names)
        if order is not None and order != tuple(range(len(names))):
            found += 1
            assert [order[order[index]] for index in range(len(names))] == list(range(len(names))), names
        assert len(canonical(names)) == len(names)
    assert found > 100


def test_hostile_names_take_no_time() -> None:
    began = time.perf_counter()
    names = ["l" * 30_000, "r" * 30_000, "left" * 10_000, "eye" * 10_000, "\x1b[31m\n",
             "L" + "eye" * 15, "R" + "eye" * 15, *(f"l{number}" for number in range(2000)),
             *(f"{'lr' * 20}{number}" for number in range(300))]
    canonical(names)
    mirror_order(names)
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("word", ["left_eye ", "lR", "name", "leftL"])
def test_names_of_thousands_of_words_take_no_minutes(word: str) -> None:
    names = [f"{word * 5000}{letter}" for letter in "xyz"]
    began = time.monotonic()
    assert mirror_order(["left_eye", "right_eye", *names]) is None
    assert mirror_order([f"{side}_{word * 5000}" for side in ("left", "right")]) == (1, 0)
    assert len(set(canonical(names))) == 3 and time.monotonic() - began < 20
