"""The command that predicts poses in photos and videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from jobs import predict
from jobs.cli import run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (48, 64), "green").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_reports_each_file_and_how_many_could_be_read(checkpoint_folder: Path, photo: Path, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing that was ever seen")
    predict.main([str(checkpoint_folder), str(photo), str(tmp_path / "broken.jpg"), "--out", str(tmp_path / "out"),
                  "--network", "reviewer_b", "--heatmaps", "--no-use-gpu"])
    told = capsys.readouterr()
    assert told.out == f"photo.png: 1 person\n1 of 2 files -> {tmp_path / 'out'}\n"
    assert told.err.startswith("WARNING: ") and "broken.jpg" in told.err and told.err.count("\n") == 1
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "photo.jpg", "photo_heatmaps_1.jpg", "predictions.json"]


@pytest.mark.parametrize(("arguments", "sentence"), [
    ([], "nothing to predict"), (["missing.jpg"], "there is no file missing.jpg"),
    (["{photo}", "--network", "c"], "--network c: this checkpoint has a, b, reviewer_a, reviewer_b, ensemble"),
    (["{photo}", "--boxes", "{photo}"], "cannot read"),
    (["{broken}"], "none of the files can be read"),
    (["{photo}", "--device", "nowhere"], "--device nowhere: give --use-gpu or --no-use-gpu instead"),
    (["{photo}", "--out", "{photo}"], "is a file"), (["{folder}", "--out", "{folder}"], "choose another --out")])
def test_mistakes_end_in_a_sentence(checkpoint_folder: Path, photo: Path, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing that was ever seen")
    given = [part.format(photo=photo, broken=tmp_path / "broken.png", folder=tmp_path) for part in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        run(predict.main, [str(checkpoint_folder), *given, *out])
    assert ended.value.code == 2 and sentence in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--device", "cpu"], ["--device=cpu"]], ids=" ".join)
def test_the_old_spelling_of_a_device_still_works_with_a_note(
        checkpoint_folder: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    asked: list[torch.device] = []
    load = predict.load_predictor
    monkeypatch.setattr(predict, "load_predictor", lambda folder, device: asked.append(device) or load(folder, device))
    predict.main([str(checkpoint_folder), *arguments, str(photo), "--out", str(tmp_path / "out")])
    assert capsys.readouterr().err == "note: --device cpu is now --no-use-gpu\n"
    assert asked == [torch.device("cpu")]
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("arguments", [["--use-gpu"], ["--device", "cuda"]], ids=" ".join)
def test_a_gpu_that_is_not_there_is_said(checkpoint_folder: Path, photo: Path, tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(predict.main, [str(checkpoint_folder), str(photo), "--out", str(tmp_path / "out"), *arguments])
    assert ended.value.code == 2 and "error: --use-gpu: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
