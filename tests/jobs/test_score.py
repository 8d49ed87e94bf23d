"""`python -m jobs.score` on the files that people have: the AP of a clean copy of the same labels, or one sentence."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import score
from tests.coco_variants import (
    RESULT_VARIANTS,
    VARIANTS,
    Content,
    Results,
    ResultVariant,
    Variant,
    clean_content,
    poses_near,
)
from tests.naive_scorer import coco_numbers
from tests.scorer_cases import COCO_SIGMAS
from trs.errors import InputError

TOLERANCE = {"same": 5e-4, "near": 0.05}


def write(folder: Path, labels: bytes, results: bytes) -> list[str]:
    """Arguments of the command."""
    (folder / "labels.json").write_bytes(labels)
    (folder / "results.json").write_bytes(results)
    return [str(folder / "labels.json"), str(folder / "results.json"), "--json", str(folder / "scores.json")]


def expected_ap(content: Content, results: Results, sigma: float | None) -> float:
    sigmas = [sigma or value for value in COCO_SIGMAS.values()]
    ap = coco_numbers(content["annotations"], results, sigmas, [image["id"] for image in content["images"]])["ap"]
    assert ap is not None
    return ap


def check(arguments: list[str], owed: str, expected: float, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        score.main(arguments)
    except InputError as refusal:
        assert "refused" in owed, refusal
        assert str(refusal) and "\n" not in str(refusal)
        return
    assert owed != "refused"
    written = json.loads(Path(arguments[-1]).read_text())
    tolerance = TOLERANCE[owed.rpartition(" ")[2]]
    assert written["ap"] == pytest.approx(expected, abs=tolerance)
    if tolerance > TOLERANCE["same"]:
        assert "note: " in capsys.readouterr().out
    for name, value in written.items():
        assert name in ("protocol", "notes") or value is None or (math.isfinite(value) and 0 <= value <= 1)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_labels_as_other_tools_write_them(variant: Variant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = clean_content()
    poses, clean = poses_near(content), variant.clean(content)
    arguments = write(tmp_path, variant.encode(variant.change(content)), json.dumps(variant.results(poses)).encode())
    check(arguments, variant.owed, expected_ap(clean, variant.clean_results(poses), variant.sigmas), capsys)


@pytest.mark.parametrize("variant", RESULT_VARIANTS, ids=str)
def test_results_as_other_tools_write_them(variant: ResultVariant, tmp_path: Path,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    content = clean_content()
    poses = poses_near(content)
    arguments = write(tmp_path, json.dumps(content).encode(), variant.encode(variant.change(poses, content)))
    check(arguments, variant.owed, expected_ap(content, variant.clean(poses), None), capsys)


@pytest.mark.parametrize("place", ["pipe", "labels.json/x.json", "folder", "x" * 300])
def test_a_place_that_cannot_be_written_is_told_before_the_work(
        tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = write(tmp_path, b"{}", b"[]")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(score, "score_file", lambda *given: pytest.fail("the work has begun"))
    with pytest.raises(InputError, match=r"^--json: the (file|folder) .* cannot be written[^\n]*; name another$"):
        score.main([*arguments[:-1], str(tmp_path / place)])
    assert (tmp_path / "pipe").is_fifo()


def test_the_folder_of_the_numbers_is_made(tmp_path: Path) -> None:
    content = clean_content()
    arguments = write(tmp_path, json.dumps(content).encode(), json.dumps(poses_near(content)).encode())
    score.main([*arguments[:-1], str(tmp_path / "absent" / "deep" / "scores.json")])
    assert "ap" in json.loads((tmp_path / "absent" / "deep" / "scores.json").read_text())


def test_the_command_prints_what_it_writes(tmp_path: Path) -> None:
    content = clean_content()
    arguments = write(tmp_path, json.dumps(content).encode(), json.dumps(poses_near(content)).encode())
    done = subprocess.run([sys.executable, "-m", "jobs.score", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    note, protocol, *lines = done.stdout.splitlines()
    assert note == "note: labels.json: left out: 1 crowd; 1 without a labeled keypoint"
    written = json.loads((tmp_path / "scores.json").read_text())
    assert protocol == written["protocol"] and "sigmas: COCO" in protocol
    assert [line.split()[0] for line in lines] == [
        "ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large"]
    shown = {line.split()[0]: line.split()[1] for line in lines}
    assert {name: "-" if written[name] is None else f"{written[name]:.4f}" for name in shown} == shown
    for options, said in ((["nothing.json"], "there is no file nothing.json; check its name and its folder"),
                          ([arguments[1], "--category", "cat"], "labels.json: --category = 'cat' is no category")):
        done = subprocess.run([sys.executable, "-m", "jobs.score", arguments[0], *options], capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr
