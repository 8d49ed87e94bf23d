"""The command that says what is wrong with a dataset."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from jobs import check
from trs import config as configs
from trs.config import Config
from trs.errors import InputError


def arguments(config: Config, folder: Path, root: Path) -> list[str]:
    changed = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root)))
    configs.save(changed, folder / "config.yaml")
    return ["--config", str(folder / "config.yaml"), "--json", str(folder / "report.json")]


def test_a_sound_dataset_has_no_problems(config: Config, drawn_root: Path, tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    check.main(arguments(config, tmp_path, drawn_root))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train: 48 people in 48 images of person_keypoints_train.json"
    assert "no problems" in lines and "OKS sigmas: COCO" in lines
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["people"] == 61 and report["left_out"] == {} and report["problems"] == []
    assert ["left_eye", "right_eye"] in report["mirror_pairs"] and report["sigmas"]["nose"] == 0.026
    assert report["sigmas_from"] == "COCO"


def test_what_stops_a_training_fails_the_command_and_names_options(config: Config, drawn_root: Path, tmp_path: Path,
                                                                   capsys: pytest.CaptureFixture[str]) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    first = min((root / "val").iterdir())
    first.unlink()
    options = arguments(config, tmp_path, root)
    with pytest.raises(InputError, match=r"^no training would come to its end with 1 of these problems$"):
        check.main(options)
    said = capsys.readouterr().out
    assert "  ERROR  validation images: 1 of 13 images cannot be used, more than --data.max-bad-images = 0.01" in said
    assert f"1, first {first.name}: No such file or directory" in said and "remedy: mend them" in said
    (problem,) = json.loads((tmp_path / "report.json").read_text())["problems"]
    assert problem["count"] == 1 and problem["stops"]


def test_a_place_that_cannot_be_written_is_told_before_the_work(
        config: Config, drawn_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = arguments(config, tmp_path, drawn_root)
    monkeypatch.setattr(check, "check_dataset", lambda *given: pytest.fail("the work has begun"))
    with pytest.raises(InputError, match=r"^--json: the file .* cannot be written: is not a regular file; name anoth"):
        check.main([*options[:-1], str(tmp_path)])


def test_what_stops_no_training_is_a_warning(config: Config, drawn_root: Path, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    path = root / config.data.train_annotations
    content = json.loads(path.read_text())
    content["annotations"][0].update(image_id=999)
    path.write_text(json.dumps(content))
    check.main(arguments(config, tmp_path, root))
    said = capsys.readouterr().out
    assert "left out: 1 unknown image" in said
    assert "  warning  person_keypoints_train.json: 1 records are left out: in an image that the file does not" in said


def test_names_of_keypoints_are_printed_escaped_and_kept_as_written(config: Config, drawn_root: Path, tmp_path: Path,
                                                                    capsys: pytest.CaptureFixture[str]) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    for file in (root / "annotations").glob("person_keypoints_*.json"):
        content = json.loads(file.read_text())
        names = content["categories"][0]["keypoints"]
        content["categories"][0]["keypoints"] = [f"{name}\x1b[2J" for name in names]
        file.write_text(json.dumps(content))
    check.main(arguments(config, tmp_path, root))
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "left_eye\\x1b[2J - right_eye\\x1b[2J" in printed
    assert ["left_eye\x1b[2J", "right_eye\x1b[2J"] in json.loads((tmp_path / "report.json").read_text())["mirror_pairs"]
