"""A thousand images, ninety of them bad in nine ways: each is counted once, however often it is met."""

from __future__ import annotations

import dataclasses
import logging
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trs.test_loop import run
from trs import checkpoint as checkpoints
from trs.bad_images import require_few, settle
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.data.person_table import PersonTable
from trs.errors import InputError

COUNT, EACH = 1000, 10
KINDS = ("missing", "empty", "garbage", "truncated", "bomb", "FIFO", "link", "size", "NUL")


def _bomb() -> bytes:
    """A PNG of a few hundred bytes whose header says 60000x60000 pixels."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
            + chunk(b"IEND", b""))


def _break(root: Path, outside: Path, kind: str, name: str, good: bytes) -> None:
    file = root / name
    content = {"empty": b"", "garbage": b"\xff\xd8" + b"no image" * 50, "truncated": good[:len(good) // 2],
               "bomb": _bomb()}
    if kind in content:
        file.write_bytes(content[kind])
    elif kind == "FIFO":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(outside)


@pytest.fixture(scope="module")
def damaged(datasets: Datasets, tmp_path_factory: pytest.TempPathFactory) -> Datasets:
    """The labeled people over and over, each time with an image of their own; every eleventh is bad."""
    folder = tmp_path_factory.mktemp("damaged")
    root, outside = folder / "images", folder / "outside.jpg"
    root.mkdir()
    people = datasets.labeled.take(np.arange(COUNT) % len(datasets.labeled))
    contents = [Path(people.root, str(file)).read_bytes() for file in datasets.labeled.files]
    outside.write_bytes(contents[0])
    files, sizes = [], people.image_sizes.copy()
    for row in range(COUNT):
        good, place = contents[row % len(contents)], row // 11
        kind = KINDS[place % len(KINDS)] if row % 11 == 0 and place < EACH * len(KINDS) else None
        name = f"{row:04d}{Path(str(people.files[row])).suffix}"
        if kind == "NUL":
            name = f"\x00{name}"
        elif kind == "missing":
            name = f"gone\n\x1b[31m{name}"
        elif kind == "size":
            sizes[row] += 1
        if kind in (None, "size"):
            (root / name).write_bytes(good)
        elif kind not in ("NUL", "missing"):
            _break(root, outside, kind, name, good)
        files.append(name)
    people = dataclasses.replace(people, root=str(root), files=np.array(files, dtype=object), ids=np.arange(COUNT),
                                 image_sizes=sizes)
    return dataclasses.replace(datasets, labeled=people)


@pytest.fixture
def lenient(config: Config) -> Config:
    """Two passes over the thousand, of ten steps each."""
    return dataclasses.replace(
        config, method=SupervisedConfig(), data=dataclasses.replace(config.data, max_bad_images=0.5),
        train=dataclasses.replace(config.train, batch_size=100, epochs=2))


def test_ninety_of_a_thousand_are_counted_once_each(lenient: Config, damaged: Datasets, tmp_path: Path,
                                                    caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trs.bad_images"):
        training, reports = run(lenient, damaged, tmp_path)
    assert [report["bad_images"] for report in reports] == [EACH * len(KINDS)] * 2
    assert len(set(caplog.messages)) == len(caplog.messages) == EACH * len(KINDS)
    assert all(line.isprintable() for line in caplog.messages)
    loaded = checkpoints.load(checkpoints.newest(tmp_path))
    assert loaded.counters == training.counters and len(loaded.counters.bad_images) == EACH * len(KINDS)


def test_they_are_refused_by_default(config: Config, lenient: Config, damaged: Datasets, tmp_path: Path) -> None:
    strict = dataclasses.replace(lenient, data=config.data)
    with pytest.raises(InputError, match=r"^\d+ of 100 images cannot be used, more than data.max_bad_images = 0.01; "
                                         "the last: .*; mend them or leave them out, or raise data.max_bad_images$"):
        run(strict, damaged, tmp_path)


def _without(datasets: Datasets, part: str, count: int) -> Datasets:
    """Some images of a part are gone."""
    people: PersonTable = getattr(datasets, part)
    files = people.files.astype(object)
    files[:count] = [f"gone_{number}.jpg" for number in range(count)]
    return dataclasses.replace(datasets, **{part: dataclasses.replace(people, files=files)})


def test_one_bad_image_of_a_few_never_becomes_many(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    """Eight labeled people pass ten times beside the unlabeled ones: it is met ten times."""
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, max_bad_images=0.01),
                                 train=dataclasses.replace(config.train, epochs=2))
    training, reports = run(config, _without(datasets, "labeled", 1), tmp_path)
    assert [report["bad_images"] for report in reports] == [1, 1]
    assert len(training.counters.bad_images) == 1 and training.counters.bad_images[0].endswith("gone_0.jpg")


def test_the_count_is_exact_over_a_resume(config: Config, datasets: Datasets, tmp_path: Path,
                                          caplog: pytest.LogCaptureFixture) -> None:
    broken = _without(_without(datasets, "unlabeled", 4), "val", 2)
    through, reports = run(config, broken, tmp_path / "through")
    run(config, broken, tmp_path / "broken", stop_after=1)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "trs.bad_images"):
        resumed, rest = run(config, broken, tmp_path / "broken", reported_step=5,
                            resume_from=tmp_path / "broken" / checkpoints.folder_name(5))
    assert [report["bad_images"] for report in reports] == [6, 6] and rest[0]["bad_images"] == 6
    assert resumed.counters == through.counters
    assert len(caplog.messages) == 2, "those of the validation set, whose first evaluation the checkpoint precedes"


def test_a_count_of_encounters_begins_anew() -> None:
    """As 0.1 kept it."""
    assert checkpoints._counters({"step": 3, "bad_images": 7}) == checkpoints.Counters(3)


@pytest.mark.parametrize("count", [2, 13])
def test_validation_images_count_once_and_end_the_run_where_they_are_many(config: Config, datasets: Datasets,
                                                                         tmp_path: Path, count: int) -> None:
    broken = _without(datasets, "val", count)
    if count == 2:
        _, reports = run(config, broken, tmp_path)
        assert [report["bad_images"] for report in reports] == [2, 2]
        return
    with pytest.raises(InputError, match=r"^13 of 13 validation images cannot be used, more than data.max_bad_images"):
        run(config, broken, tmp_path)


def test_of_a_handful_a_few_are_a_rate(config: Config, datasets: Datasets) -> None:
    five = datasets.val.take(np.arange(5))
    with pytest.raises(InputError, match=r"^5 of 5 validation images cannot be used"):
        settle([f"{file} is gone" for file in five.files], five, config, torch.device("cpu"), "validation images")
    assert settle(["a is gone", "a is gone"], five, config, torch.device("cpu"), "validation images") == ["a is gone"]


def test_none_is_allowed_where_the_limit_is_0(config: Config) -> None:
    none = dataclasses.replace(config, data=dataclasses.replace(config.data, max_bad_images=0))
    with pytest.raises(InputError, match=r"^1 of 1000 images cannot be used"):
        require_few(1, 1000, none, "a is gone")
    require_few(5, 5, config, "a is gone")
