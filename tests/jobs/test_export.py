"""The command that exports a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import export
from jobs.cli import run


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_says_what_the_file_takes_and_gives(checkpoint_folder: Path, tmp_path: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    export.main([str(checkpoint_folder), "--out", str(tmp_path)])
    assert (f"{tmp_path / 'pose.onnx'}: network a, images [B, 64, 64, 3] uint8 RGB -> heatmaps, keypoints "
            "[B, 17, 3] of x, y, confidence; differs from the checkpoint by ") in capsys.readouterr().out
    assert (tmp_path / "pose.onnx").stat().st_size > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_as_0_1_took_it_is_written_with_a_note(checkpoint_folder: Path, tmp_path: Path,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    export.main([str(checkpoint_folder), "--out", str(tmp_path / "network.onnx")])
    assert (tmp_path / "network.onnx").stat().st_size > 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"note: --out names a folder now: --out {tmp_path} --name network.onnx")


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--network", "c"], "--network c: this checkpoint has a, b, reviewer_a, reviewer_b, ensemble"),
    (["--out", "nowhere"], "there is no folder nowhere to write pose.onnx to")])
def test_mistakes_end_in_a_sentence(checkpoint_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(export.main, [str(checkpoint_folder), *arguments])
    assert ended.value.code == 2 and sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
