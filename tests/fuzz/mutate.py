"""Random damage: to plain values as JSON and YAML hold them, to texts, and to the chunks of binary files.

Everything is drawn from a `random.Random` that somebody else brings: a seeded one, hypothesis' own, or one that reads
the bytes of a fuzzer that follows the code's branches. So one description of the damage serves them all.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

Tree = Any
"""What JSON holds: a value, a list, or a dict of such."""

HALF_A_PAIR = "\ud83d"
ODD: tuple[Tree, ...] = (
    None, True, False, 0, 1, 2, -1, 7, 99, 0.0, -0.0, 0.5, 7.5, 1.0, math.nan, math.inf, -math.inf, 1e308, -1e308,
    1e200, 1e20, 1e-9, 5e-324, 1e-160, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -2**63, 10**400, "", " ", "0", "1",
    "7.0", "-1", "1e5", "nan", "inf", "null", "true", "false", "person", "nose", "x", HALF_A_PAIR, "\0", "a\nb",
    "\x1b[31mred", "\u202eleft", "../up", "/etc/passwd", "C:\\x.jpg", "é", "１", "long" * 300, [], {}, [[]], [None],
    [0, 0], [1, 2, 3], [5, 5, 20, 30], [[1, 2], [3, 4]], ["a", "b"], {"id": 1}, {"x": 1, "y": 2}, {"0": 1})
"""Values that belong nowhere, or somewhere else."""
_DEEP = 40
_LONGEST = 1 << 19
_STOP = 0.15
"""How often a walk down a tree ends before a leaf."""


def damage_tree(random: Random, tree: Tree, times: int) -> Tree:
    """A copy of a tree, damaged so many times; what is not damaged is shared with the tree itself."""
    for _ in range(times):
        path = _walk(random, tree)
        if not path:
            tree = _other(random, tree, tree) if random.random() < 0.1 else tree
        elif random.random() < 0.2 and (places := _alike(tree, path)):
            kind = random.choice(_DAMAGES)
            state = random.randrange(1 << 30)
            for place in places:  # the same in every record, as a tool would do it
                tree = _at(Random(state), tree, place, kind)
        else:
            tree = _at(random, tree, path, random.choice(_DAMAGES))
    return tree


Path = tuple[Any, ...]
Damage = Callable[[Random, Any, Any, Tree], None]
"""Damages what a container, which is a copy, holds at a key; it is told the whole tree too."""


def _walk(random: Random, tree: Tree) -> Path:
    """A way into a tree; each step is as likely as the others, so that long lists do not draw all damage."""
    path: list[Any] = []
    while isinstance(tree, list | dict) and tree and (not path or random.random() >= _STOP):
        key = random.choice(list(tree)) if isinstance(tree, dict) else random.randrange(len(tree))
        path.append(key)
        tree = tree[key]
    return tuple(path)


def _alike(tree: Tree, path: Path) -> list[Path]:
    """The same place in all items of the first list on the way; none if there is no list."""
    for depth, key in enumerate(path[:-1]):
        if isinstance(tree, list):
            places = [(*path[:depth], index, *path[depth + 1:]) for index in range(len(tree))]
            return [place for place in places if _has(tree, place[depth:])]
        tree = tree[key]
    return []


def _has(tree: Tree, path: Path) -> bool:
    for key in path:
        if isinstance(tree, dict):
            if key not in tree:
                return False
        elif not isinstance(tree, list) or not isinstance(key, int) or key >= len(tree):
            return False
        tree = tree[key]
    return True


def _at(random: Random, tree: Tree, path: Path, damage: Damage) -> Tree:
    """A tree with damage at a place; the containers on the way to it are copies."""
    if not _has(tree, path):
        return tree
    found = copy.copy(tree)
    inside = found
    for key in path[:-1]:
        inside[key] = copy.copy(inside[key])
        inside = inside[key]
    damage(random, inside, path[-1], tree)
    return found


def _replace(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    inside[key] = _other(random, inside[key], tree)


def _drop(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    del inside[key]


def _retype(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    inside[key] = _in_another_form(random, inside[key])


def _twice(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    if isinstance(inside, list):
        inside.insert(random.randrange(len(inside) + 1), inside[key])
    else:
        inside[random.choice((f"{key} ", str(key).upper(), f"_{key}", "id", "name", "keypoints"))] = inside[key]


def _swap(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    other = random.choice(list(inside)) if isinstance(inside, dict) else random.randrange(len(inside))
    inside[key], inside[other] = inside[other], inside[key]


def _nudge(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    value = inside[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        _retype(random, inside, key, tree)
        return
    with contextlib.suppress(OverflowError):  # integers beyond what floats hold
        if random.random() < 0.5:
            inside[key] = value + random.choice((-1, 1, -0.5, 0.5, 1000, -1000, 1e-7))
        else:
            inside[key] = value * random.choice((-1, 0, 1000, 0.001, 10**6))


def _borrow(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    """Put there what stands elsewhere."""
    found, path = tree, _walk(random, tree)
    for step in path:
        found = found[step]
    if len(path) > 1:  # else the tree would double
        inside[key] = found


def _cut(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    value = inside[key]
    if isinstance(value, list | str) and value:
        inside[key] = value[:random.randrange(len(value))]
    elif isinstance(value, list | str):
        inside[key] = value + value
    else:
        _drop(random, inside, key, tree)


def _longer(random: Random, inside: Any, key: Any, tree: Tree) -> None:
    value = inside[key]
    if isinstance(value, list):
        inside[key] = [*value, *(random.choice(value or ODD) for _ in range(random.choice((1, 1, 2, 3, 40))))]
    elif isinstance(value, dict):
        inside[key] = {**value, random.choice(("x", "", "id", "0")): random.choice(ODD)}
    else:
        _replace(random, inside, key, tree)


_DAMAGES: tuple[Damage, ...] = (_replace, _replace, _drop, _retype, _twice, _swap, _nudge, _nudge, _borrow, _cut,
                                _longer)


def _other(random: Random, value: Tree, tree: Tree) -> Tree:
    if random.random() < 0.03:
        value = random.choice(ODD)
        for _ in range(random.choice((1, 2, 5, _DEEP))):
            value = [value] if random.random() < 0.5 else {"a": value}
        return value
    return random.choice(ODD)


def _in_another_form(random: Random, value: Tree) -> Tree:
    """What some tool might write for a value."""
    if random.random() < 0.15:
        return random.choice(([value], {"x": value}, [value, value]))
    if isinstance(value, bool) or value is None:
        return random.choice((str(value), str(value).lower(), int(bool(value)), [value]))
    if isinstance(value, int | float):
        forms: list[Callable[[], Tree]] = [lambda: str(value), lambda: f" {value} ", lambda: f"{value:.6e}",
                                           lambda: float(value), lambda: int(value), lambda: bool(value),
                                           lambda: str(value).zfill(6), lambda: str(value).replace(".", ",")]
        try:
            return random.choice(forms)()
        except (OverflowError, ValueError):  # infinite, or beyond what text and floats hold
            return [value]
    if isinstance(value, str):
        return random.choice((value.upper(), f" {value}", f"{value}\n", [value], list(value[:20]), {"name": value}, 0))
    if isinstance(value, list):
        pairs = [value[start:start + 2] for start in range(0, len(value), 2)]
        triples = [value[start:start + 3] for start in range(0, len(value), 3)]
        return random.choice((pairs, triples, dict(enumerate(map(copy.copy, value))), str(value)[:2000], value[::-1],
                              [value], [one for item in value for one in (item if isinstance(item, list) else [item])],
                              value[0] if value else None))
    assert isinstance(value, dict), f"no plain value: {value!r}"
    return random.choice((list(value.values()), list(value), [value], str(value)[:2000]))


def as_json(random: Random, tree: Tree) -> bytes:
    """A tree as JSON, now and then in other bytes or with damage to its text."""
    try:
        text = json.dumps(tree, ensure_ascii=random.random() < 0.9)
    except (TypeError, ValueError):  # keys of several kinds, or an integer of too many digits
        text = json.dumps(str(type(tree)))
    text = text[:_LONGEST]
    return damage_text(random, text) if random.random() < 0.12 else _encode(text, "utf-8")


_TOKENS = ("NaN", "-Infinity", "1e999", "1" + "0" * 5000, "null", "true", '"', '""', "{", "}", "[", "]", ",", ":", "\\",
           "\\ud800", "\\u0000", "\0", "\ufeff", "-", "'", "\t", "\n", "#", "&a ", "*a", "!!int ", "!x ", "|", ">",
           "---", "...", "%YAML 9", "? ", "<<: ", "- ", "1e-4", "0x1F", "0o7", "1_000", "12:30:45", "2000-99-99", "~",
           "yes", ".nan", ".inf", "[" * 3000, "{" * 3000, '{"a":' * 3000)
_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32")


def damage_text(random: Random, text: str) -> bytes:
    """A text as bytes of some encoding, cut, flipped, or with something put into it."""
    for _ in range(random.choice((1, 1, 2, 4))):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice((0, 0, 1, 1, 2, 10, 100)))
        way = random.randrange(6)
        if way <= 2:
            text = text[:start] + random.choice(_TOKENS) + text[end:]
        elif way == 3:
            text = text[:start] + text[end:]
        elif way == 4:
            text = text[:start] + text[start:end] * 2 + text[end:]
        else:
            text = text[:start]
    content = _encode(text, random.choice(_ENCODINGS) if random.random() < 0.2 else "utf-8")
    return damage_bytes(random, content) if random.random() < 0.2 else content


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


_NUMBERS = (0, 1, 2, 3, 4, 8, 16, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000,
            0xFFFFFFFF, 20000, 65500)
_WIDTHS = (">B", "<H", ">H", "<I", ">I", "<Q")


def damage_bytes(random: Random, content: bytes, others: tuple[bytes, ...] = ()) -> bytes:
    """Bytes with some of them flipped, cut, repeated, exchanged for others, or followed by the end of another file."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        place = _place(random, len(content))
        length = random.choice((1, 1, 2, 4, 16, 200, len(content)))
        way = random.randrange(10)
        if way <= 2 and content:
            place = min(place, len(content) - 1)
            content = content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1:]
        elif way <= 4:
            code = random.choice(_WIDTHS)
            size = struct.calcsize(code)
            number = random.choice(_NUMBERS) & (1 << 8 * size) - 1
            content = content[:place] + struct.pack(code, number) + content[place + size:]
        elif way == 5:
            content = content[:place]
        elif way == 6:
            content = content[:place] + content[place + length:]
        elif way == 7:
            content = content[:place] + content[place:place + length] * 2 + content[place + length:]
        elif way == 8:
            filling = random.choice((b"\0", b"\xff", b"\xff\xd9", b"\xff\xd8", b"A", b"\n"))
            keep = length if random.random() < 0.5 else 0
            content = content[:place] + filling * random.choice((1, 8, 300)) + content[place + keep:]
        elif others:
            other = random.choice(others)
            content = content[:place] + other[random.choice((place, _place(random, len(other)))):]
    return content


