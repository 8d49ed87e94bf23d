
import copy
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.pipes import make_pipe
from trs import checkpoint as checkpoints
from trs.config import Config, SupervisedConfig
from trs.data.datasets import Datasets
from trs.errors import Diverged, InputError
from trs.evaluation.predictor import load_predictor
from trs.methods.build import build_method
from trs.training import Training, start_training
from trs.warm_start import warm_start


def test_everything_round_trips(saved, config: Config, datasets: Datasets) -> None:
    training, folder = saved
    loaded = checkpoints.load(folder)
    assert (loaded.counters, loaded.config, loaded.skeleton) == (training.counters, config, datasets.skeleton)
    again = start_training(config, datasets, build_method(config, 17), torch.device("cpu"), loaded)
    for name, tensor in training.method.networks.state_dict().items():
        assert torch.equal(tensor, again.method.networks.state_dict()[name]), name
    old, new = training.optimizer.state_dict(), again.optimizer.state_dict()
    for index, state in old["state"].items():
        for name, tensor in state.items():
            assert torch.equal(tensor, new["state"][index][name])


def reseal(folder: Path, **changes: Any) -> None:
    """Write state.json with some of its fields changed and its checksums right, as a forger would."""
    state = json.loads((folder / "state.json").read_text()) | changes
    state.pop("state_sha256", None)
    for name in state["sha256"]:
        state["sha256"][name] = checkpoints._sha256(folder / name)
    (folder / "state.json").write_bytes(checkpoints._sealed(json.dumps(state, indent=1).removesuffix("\n}").encode()))


