"""The command that predicts poses in photos and videos."""

from __future__ import annotations

import json
import sys
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
    fault = f"{tmp_path}/broken.jpg is not an image that can be read"
    assert told.out == f"photo.png: 1 person\n1 of 2 files -> {tmp_path / 'out'}; 1 left out: {fault}\n"
    assert told.err == f"note: without --boxes each image is taken as one person's\nWARNING: {fault}\n"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "photo.jpg", "photo_heatmaps_1.jpg", "predictions.json"]


def test_a_folder_of_all_that_people_have_is_predicted_or_counted_and_named(
        checkpoint_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
        ) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    folder = tmp_path / "photos"
    folder.mkdir()
    image = Image.new("RGB", (48, 64), "green")
    read = ["a.JPG", "b.webp", "c.tif", "d.gif", "e.jfif", "f.Jpeg", "g.avif", "h.bmp", "i.PNG"]
    for file, kind in zip(read, ["JPEG", "WEBP", "TIFF", "GIF", "JPEG", "JPEG", "AVIF", "BMP", "PNG"], strict=True):
        image.save(folder / file, kind)
    image.save(folder / "half.jpg")
    (folder / "half.jpg").write_bytes((folder / "half.jpg").read_bytes()[:-40] + b"\xff\xd9")
    (folder / "j.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    (folder / "k.mp4").write_bytes(b"")
    (folder / "notes\n.txt").write_text("not an image")
    predict.main([str(checkpoint_folder), str(folder), "--out", str(tmp_path / "out"), "--no-use-gpu"])
    told = capsys.readouterr()
    faults = ["half.jpg is truncated or damaged",
              "j.HEIC is a HEIC image: install the package pillow-heif to read it", "k.mp4 is empty"]
    assert told.out.splitlines() == [
        *(f"{file}: 1 person" for file in read),
        f"9 of 12 files -> {tmp_path / 'out'}; 3 left out: " + "; ".join(f"{folder}/{fault}" for fault in faults)]
    assert told.err.splitlines() == [
        "note: the folders hold 1 more file, no images or videos by their names: notes\\n.txt",
        "note: without --boxes each image is taken as one person's",
        *(f"WARNING: {folder}/{fault}" for fault in faults)]
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())) == 9


@pytest.mark.parametrize(("names", "warning"), [
    (["photo.png"], ""), (["other.png"], "none of the 1 images has a box in {file}: images are found by file name or "
                                         "number, in it are other.png")])
def test_boxes_of_no_image_are_said(checkpoint_folder: Path, photo: Path, tmp_path: Path, names: list[str],
                                    warning: str, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"file_name": name, "bbox": [1, 2, 30, 40], "score": 0.9, "category_id": 3}
                                 for name in names]))
    predict.main([str(checkpoint_folder), str(photo), "--out", str(tmp_path / "out"), "--boxes", str(boxes)])
    told = capsys.readouterr()
    assert told.err == (f"WARNING: {warning.format(file=boxes)}\n" if warning else "")
    assert f"photo.png: {'0 people' if warning else '1 person'}" in told.out


def test_images_without_a_box_are_counted(checkpoint_folder: Path, photo: Path, tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (48, 64), "green").save(tmp_path / "other.png")
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"file_name": "photo.png", "bbox": [1, 2, 30, 40], "score": score, "category_id": 1}
                                 for score in (0.9, 0.1)]))
    predict.main([str(checkpoint_folder), str(photo), str(tmp_path / "other.png"), "--out", str(tmp_path / "out"),
                  "--boxes", str(boxes)])
    assert capsys.readouterr().err == ("note: boxes.json: left out: 1 below the least score\n"
                                       f"WARNING: 1 of 2 images have no box in {boxes}\n")


@pytest.mark.parametrize(("arguments", "sentence"), [
    ([], "nothing to predict"), (["missing.jpg"], "there is no file missing.jpg"),
    (["{photo}", "--network", "c"], "--network c: this checkpoint has a, b, reviewer_a, reviewer_b, ensemble"),
    (["{photo}", "--boxes", "{photo}"], "cannot read"),
    (["{broken}"], "none of the files can be read"),
    (["{photo}", "--device", "nowhere"], "--device nowhere: give --use-gpu or --no-use-gpu instead"),
    (["{photo}", "--min-box-score", "nan"], "--min-box-score must be a number from 0 to 1, got nan"),
    (["{photo}", "--min-confidence", "nan"], "--min-confidence must be a number from 0 to 1, got nan"),
    (["{photo}", "--min-confidence", "1.5"], "--min-confidence must be a number from 0 to 1, got 1.5"),
    (["{photo}", "--out", "{photo}/x"], "--out: the folder {photo}/x cannot be written to: a file is in its way"),
    (["{photo}", "--out", "{long}"], "is longer than the 255 bytes of a folder"),
    (["{photo}", "--out", "{photo}"], "is a file"), (["{folder}", "--out", "{folder}"], "choose another --out")])
def test_mistakes_end_in_a_sentence(checkpoint_folder: Path, photo: Path, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing that was ever seen")
    given = [part.format(photo=photo, broken=tmp_path / "broken.png", folder=tmp_path,
                         long=tmp_path / ("x" * 300)) for part in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        run(predict.main, [str(checkpoint_folder), *given, *out])
    assert ended.value.code == 2 and sentence.format(photo=photo) in capsys.readouterr().err


def test_one_link_to_itself_stops_no_other_file(checkpoint_folder: Path, photo: Path, tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop.name)
    predict.main([str(checkpoint_folder), str(tmp_path), "--out", str(tmp_path.parent / f"{tmp_path.name}-out")])
    told = capsys.readouterr()
    assert "photo.png: 1 person\n1 of 2 files" in told.out and f"WARNING: {loop}: is not a regular file" in told.err


def test_names_of_any_length_are_predicted(checkpoint_folder: Path, tmp_path: Path) -> None:
    names = [f"{'あ' * 80}.png", f"{'x' * 251}.png"]
    (tmp_path / "photos").mkdir()
    for name in names:
        Image.new("RGB", (48, 64), "green").save(tmp_path / "photos" / name)
    predict.main([str(checkpoint_folder), str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--heatmaps"])
    records = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert sorted(record["file_name"] for record in records) == sorted(names)
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 4


@pytest.mark.parametrize(("box", "said"), [([30, 20, 47, 60], True), ([10, 20, 30, 40], False)])
def test_boxes_that_look_like_corners_are_said(checkpoint_folder: Path, photo: Path, tmp_path: Path, box: list[int],
                                               said: bool, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps([{"file_name": photo.name, "bbox": box, "score": 1}]))
    predict.main([str(checkpoint_folder), str(photo), "--out", str(tmp_path / "out"), "--boxes",
                  str(tmp_path / "boxes.json")])
    note = "note: boxes.json: the boxes are read as x, y, width, height and leave their images, in which they would"
    assert capsys.readouterr().err.startswith(note) is said


@pytest.mark.parametrize("arguments", [["--device", "cpu"], ["--device=cpu"]], ids=" ".join)
def test_the_old_spelling_of_a_device_still_works_with_a_note(
        checkpoint_folder: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    asked: list[torch.device] = []
    load = predict.load_predictor
    monkeypatch.setattr(predict, "load_predictor", lambda folder, device: asked.append(device) or load(folder, device))
    predict.main([str(checkpoint_folder), *arguments, str(photo), "--out", str(tmp_path / "out")])
    assert capsys.readouterr().err.startswith("note: --device cpu is now --no-use-gpu\n")
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
