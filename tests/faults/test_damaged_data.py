"""A dataset with ten of each kind of damage: trained to its end where that is allowed, and counted alike if not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trs.data.synthetic import draw_dataset

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
EACH = 10
Damage = Callable[[dict[str, Any]], object]

LEFT_OUT: dict[str, Damage] = {
    "undeclared_category": lambda record: record.update(category_id=99),
    "unknown_image": lambda record: record.update(image_id=10**6),
    "wrong_count": lambda record: record.update(keypoints=record["keypoints"][:-3]),
    "not_finite": lambda record: record.update(keypoints=[None, None, 2, *record["keypoints"][3:]]),
    "no_size": lambda record: record.update(bbox=None, area=None, keypoints=[50, 50, 2, *[0] * 48]),
    "no_keypoints": lambda record: record.update(keypoints=[]),
    "unlabeled": lambda record: record.update(keypoints=[0] * 51),
    "crowd": lambda record: record.update(iscrowd=1),
    "other_category": lambda record: record.update(category_id=7, keypoints=[])}
"""By the name that a report gives it."""
MENDED: list[Damage] = [lambda record: record.pop("bbox"), lambda record: record.update(area=0),
                        lambda record: record.update(category_id="1", image_id=str(record["image_id"]))]


def bomb(image: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(image, format="PNG")


def pipe(image: Path) -> None:
    image.unlink()
    os.mkfifo(image)


def linked_out(image: Path) -> None:
    image.unlink()
    image.symlink_to("/dev/zero")


UNREADABLE: list[Callable[[Path], object]] = [
    lambda image: image.unlink(), lambda image: image.write_bytes(b""),
    lambda image: image.write_bytes(b"garbage" * 99),
    lambda image: image.write_bytes(image.read_bytes()[:-600]), bomb, pipe, linked_out,
    lambda image: Image.open(image).resize((33, 44)).save(image)]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand records, ten of each kind of damage in the records and in the images."""
    root = tmp_path_factory.mktemp("damaged") / "people"
    draw_dataset(root, train_count=1000, val_count=8, seed=5)
    file = root / "annotations" / "person_keypoints_train.json"
    content = json.loads(file.read_text())
    content["categories"].append({"id": 7, "name": "ball"})
    victims = iter(content["annotations"])
    for damage in [*LEFT_OUT.values(), *MENDED]:
        for _ in range(EACH):
            damage(next(victims))
    names = {image["id"]: image["file_name"] for image in content["images"]}
    for spoil in UNREADABLE:
        for _ in range(EACH):
            spoil(root / "train" / names[next(victims)["image_id"]])
    file.write_text(json.dumps(content))
    return root


def command(program: str, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, "--preset", "demo", "--method", "supervised", "--data.root", str(root),
         "--data.labeled-count", "None", "--data.input-size", "64", "64", "--train.epochs", "1", "--train.batch-size",
         "91", *options], cwd=ROOT, text=True, capture_output=True, timeout=900)


def counts(said: str) -> dict[str, int]:
    """What the line on the training's file counts."""
    line = next(line for line in said.splitlines() if line.startswith("note: person_keypoints_train.json"))
    left_out = line.partition("left out: ")[2].partition("; a box is missing")[0]
    return {words: int(number) for number, words in re.findall(r"(\d+) ([a-z][a-z ]*)", left_out)}


def test_it_trains_to_the_end_with_exact_counts_where_that_is_allowed(damaged: Path, tmp_path: Path) -> None:
    done = command("jobs.train", damaged, "--data.max-bad-images", "0.5", "--out", str(tmp_path), "--name", "run")
    assert done.returncode == 0, done.stderr
    used = 1000 - EACH * len(LEFT_OUT)
    assert f"{used} labeled" in done.stdout
    assert set(counts(done.stdout).values()) == {EACH} and len(counts(done.stdout)) == len(LEFT_OUT)
    metrics = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    bad = (tmp_path / "run" / "bad_images.txt").read_text().splitlines()
    assert metrics["bad_images"] == len(bad) == len(set(bad)) == EACH * len(UNREADABLE)
    assert metrics["loss"] > 0 and 0 <= metrics["ap"] <= 1


def test_it_is_refused_by_default_and_the_check_counts_the_same(damaged: Path, tmp_path: Path) -> None:
    refused = command("jobs.train", damaged, "--out", str(tmp_path), "--name", "run")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "more than --data.max-bad-images = 0.01" in errors[0]
    checked = command("jobs.check", damaged, "--json", str(tmp_path / "check.json"))
    assert checked.returncode == 2, checked.stdout
    report = json.loads((tmp_path / "check.json").read_text())
    assert report["left_out"] == dict.fromkeys(LEFT_OUT, EACH)
    assert report["people"] == 1000 - EACH * len(LEFT_OUT) + 8
    bad = next(problem for problem in report["problems"] if "images cannot be used" in problem["problem"])
    assert bad["count"] == EACH * len(UNREADABLE) and bad["stops"]
    allowed = command("jobs.train", damaged, "--data.max-bad-images", "0.5", "--data.max-left-out", "0.02", "--out",
                      str(tmp_path), "--name", "strict")
    assert allowed.returncode == 2 and "50 of 960 labeled people cannot be used" in allowed.stderr