def test_one_flipped_bit_anywhere_in_the_state_is_found_and_named(saved) -> None:
    _, folder = saved
    assert checkpoints.load(folder).counters.step == 3
    file = folder / "state.json"
    content = file.read_bytes()
    refused = 0
    with file.open("r+b", buffering=0) as written:
        for place in range(8 * len(content)):
            os.pwrite(written.fileno(), bytes([content[place // 8] ^ 1 << place % 8]), place // 8)
            try:
                checkpoints.load(folder)
            except checkpoints.Damaged as error:
                refused += str(folder) in str(error)
            os.pwrite(written.fileno(), content[place // 8:place // 8 + 1], place // 8)
    assert refused == 8 * len(content) and checkpoints.load(folder).counters.step == 3


def test_spaces_about_the_state_are_damage_too(saved) -> None:
    file = saved[1] / "state.json"
    content = file.read_bytes()
    for other in (content + b"\n", content[:-1], b" " + content, content.replace(b",\n", b", \n", 1)):
        file.write_bytes(other)
        assert json.loads(other) == json.loads(content)
        with pytest.raises(checkpoints.Damaged, match=r"damaged: state\.json is not what was written; use an earlier"):
            checkpoints.load(saved[1])


@pytest.mark.parametrize(("version", "sentence"), [
    (4, "written by a later version of this library, in format 4; update the library"),
    (10**30, "later version"), (0, "names no format"), (-1, "names no format"), (None, "names no format"),
    ("3", "names no format"), (3.0, "names no format"), (True, "names no format"), (2, None), (1, None)])
def test_the_format_is_read(saved, version: Any, sentence: str | None) -> None:
    _, folder = saved
    reseal(folder, format=version)
    if sentence is None:
        assert checkpoints.load(folder).counters.step == 3
    else:
        with pytest.raises(InputError, match=sentence):
            checkpoints.load(folder)


@pytest.mark.parametrize("step", [True, -1, 3.0, "3", None])
def test_a_step_is_a_whole_number(saved, step: Any) -> None:
    """Also where somebody has made its checksum right."""
    _, folder = saved
    counters = json.loads((folder / "state.json").read_text())["counters"]
    reseal(folder, counters={**counters, "step": step})
    for read in (checkpoints.load, checkpoints.read_skeleton):
        with pytest.raises(checkpoints.Damaged, match=r"is not a whole checkpoint \(state\.json counts no steps\)"):
            read(folder)


def test_a_format_that_is_not_there_is_refused(saved) -> None:
    state = json.loads((saved[1] / "state.json").read_text())
    for left_out in ({"format"}, {"state_sha256"}, {"format", "state_sha256"}, {"sha256", "state_sha256"}):
        (saved[1] / "state.json").write_text(json.dumps({key: value for key, value in state.items()
                                                         if key not in left_out}))
        with pytest.raises(checkpoints.Damaged):
            checkpoints.load(saved[1])


@pytest.mark.parametrize("version", [1, 2])
def test_checkpoints_of_earlier_formats_are_read(saved, version: int) -> None:
    training, folder = saved
    state = json.loads((folder / "state.json").read_text())
    del state["state_sha256"]
    state |= {"format": version, "counters": {"step": 3, "bad_images": 1}}
    if version == 1:
        state["counters"] |= {"labeled_row": 24, "unlabeled_row": 24, "reported_step": 0}
        state["config"]["train"] |= {"use_gpu": False, "cpus_per_worker": 0.7}
    (folder / "state.json").write_text(json.dumps(state, indent=1))
    loaded = checkpoints.load(folder)
    assert loaded.counters.step == 3 and loaded.config == training.config
    assert checkpoints.read_skeleton(folder) == training.datasets.skeleton


@pytest.mark.parametrize("content", [
    b"\xff\xfe{\0}\0", b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b'{"format": "\\ud800"}', b"[1]", b"3",
    b"null", b'{"format": 2}', b'{"format": 2, "counters": []}', b'{"format": 1, "counters": {"step": "3"}}',
    b'{"format": 1, "counters": {"step": true}}', b'{"format": 2, "counters": {"step": 3}, "sha256": []}',
    b'{"format": 2, "counters": {"step": NaN}}', b'{"format": 2, "counters": {"step": 3}, "sha256": {}}'])
def test_a_state_that_is_none_is_told_in_a_sentence(saved, content: bytes) -> None:
    (saved[1] / "state.json").write_bytes(content)
    for read in (checkpoints.load, checkpoints.read_skeleton):
        with pytest.raises(InputError, match="not a whole checkpoint") as refused:
            read(saved[1])
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["networks.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero"])
def test_only_regular_files_are_read(saved, name: str, kind: str) -> None:
    file = saved[1] / name
    file.unlink()
    if kind == "pipe":
        make_pipe(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to(kind)
    with pytest.raises(checkpoints.Damaged, match=f"{name}: is not a regular file"):
        checkpoints.load(saved[1])


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
    reseal(folder)
    with pytest.raises(InputError, match="not a whole checkpoint"):
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
        start_training(supervised, datasets, build_method(supervised, 17), torch.device("cpu"),
                       checkpoints.load(folder))


Tensors = dict[str, Tensor]


def changed(folder: Path, file: str, change: Callable[[Tensors], Tensors]) -> None:
    """Change the tensors of a checkpoint's file; all checksums are made right."""
    tensors = load_file(folder / file)
    save_file({name: tensor.contiguous() for name, tensor in change(tensors).items()}, folder / file)
    reseal(folder)


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def adding(name: str, value: Tensor) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: value}


WRONG_STATES: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "cut": (lambda tensors: {name: value[:1] if value.dim() else value for name, value in tensors.items()},
            r"0.exp_avg is 1x3x3x3, not 16x3x3x3"),
    "empty": (lambda tensors: {}, "0.step is missing"),
    "a moment is missing": (without("0.exp_avg_sq"), "0.exp_avg_sq is missing"),
    "a parameter is missing": (lambda tensors: {name: value for name, value in tensors.items()
                                                if not name.startswith("97.")}, "97.step is missing"),
    "beyond the last": (adding("98.step", torch.tensor(1.0)), "98.step is one too many"),
    "negative": (adding("-1.step", torch.tensor(1.0)), "-1.step is one too many"),
    "no number": (adding("a.step", torch.tensor(1.0)), "a.step is one too many"),
    "no point": (adding("step", torch.tensor(1.0)), "step is one too many"),
    "thousands of digits": (adding("9" * 5000 + ".step", torch.tensor(1.0)), "is one too many"),
    "another digit": (adding("\u0661.step", torch.tensor(1.0)), "is one too many"),
    "another type": (lambda tensors: {name: value.double() for name, value in tensors.items()},
                     "0.step holds float64, not float32"),
    "integers": (adding("0.exp_avg", torch.zeros(16, 3, 3, 3, dtype=torch.int64)),
                 "0.exp_avg holds int64, not float32"),
    "steps of a vector": (adding("0.step", torch.ones(1)), "0.step is 1, not a single number"),
    "negative steps": (adding("0.step", torch.tensor(-1.0)), "0.step counts no steps"),
    "NaN steps": (adding("0.step", torch.tensor(float("nan"))), "0.step is not a number"),
    "a NaN moment": (adding("0.exp_avg", torch.full((16, 3, 3, 3), torch.nan)), "0.exp_avg is not a number"),
}
RESUME = """
import sys, torch
from pathlib import Path
from trs import checkpoint as checkpoints
from trs.data.datasets import load_datasets
from trs.errors import Diverged, InputError
from trs.evaluation.predictor import load_predictor
from trs.methods.build import build_method
from trs.training import start_training

found = checkpoints.load(Path(sys.argv[1]))
method = build_method(found.config, 17)
try:
    training = start_training(found.config, load_datasets(found.config.data), method, torch.device("cpu"), found)
except InputError as error:
    sys.exit(f"refused: {error}")
for parameter in method.trained.parameters():
    parameter.grad = torch.ones_like(parameter)
training.optimizer.step()
print("stepped")
"""


def resume(folder: Path) -> subprocess.CompletedProcess[str]:
    """Resume and step, in a process of its own: a state of other shapes leads the fused step out of its memory."""
    return subprocess.run([sys.executable, "-c", RESUME, str(folder)], cwd=Path(__file__).parents[2], timeout=120,
                          capture_output=True, text=True)


@pytest.mark.parametrize("kind", WRONG_STATES)
def test_an_optimizer_state_that_does_not_fit_is_refused(saved, config: Config, datasets: Datasets, kind: str) -> None:
    training, folder = saved
    training.counters = dataclasses.replace(training.counters, step=config.train.max_skipped_steps + 1)
    training.save(folder)
    change, reason = WRONG_STATES[kind]
    changed(folder, "optimizer.safetensors", change)
    with pytest.raises(InputError, match=f"optimizer state does not fit the config's networks: .*{reason}"):
        start_training(config, datasets, build_method(config, 17), torch.device("cpu"), checkpoints.load(folder))


def test_a_cut_optimizer_state_ends_in_a_sentence_and_not_in_a_crash(saved) -> None:
    _, folder = saved
    good = resume(folder)
    assert (good.returncode, good.stdout) == (0, "stepped\n"), good.stderr
    changed(folder, "optimizer.safetensors", WRONG_STATES["cut"][0])
    cut = resume(folder)
    assert cut.returncode == 1 and cut.stderr.strip().splitlines()[-1].startswith("refused: the checkpoint's optimizer")


def test_before_the_first_finite_step_the_optimizer_has_no_state(config: Config, datasets: Datasets, tmp_path: Path
                                                                 ) -> None:
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    training.counters = checkpoints.Counters(step=config.train.max_skipped_steps)
    training.save(tmp_path / "checkpoint")
    again = start_training(config, datasets, build_method(config, 17), torch.device("cpu"),
                       checkpoints.load(tmp_path / "checkpoint"))
    assert again.optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_told_when_they_are_loaded(saved, config: Config, datasets: Datasets,
                                                                    number: float) -> None:
    training, folder = saved
    name = "reviewer_b.backbone.stages.0.conv1.weight"
    broken = training.method.networks.state_dict()[name].clone()
    broken[-1, -1, -1, -1] = number
    changed(folder, "networks.safetensors", adding(name, broken))
    sentence = "network reviewer_b has diverged: backbone.stages.0.conv1.weight is not finite; use an earlier"
    method = build_method(config, 17)
    with pytest.raises(Diverged, match=sentence):
        start_training(config, datasets, method, torch.device("cpu"), checkpoints.load(folder))
    with pytest.raises(Diverged, match=sentence):
        load_predictor(folder, torch.device("cpu"))
    with pytest.raises(Diverged, match=sentence):
        warm_start(method.networks, method.peers, [checkpoints.load(folder)])


@pytest.mark.parametrize(("change", "reason"), [
    (without("a.backbone.stem.0.weight"), "a.backbone.stem.0.weight is missing"),
    (adding("b.backbone.stem.0.weight", torch.zeros(16, 3, 1, 1)),
     "b.backbone.stem.0.weight is 16x3x1x1, not 16x3x3x3"),
    (adding("b.backbone.stem.0.weight", torch.zeros(16, 3, 3, 3, dtype=torch.uint8)), "holds uint8, not float32"),
    (adding("x\n\x1b[2J", torch.zeros(1)), r"x\\n\\x1b\[2J is one too many")])
def test_weights_that_do_not_fit_are_named(saved, change: Callable[[Tensors], Tensors], reason: str) -> None:
    _, folder = saved
    changed(folder, "networks.safetensors", change)
    with pytest.raises(InputError, match=f"does not fit the config's networks: .*{reason}"):
        load_predictor(folder, torch.device("cpu"))


def test_a_warm_start_from_the_same_method_gives_every_network_its_own(saved, config: Config) -> None:
    training, folder = saved
    method = build_method(config, 17)
    before = copy.deepcopy(method.networks.state_dict())
    warm_start(method.networks, method.peers, [checkpoints.load(folder)])
    after = method.networks.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in after)
    expected = training.method.networks.state_dict()
    assert expected and all(torch.equal(after[name], tensor) for name, tensor in expected.items())


def test_a_warm_start_from_supervised_runs_takes_one_for_each_peer(config: Config, datasets: Datasets, tmp_path: Path
                                                                   ) -> None:
    given = []
    for seed in (1, 2):
        supervised = dataclasses.replace(config, method=SupervisedConfig(),
                                         train=dataclasses.replace(config.train, seed=seed))
        training = start_training(supervised, datasets, build_method(supervised, 17), torch.device("cpu"))
        training.save(tmp_path / f"run{seed}" / "checkpoint_00000001")
        given.append((str(tmp_path / f"run{seed}"), training.method.networks["a"].state_dict()))

    def start(*folders: str) -> Training:
        warm = dataclasses.replace(config, train=dataclasses.replace(config.train, init_from=folders))
        return start_training(warm, datasets, build_method(warm, 17), torch.device("cpu"))

    networks = start(given[0][0], given[1][0]).method.networks
    for peer, (_, weights) in zip("ab", given, strict=True):
        for name in (peer, f"reviewer_{peer}"):
            found = networks[name].state_dict()
            assert weights and all(torch.equal(found[key], value) for key, value in weights.items())
    with pytest.raises(InputError, match="would stay alike"):
        start(given[0][0])
    with pytest.raises(InputError, match="there is no checkpoint in"):
        start(str(tmp_path), given[0][0])