def _place(random: Random, length: int) -> int:
    """A place in a file, half of the times near its beginning, where headers are."""
    return random.randrange(min(length, 64) + 1) if random.random() < 0.5 else random.randrange(length + 1)


Chunk = tuple[bytes, bytes]
"""What a part of a binary file is called, and what it holds."""


def damage_chunks(random: Random, content: bytes) -> bytes:
    """A file of PNG, JPEG, RIFF or ISO's boxes whose chunks are damaged, left out, repeated or in another order.

    Lengths and checksums are right afterwards, so that decoders go on to what is wrong inside.
    """
    if content.startswith(b"\x89PNG"):
        return content[:8] + b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data)) for name, data in _edit(random, _png(content)))
    if content.startswith(b"\xff\xd8"):
        segments, rest = _jpeg(content)
        return content[:2] + b"".join(name + struct.pack(">H", (len(data) + 2) & 0xFFFF) + data
                                      for name, data in _edit(random, segments)) + rest
    if content.startswith(b"RIFF"):
        body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
                        for name, data in _edit(random, _riff(content)))
        return content[:4] + struct.pack("<I", len(body) + 4) + content[8:12] + body
    if content[4:8] in (b"ftyp", b"jP  "):
        return b"".join(struct.pack(">I", len(data) + 8) + name + data for name, data in _edit(random, _boxes(content)))
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _edit_tags(random, content)
    return damage_bytes(random, content)


