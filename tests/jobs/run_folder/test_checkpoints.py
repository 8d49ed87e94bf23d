"""Which checkpoint of a run is resumed, and which ones are kept."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.run_folder.checkpoints import load_newest_whole, prune
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config
from trs.errors import InputError

KILLED_WHILE_SAVING = """
import os, signal, sys, torch
from pathlib import Path
from typing import Any
from trs import checkpoint as checkpoints, config as configs
from trs.data.datasets import load_datasets
from trs.methods.build import build_method
from trs.training import start_training

folder, share = Path(sys.argv[1]), float(sys.argv[2])
config = configs.load(folder / "config.yaml")
datasets = load_datasets(config.data)
training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
training.counters = checkpoints.Counters(step=4)

calls = 0

def kill(frame, event, argument):
    # Every function that is entered or left while the checkpoint is written is a moment to die at.
    global calls
    calls += 1
    if calls == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

die_at = -1
training.save(folder / "other")  # whatever is done once only
for name in ("other", "checkpoint_00000004"):
    sys.setprofile(kill)
    training.save(folder / name)
    sys.setprofile(None)
    calls, die_at = 0, int(share * calls)
print("saved")
"""


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.97, 0.995])
def test_killed_at_any_point_of_a_save_a_whole_checkpoint_is_the_newest(saved, config: Config, tmp_path: Path,
                                                                        share: float, caplog: Any) -> None:
    _, folder = saved
    folder.rename(tmp_path / "checkpoint_00000003")
    configs.save(config, tmp_path / "config.yaml")
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path), str(share)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    found = load_newest_whole(tmp_path)
    assert found is not None and found.counters.step in (3, 4) and not caplog.messages
    prune(tmp_path, ())
    assert not list(tmp_path.glob("*.partial")) and not list(tmp_path.glob(".checkpoint*"))


def test_a_damaged_newest_checkpoint_is_named_and_passed_over(saved, tmp_path: Path, caplog: pytest.LogCaptureFixture
                                                             ) -> None:
    training, _ = saved
    for step in (3, 5, 7):
        training.counters = checkpoints.Counters(step=step)
        training.save(tmp_path / checkpoints.folder_name(step))
    newest = tmp_path / "checkpoint_00000007" / "optimizer.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    (tmp_path / "checkpoint_00000005" / "networks.safetensors").unlink()
    found = load_newest_whole(tmp_path)
    assert found is not None and found.counters.step == 3
    assert "checkpoint_00000007 is damaged" in caplog.messages[0]
    assert "checkpoint_00000005 is not a whole" in caplog.messages[1]
    assert checkpoints.newest(tmp_path).name == "checkpoint_00000003"  # the others are out of the way
    assert {path.name for path in tmp_path.glob("damaged_*")} == \
        {"damaged_checkpoint_00000005", "damaged_checkpoint_00000007"}
    newest = tmp_path / "checkpoint_00000003" / "networks.safetensors"
    newest.write_bytes(b"")
    with pytest.raises(InputError, match=r"no checkpoint of .* is whole: .*00000003 is damaged"):
        load_newest_whole(tmp_path)


def test_damage_at_the_same_step_again_is_put_aside_too(saved, tmp_path: Path) -> None:
    training, _ = saved
    for step, time in ((3, 0), (5, 1), (5, 2), (5, 3)):
        training.counters = checkpoints.Counters(step=step)
        training.save(tmp_path / checkpoints.folder_name(step))
        if step == 5:
            (tmp_path / "checkpoint_00000005" / "state.json").write_bytes(b"damage %d" % time)
            found = load_newest_whole(tmp_path)
            assert found is not None and found.counters.step == 3
    put_aside = {path.name: (path / "state.json").read_bytes() for path in tmp_path.glob("damaged_*")}
    assert put_aside == {"damaged_checkpoint_00000005": b"damage 1", "damaged_checkpoint_00000005_2": b"damage 2",
                         "damaged_checkpoint_00000005_3": b"damage 3"}


def test_a_checkpoint_of_a_later_version_is_no_damage(saved, tmp_path: Path) -> None:
    training, _ = saved
    for step in (3, 5):
        training.counters = checkpoints.Counters(step=step)
        training.save(tmp_path / checkpoints.folder_name(step))
    (tmp_path / "checkpoint_00000005" / "state.json").write_text('{"format": 9}')
    with pytest.raises(InputError, match=r"checkpoint_00000005 was written by a later version .* in format 9; update"):
        load_newest_whole(tmp_path)
    assert (tmp_path / "checkpoint_00000005").is_dir()


def test_a_run_without_a_checkpoint_has_none_to_go_on_from(tmp_path: Path) -> None:
    assert load_newest_whole(tmp_path) is None


def test_the_newest_two_checkpoints_and_the_best_are_kept(saved, tmp_path: Path) -> None:
    training, _ = saved
    for step in (1, 2, 3, 4, 5):
        training.save(tmp_path / checkpoints.folder_name(step))
    for left in (".checkpoint_00000006.0a1b2c3d.partial", "checkpoint_00000006.partial",
                 "checkpoint_00000005.before.partial"):
        shutil.copytree(tmp_path / "checkpoint_00000005", tmp_path / left)  # what a kill has left, now and in 0.1
    assert checkpoints.newest(tmp_path).name == "checkpoint_00000005"
    prune(tmp_path, [2])
    kept = sorted(path.name for path in tmp_path.iterdir() if "checkpoint_" in path.name)
    assert kept == ["checkpoint_00000002", "checkpoint_00000004", "checkpoint_00000005"]
    prune(tmp_path, [2], newest=1)  # of a run that has ended
    assert [path.name for path in checkpoints.of_run(tmp_path)] == ["checkpoint_00000002", "checkpoint_00000005"]
