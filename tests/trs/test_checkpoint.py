
import copy
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.run_folder.checkpoints import load_newest_whole, prune
from trs import checkpoint as checkpoints
from trs import config as configs
from trs import loop
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.methods.build import build_method
from trs.warm_start import warm_start


@pytest.fixture
def saved(config: Config, datasets: Datasets, tmp_path: Path) -> tuple[loop.Training, Path]:
    training = loop.start(config, datasets, build_method(config, 17), torch.device("cpu"))
    for parameter in training.method.trained.parameters():
        parameter.grad = torch.randn_like(parameter)
    training.optimizer.step()
    training.counters = checkpoints.Counters(step=3, bad_images=1)
    training.save(tmp_path / "checkpoint")
    return training, tmp_path / "checkpoint"


def test_everything_round_trips(saved, config: Config, datasets: Datasets) -> None:
    training, folder = saved
    loaded = checkpoints.load(folder)
    assert (loaded.counters, loaded.config, loaded.skeleton) == (training.counters, config, datasets.skeleton)
    again = loop.start(config, datasets, build_method(config, 17), torch.device("cpu"), loaded)
    for name, tensor in training.method.networks.state_dict().items():
        assert torch.equal(tensor, again.method.networks.state_dict()[name]), name
    old, new = training.optimizer.state_dict(), again.optimizer.state_dict()
    for index, state in old["state"].items():
        for name, tensor in state.items():
            assert torch.equal(tensor, new["state"][index][name])


@pytest.mark.parametrize("file", ["networks.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_found_and_named(saved, file: str, damage: str) -> None:
    _, folder = saved
    content = bytearray((folder / file).read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    (folder / file).write_bytes(content[: len(content) // (2 if damage == "cut" else 1)])
    if damage == "remove":
        (folder / file).unlink()
    with pytest.raises(InputError, match="damaged" if damage != "remove" else "not a whole checkpoint"):
        checkpoints.load(folder)


def test_a_pickle_is_never_opened(saved, tmp_path: Path) -> None:
    _, folder = saved
    alarm = tmp_path / "it ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (alarm,)

    torch.save({"a": Evil()}, folder / "networks.safetensors")
    state = json.loads((folder / "state.json").read_text())
    state["sha256"]["networks.safetensors"] = checkpoints._sha256(folder / "networks.safetensors")
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError):
        checkpoints.load(folder)
    assert not alarm.exists()


@pytest.fixture
def small_storage(saved, tmp_path: Path) -> Iterator[Path]:
    """A file system that holds one checkpoint, and not two."""
    size = sum(file.stat().st_size for file in saved[1].iterdir()) * 3 // 2
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True,
                             text=True)
    if mounted.returncode:
        pytest.skip(f"this test mounts a file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_on_a_full_storage_the_last_checkpoint_stays_whole(saved, small_storage: Path) -> None:
    training, _ = saved
    training.save(small_storage / "checkpoint_00000003")
    with pytest.raises(InputError, match=r"cannot be written \(.*No space left.*\); make room"):
        training.save(small_storage / "checkpoint_00000004")
    assert [path.name for path in small_storage.iterdir()] == ["checkpoint_00000003"]
    assert checkpoints.load(checkpoints.newest(small_storage)).counters.step == 3


def test_on_a_storage_that_turns_read_only_the_last_checkpoint_stays_whole(saved, small_storage: Path) -> None:
    training, _ = saved
    training.save(small_storage / "checkpoint_00000003")
    subprocess.run(["mount", "-o", "remount,ro", small_storage], check=True)
    with pytest.raises(InputError, match="Read-only file system"):
        training.save(small_storage / "checkpoint_00000004")
    assert checkpoints.load(checkpoints.newest(small_storage)).counters.step == 3


KILLED_WHILE_SAVING = """
import os, signal, sys, torch
from pathlib import Path
from typing import Any
from trs import checkpoint as checkpoints, config as configs, loop
from trs.data.datasets import load_datasets
from trs.methods.build import build_method

folder, share = Path(sys.argv[1]), float(sys.argv[2])
config = configs.load(folder / "config.yaml")
datasets = load_datasets(config.data)
training = loop.start(config, datasets, build_method(config, 17), torch.device("cpu"))
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


def test_a_checkpoint_of_another_method_is_refused(saved, config: Config, datasets: Datasets) -> None:
    _, folder = saved
    supervised = dataclasses.replace(config, method=SupervisedConfig())
    with pytest.raises(InputError, match="does not fit"):
        loop.start(supervised, datasets, build_method(supervised, 17), torch.device("cpu"), checkpoints.load(folder))


def test_a_warm_start_from_the_same_method_gives_every_network_its_own(saved, config: Config) -> None:
    training, folder = saved
    method = build_method(config, 17)
    before = copy.deepcopy(method.networks.state_dict())
    warm_start(method.networks, method.peers, [checkpoints.load(folder)])
    after = method.networks.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in after)
    assert all(torch.equal(after[name], tensor) for name, tensor in training.method.networks.state_dict().items())


def test_a_warm_start_from_supervised_runs_takes_one_for_each_peer(config: Config, datasets: Datasets, tmp_path: Path
                                                                   ) -> None:
    given = []
    for seed in (1, 2):
        supervised = dataclasses.replace(config, method=SupervisedConfig(),
                                         train=dataclasses.replace(config.train, seed=seed))
        training = loop.start(supervised, datasets, build_method(supervised, 17), torch.device("cpu"))
        training.save(tmp_path / f"run{seed}" / "checkpoint_00000001")
        given.append((str(tmp_path / f"run{seed}"), training.method.networks["a"].state_dict()))

    def start(*folders: str) -> loop.Training:
        warm = dataclasses.replace(config, train=dataclasses.replace(config.train, init_from=folders))
        return loop.start(warm, datasets, build_method(warm, 17), torch.device("cpu"))

    networks = start(given[0][0], given[1][0]).method.networks
    for peer, (_, weights) in zip("ab", given, strict=True):
        for name in (peer, f"reviewer_{peer}"):
            assert all(torch.equal(networks[name].state_dict()[key], value) for key, value in weights.items())
    with pytest.raises(InputError, match="would stay alike"):
        start(given[0][0])
    with pytest.raises(InputError, match="there is no checkpoint in"):
        start(str(tmp_path), given[0][0])