def _edit(random: Random, chunks: list[Chunk]) -> list[Chunk]:
    for _ in range(random.choice((1, 1, 2, 3))):
        if not chunks:
            break
        place, way = random.randrange(len(chunks)), random.randrange(6)
        name, data = chunks[place]
        if way <= 2:
            chunks[place] = (name, damage_bytes(random, data))
        elif way == 3:
            chunks[place] = random.choice(((damage_bytes(random, name)[:len(name)].ljust(len(name), b"a"), data),
                                           (random.choice(chunks)[0], data)))
        elif way == 4:
            chunks = [*chunks[:place], *chunks[place + 1:]]
        else:
            chunks.insert(random.randrange(len(chunks) + 1), chunks[place])
    return chunks


def _png(content: bytes) -> list[Chunk]:
    chunks, place = [], 8
    while place + 8 <= len(content):
        length = int.from_bytes(content[place:place + 4], "big")
        chunks.append((content[place + 4:place + 8], content[place + 8:place + 8 + length]))
        place += length + 12
    return chunks


def _jpeg(content: bytes) -> tuple[list[Chunk], bytes]:
    """The segments before the first scan's data, and all that follows."""
    segments, place = [], 2
    while place + 4 <= len(content):
        length = int.from_bytes(content[place + 2:place + 4], "big")
        segments.append((content[place:place + 2], content[place + 4:place + 2 + length]))
        place += length + 2
        if segments[-1][0] == b"\xff\xda":
            break
    return segments, content[place:]


