"""Keypoints' names as people write them: which keypoint is another's mirror image, and one spelling for both sides.

A side counts only where the other side of the same keypoint is there too: `leg` is no left `eg`. Sides are looked for
in this order, and a name that has found its partner is done:

1. left and right as words: `left_eye`, `Eye-Left`, `leftEye`, `LEFT EYE`, `medial_right_bow`. A name with several of
   them is mirrored in all: `left_eye_left_corner` becomes `right_eye_right_corner`, or, where there is none,
   `right_eye_left_corner`.
2. The same words glued to others: `lefteye`.
3. Abbreviations as words: `L_Eye`, `eyeL`, `lt shoulder`, `Shoulder (L)`, `forelegR1`.
4. Two letters, one of which is the side: `LF_paw` and `RF_paw`, `TL` and `TR`.
5. Abbreviations glued to others in one case: `leye`, `KNEEL`. What is left must be known words of bodies, or several
   pairs must be spelled this way: `lsho`, `rsho`, `lelb`, `relb`. `lip` and `rip`, `leg` and `reg` are no sides.

Letters that count (`L1` without `R1`; `A`, `B`, ... beyond `R`) name no sides. What stays open: the words and letters
of one case that are glued in the middle of unknown words (`fooLbar` is read, `foolbar` is not).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

_WORDS = {"left": "left", "right": "right", "左": "left", "右": "right"}
_SHORT = {"l": "left", "lt": "left", "lf": "left", "lft": "left", "lef": "left", "lhs": "left",
          "r": "right", "rt": "right", "rgt": "right", "rght": "right", "rht": "right", "rig": "right", "rhs": "right"}
_OTHER = {"left": "right", "right": "left"}
_SEPARATOR = r"[\W_]+|(?<=\d)(?=\D)|(?<=\D)(?=\d)|(?=[左右])|(?<=[左右])"
_CHUNKS = re.compile(_SEPARATOR)
_TOKENS = re.compile(rf"{_SEPARATOR}|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _split(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MIDLINE = _split(
    "abdomen anal anus back base beak belly body bottom bridge center central chest chin coccyx cranium crotch croup "
    "crown dorsal end fluke forehead front glabella groin head lower lumbar mid middle midline mouth muzzle nape "
    "nasion navel neck nose occiput of pelvis philtrum pubis rear root rostrum rump sacrum skull snout spine sternum "
    "stomach tail the thoracic thorax throat tip tongue top torso trunk umbilicus upper ventral vertebra wither "
    "withers")
"""Words of what lies in a body's middle, and of places in it: a mirror image leaves it where it is."""
_HAND = _split(
    "carpal cmc dip finger fore forefinger hand index ip joint knuckle little mcp mid middle palm pinkie pinky pip "
    "ring root thumb tip wrist")
"""Words of one hand without a side, which a mirror image makes another hand."""
_PARTS = frozenset(word for word in _MIDLINE | _HAND if len(word) > 3) | _split(
    "ankle ant antenna antler arch areola arm armpit axilla bend big bill brow bumper buttock calf canine canthus "
    "carpus cheek clavicle claw coffin collar condyle corner cuff door ear earlobe edge elbow eye eyebrow eyelash "
    "eyelid feet femur fetlock fin fingers flank flipper foot forearm foreleg forelimb forepaw gill gonion hair "
    "headlight heel hem hind hindleg hindlimb hindpaw hip hock hoof horn humerus inner inside iris ischium jaw knee "
    "lamp lash lateral leg lid light limb lip lobe mandible mast medial metacarpal metatarsal mid midleg mirror nail "
    "nipple nostril outer outside pad pastern patella paw pectoral pupil radius rib roof scapula shank shin shoulder "
    "side sleeve small sole stifle tarsus temple thigh tibia tip tire toe tooth top trochanter ulna waist waistline "
    "wheel whisker window wing")
"""Words of bodies: what must be left when a glued abbreviation is taken off."""
_NUMBERED = _split("dot face id j joint k keypoint kp kpt landmark lm marker node p part point pt v vertex")
"""What a number stands behind where nobody named the keypoint."""
_COUNTED = frozenset("mnopq")
"""The letters from L to R: where all are used, L and R only count."""
_LONGEST = 60
"""Letters of a word in which sides are looked for."""
_LONGEST_NAME = 200
"""Letters of a name in whose words they are: each word is compared with all others of its name."""


@dataclass(frozen=True)
class _Reading:
    """A name read as a side and the rest.

    index: of the name.
    side: left or right.
    key: what this name has in common with its mirror partner, and with no other.
    words: the name without the side.
    """

    index: int
    side: str
    key: tuple[str, ...]
    words: tuple[str, ...]


def plain(name: str) -> str:
    """A name in lower case, with underscores for spaces."""
    return name.lower().replace(" ", "_")


