"""The damage is what it says: other values everywhere, the same ones for the same seed, and nothing left behind."""

from __future__ import annotations

import copy
import json
import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.fuzz import mutate
from tests.fuzz.annotations import clean_file
from tests.fuzz.images import whole_images
from trs.data.images import read_photo


def text(tree: object) -> str:
    return json.dumps(tree)


def test_a_tree_is_damaged_in_a_copy_and_the_same_for_a_seed() -> None:
    tree = clean_file(0, 2, True)
    before = copy.deepcopy(tree)
    damaged = [text(mutate.damage_tree(Random(seed), tree, 2)) for seed in range(300)]
    assert tree == before
    assert damaged == [text(mutate.damage_tree(Random(seed), tree, 2)) for seed in range(300)]
    assert len(set(damaged)) > 250 and text(tree) not in damaged[:5]


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "iscrowd", "bbox", "area", "keypoints"])
def test_every_field_of_a_record_is_damaged_in_one_and_in_all(key: str) -> None:
    tree = clean_file(0, 2, True)
    changed = []
    for seed in range(1500):
        damaged = mutate.damage_tree(Random(seed), tree, 1)
        records = damaged.get("annotations") if isinstance(damaged, dict) else None
        if (isinstance(records, list) and len(records) == len(tree["annotations"])
                and all(isinstance(record, dict) for record in records)):
            changed.append(sum(text(record.get(key)) != text(old[key])
                               for record, old in zip(records, tree["annotations"], strict=True)))
    assert changed.count(1) > 5 and changed.count(len(tree["annotations"])) > 0


def test_a_text_is_damaged() -> None:
    whole = text(clean_file(0, 2, True))
    damaged = {mutate.damage_text(Random(seed), whole) for seed in range(200)}
    assert len(damaged - {whole.encode()}) > 180


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff, raw", "gif", "jpeg, turned 6"])
def test_chunks_are_damaged_and_most_files_still_begin_as_they_did(name: str) -> None:
    whole = whole_images()[name]
    damaged = {mutate.damage_chunks(Random(seed), whole) for seed in range(200)}
    assert len(damaged) > 100 and sum(content[:4] == whole[:4] for content in damaged) > 0.5 * len(damaged)


def test_a_chunk_of_a_png_gets_its_checksum() -> None:
    whole = whole_images()["png"]
    changed = {mutate.damage_chunks(Random(seed), whole) for seed in range(100)} - {whole}
    assert len(changed) > 50
    for content in changed:
        place, names = 8, []
        while place < len(content):
            length = int.from_bytes(content[place:place + 4], "big")
            names.append(content[place + 4:place + 8])
            end = place + 8 + length
            assert zlib.crc32(content[place + 4:end]) == int.from_bytes(content[end:end + 4], "big")
            place = end + 4
        assert place == len(content) and names


def test_whole_images_are_read(tmp_path: Path) -> None:
    read = 0
    for name, content in whole_images().items():
        (tmp_path / "a").write_bytes(content)
        image = read_photo(tmp_path / "a")
        assert image.dtype == np.uint8 and image.ndim == 3, name
        read += 1
    assert read > 50