def _riff(content: bytes) -> list[Chunk]:
    chunks, place = [], 12
    while place + 8 <= len(content):
        length = int.from_bytes(content[place + 4:place + 8], "little")
        chunks.append((content[place:place + 4], content[place + 8:place + 8 + length]))
        place += length + length % 2 + 8
    return chunks


def _boxes(content: bytes) -> list[Chunk]:
    chunks, place = [], 0
    while place + 8 <= len(content):
        length = int.from_bytes(content[place:place + 4], "big") or len(content) - place
        if length < 8:
            break
        chunks.append((content[place + 4:place + 8], content[place + 8:place + length]))
        place += length
    return chunks


def _edit_tags(random: Random, content: bytes) -> bytes:
    """A TIFF with some of the fields of its first directory changed, or its tags exchanged."""
    order = "<" if content[:2] == b"II" else ">"
    start = struct.unpack_from(f"{order}I", content, 4)[0]
    if start + 2 > len(content):
        return damage_bytes(random, content)
    count = struct.unpack_from(f"{order}H", content, start)[0]
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 3))):
        at = start + 2 + 12 * random.randrange(max(1, count))
        if at + 12 > len(changed):
            continue
        way = random.randrange(5)
        if way == 0:
            struct.pack_into(f"{order}H", changed, at, random.choice((256, 257, 258, 259, 262, 273, 274, 277, 278, 279,
                                                                     284, 317, 322, 323, 324, 325, 339, 530)))
        elif way == 1:
            struct.pack_into(f"{order}H", changed, at + 2, random.randrange(20))
        elif way == 2:
            struct.pack_into(f"{order}I", changed, at + 4, random.choice(_NUMBERS))
        elif way == 3:
            struct.pack_into(f"{order}I", changed, at + 8, random.choice(_NUMBERS))
        else:
            other = start + 2 + 12 * random.randrange(max(1, count))
            changed[at:at + 12] = changed[other:other + 12].ljust(12, b"\0")
    return bytes(changed)