def canonical(names: Sequence[str]) -> tuple[str, ...]:
    """The names in one spelling: a side becomes the prefix `left_` or `right_`, the other words follow in lower case.

    Names without a side are only `plain`, and so are those that begin with `left_` or `right_`. Where two names would
    become equal, all are only plain, and where these are equal too they stay as they are.
    """
    spelled = [plain(name.strip()) for name in names]
    readings = _readings_of_pairs(names)
    sided = tuple(name if name.startswith(("left_", "right_")) or index not in readings else _spelled(readings[index])
                  for index, name in enumerate(spelled))
    for choice in (sided, tuple(spelled)):
        if len(set(choice)) == len(names):
            return choice
    return tuple(name.strip() for name in names)


def mirror_order(names: Sequence[str]) -> tuple[int, ...] | None:
    """The keypoint that each of the K keypoints becomes in a mirror image, itself where it has no side.

    Returns: K indices; None where the names might have sides that they do not tell: no pair was found and they are not
    all of a body's middle or of one hand, or beside the pairs there are keypoints that only have numbers, or names that
    are too long to be read.
    """
    readings = _readings_of_pairs(names)
    others = [name for index, name in enumerate(names) if index not in readings]
    if readings:
        if sum(_is_numbered(name) for name in others) > 1 or any(len(name) > _LONGEST_NAME for name in others):
            return None
        place = {(reading.key, reading.side): index for index, reading in readings.items()}
        partners = {index: place[reading.key, _OTHER[reading.side]] for index, reading in readings.items()}
        return tuple(partners.get(index, index) for index in range(len(names)))
    return tuple(range(len(names))) if len(names) < 2 or _is_sideless(names) else None


def _spelled(reading: _Reading) -> str:
    """`left_foreleg1`: a number belongs to the word before it."""
    words = re.sub(r"(?<=[^\W\d_])_(?=\d)", "", "_".join(reading.words))
    return f"{reading.side}_{words}" if words else reading.side


def _is_numbered(name: str) -> bool:
    *words, number = _tokens(name) or ("",)
    return number.isdigit() and (not words or words[-1] in _NUMBERED)


def _is_sideless(names: Sequence[str]) -> bool:
    """Whether all are of a body's middle, or all of one hand."""
    words = [{token for token in _tokens(name) if not token.isdigit()} for name in names]
    used = set().union(*words)
    return all(words) and (used <= _MIDLINE or "thumb" in used <= _HAND)


def _tokens(name: str) -> tuple[str, ...]:
    return tuple(token.lower() for token in _TOKENS.split(name) if token)


def _readings_of_pairs(names: Sequence[str]) -> dict[int, _Reading]:
    """By index, how each name that has a mirror partner is read; partners, and only they, have the same key."""
    found: dict[int, _Reading] = {}
    read = [name if len(name) <= _LONGEST_NAME else "" for name in names]
    tokens = [_tokens(name) for name in read]
    chunks = [tuple(chunk.lower() for chunk in _CHUNKS.split(name) if chunk) for name in read]
    ways: list[Callable[[], Iterable[_Reading]]] = [
        lambda: _words_of_all(tokens, _WORDS), lambda: _prefixes(names), lambda: _one_word(tokens, _WORDS),
        lambda: _glued_words(chunks),
        lambda: _letters_that_do_not_count(tokens, _words_of_all(tokens, _WORDS | _SHORT)),
        lambda: _letters_that_do_not_count(tokens, _one_word(tokens, _WORDS | _SHORT)),
        lambda: _two_letters(tokens), lambda: _glued_short(tokens)]
    for number, way in enumerate(ways):
        for left, right in _pairs(reading for reading in way() if reading.index not in found):
            for reading in (left, right):
                found[reading.index] = _Reading(reading.index, reading.side, (str(number), *reading.key), reading.words)
    return found


def _couples(readings: Iterable[_Reading]) -> list[tuple[_Reading, _Reading]]:
    """A left and a right reading for each key that only these two have."""
    groups = defaultdict(list)
    for reading in readings:
        groups[reading.key].append(reading)
    return [(one, other) if one.side == "left" else (other, one)
            for one, other in (group for group in groups.values() if len(group) == 2) if one.side != other.side]


def _pairs(readings: Iterable[_Reading]) -> Iterator[tuple[_Reading, _Reading]]:
    """Couples of names that have no other partner; two names that are a couple in several ways are one in the first."""
    couples = {(left.index, right.index): (left, right) for left, right in reversed(_couples(readings))}
    count = Counter(index for pair in couples for index in pair)
    return (couples[pair] for pair in couples if all(count[index] == 1 for index in pair))


def _words_of_all(tokens: Sequence[tuple[str, ...]], sides: dict[str, str]) -> Iterator[_Reading]:
    """Each name's sides are all exchanged: the first says which side it is, the others whether they say the same."""
    for index, words in enumerate(tokens):
        places = [place for place, word in enumerate(words) if word in sides]
        if places:
            side = sides[words[places[0]]]
            key = tuple(("=" if sides[word] == side else "!") if place in places else word
                        for place, word in enumerate(words))
            yield _Reading(index, side, key, _without(words, places[0]))


