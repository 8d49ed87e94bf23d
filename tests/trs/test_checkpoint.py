
import copy
import dataclasses
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from trs import checkpoint as checkpoints
from trs import loop
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.errors import InputError
from trs.methods.build import build_method
from trs.warm_start import warm_start


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