def _prefixes(names: Sequence[str]) -> Iterator[_Reading]:
    """`left_` and `right_` in front, whatever follows."""
    for index, name in enumerate(plain(name.strip()) for name in names):
        for side in _OTHER:
            if name.startswith(f"{side}_"):
                rest = (name.removeprefix(f"{side}_"),)
                yield _Reading(index, side, rest, rest)


def _one_word(tokens: Sequence[tuple[str, ...]], sides: dict[str, str]) -> Iterator[_Reading]:
    """One side of each name is exchanged, its first; it may stand at another place in the partner's name."""
    for index, words in enumerate(tokens):
        place = next((place for place, word in enumerate(words) if word in sides), None)
        if place is not None:
            yield _Reading(index, sides[words[place]], _without(words, place), _without(words, place))


def _glued_words(chunks: Sequence[tuple[str, ...]]) -> Iterator[_Reading]:
    """left and right inside of longer words."""
    for index, words in enumerate(chunks):
        for place, word in enumerate(words):
            for match in re.finditer("left|right", word[:_LONGEST]):
                yield _split_reading(index, words, place, match.start(), match[0], match[0])


def _letters_that_do_not_count(tokens: Sequence[tuple[str, ...]], readings: Iterable[_Reading]) -> Iterator[_Reading]:
    """Without those of letters that only count: `L1` where R goes further, `A` to `Z`."""
    letters = defaultdict(set)
    for words in tokens:
        for place, word in enumerate(words):
            if len(word) == 1:
                letters[_without(words, place)].add(word)
    listed = [reading for reading in readings if not letters[reading.words] >= _COUNTED]
    numbers = {side: {reading.words for reading in listed if reading.side == side and _only_numbers(reading.words)}
               for side in _OTHER}
    even = numbers["left"] == numbers["right"]
    return (reading for reading in listed if even or not _only_numbers(reading.words))


def _only_numbers(words: tuple[str, ...]) -> bool:
    return all(word.isdigit() for word in words)


def _two_letters(tokens: Sequence[tuple[str, ...]]) -> Iterator[_Reading]:
    """A word of two letters, one of which is the side."""
    for index, words in enumerate(tokens):
        for place, word in enumerate(words):
            for at, letter in enumerate(word if len(word) == 2 else ""):
                if letter in "lr":
                    yield _split_reading(index, words, place, at, letter, _SHORT[letter])


@dataclass(frozen=True)
class _Glued:
    """Two names that are mirror partners if an abbreviation is read inside of a word.

    place: prefix, suffix or between.
    certain: known words of bodies are left.
    """

    left: _Reading
    right: _Reading
    place: str
    certain: bool


def _glued_short(tokens: Sequence[tuple[str, ...]]) -> Iterator[_Reading]:
    """Abbreviations inside of longer words, if what is left is known, or if several pairs are spelled so."""
    candidates = list(_glued_candidates(tokens))
    spelled_so = {place: {(one.left.index, one.right.index) for one in candidates if one.place == place}
                  for place in ("prefix", "suffix")}
    accepted = [one for one in candidates if one.certain or len(spelled_so[one.place]) > 1]
    sure = {reading.index for one in accepted if one.certain for reading in (one.left, one.right)}
    for one in accepted:
        if one.certain or not {one.left.index, one.right.index} & sure:
            yield from (one.left, one.right)


def _glued_candidates(tokens: Sequence[tuple[str, ...]]) -> Iterator[_Glued]:
    readings = [_split_reading(index, words, place, start, short, side) for index, words in enumerate(tokens)
                for place, word in enumerate(words) if len(word) <= _LONGEST
                for start, letter in enumerate(word) if letter in "lr"
                for short, side in _SHORT.items() if word.startswith(short, start) and word != short]
    for left, right in _couples(readings):
        before, after = left.key[-2:]
        whole = {tokens[left.index][int(left.key[0])], tokens[right.index][int(right.key[0])]}
        known = all(_is_part(text) for text in (before, after) if text)
        if all(map(_is_part, whole)) or (not known and any(map(_is_part, whole))):
            continue
        if known or not before or not after:
            yield _Glued(left, right, "prefix" if not before else "suffix" if not after else "between", known)


def _split_reading(index: int, words: tuple[str, ...], place: int, start: int, short: str, side: str) -> _Reading:
    """The name whose word at `place` has a side from `start` on."""
    before, after = words[place][:start], words[place][start + len(short):]
    rest = (*words[:place], *(part for part in (before, after) if part), *words[place + 1:])
    return _Reading(index, side, (str(place), *words[:place], *words[place + 1:], before, after), rest)


def _without(words: tuple[str, ...], place: int) -> tuple[str, ...]:
    return words[:place] + words[place + 1:]


@cache
def _is_part(text: str) -> bool:
    """Whether this is a word of bodies, or several without a seam."""
    return text in _PARTS or any(text[:end] in _PARTS and _is_part(text[end:]) for end in range(2, len(text) - 1))
