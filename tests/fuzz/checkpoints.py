"""Checkpoints whose files were damaged, or forged; to the state that was written, or a refusal."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from tests.fuzz import mutate
from tests.fuzz.target import refused
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.checkpoint import Checkpoint, Counters
from trs.errors import InputError
from trs.models.weights import misfit, not_finite
from trs.presets import demo
from trs.skeleton import MPII

STATE, TENSORS = "state.json", ("networks.safetensors", "optimizer.safetensors")
_SEAL = ',\n "state_sha256": "'


class CheckpointFolders:
    """A small checkpoint, of a network of a few layers and its optimizer after two steps."""

    most_bytes = 1 << 28

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder / "checkpoint_00000002", dict[str, bytes]()
        self._way = 0
        write_small(self.folder)
        self._whole = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        self._other = write_small(folder / "checkpoint_00000003", seed=1)
        self._expected = checkpoints.load(self.folder)

    def check(self, random: Random) -> bool:
        """Damage one file or two, or forge the state; then load all of it, and put back what was there."""
        forged = random.random() < 0.3
        damaged = self._forge(random) if forged else self._damage(random)
        self.written = {name: content for name, content in damaged.items() if content is not None}
        for name, content in damaged.items():
            self._put(name, content)
        try:
            try:
                loaded = checkpoints.load(self.folder)
            except InputError as error:
                with contextlib.suppress(InputError):
                    checkpoints.read_skeleton(self.folder)
                return refused(error)
            if forged:
                require_sound(loaded, self._expected)
            else:
                require_equal(loaded, self._expected)
            assert checkpoints.read_skeleton(self.folder) == loaded.skeleton
            return True
        finally:
            for name in damaged:
                self._put(name, self._whole[name])

    def _put(self, name: str, content: bytes | None) -> None:
        path = self.folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if content is None:
            self._put_something(path)
        else:
            path.write_bytes(content)

    def _put_something(self, path: Path) -> None:
        """No file, or none that ends when it is read."""
        way = self._way
        if way == 0:
            path.mkdir()
        elif way == 1:
            os.mkfifo(path)
        elif way == 2:
            path.symlink_to("nowhere")
        elif way == 3:
            path.symlink_to(path.name)
        elif way == 4:
            path.symlink_to("/dev/zero")

    def _damage(self, random: Random) -> dict[str, bytes | None]:
        damaged: dict[str, bytes | None] = {}
        for name in random.choice(((STATE,), (STATE,), TENSORS[:1], TENSORS[1:], TENSORS, (STATE, TENSORS[0]))):
            whole, way = self._whole[name], random.random()
            if way < 0.04:
                damaged[name], self._way = None, random.randrange(6)
            elif way < 0.1:
                damaged[name] = random.choice((*self._whole.values(), *self._other.values()))
            elif name == STATE and way < 0.4:
                damaged[name] = mutate.damage_text(random, whole.decode())
            else:
                damaged[name] = mutate.damage_bytes(random, whole, tuple(self._other.values()))
        return damaged

    def _forge(self, random: Random) -> dict[str, bytes | None]:
        """A state with its checksums right, as somebody would write it who means ill, or an earlier version."""
        state = json.loads(self._whole[STATE])
        del state["state_sha256"]
        if random.random() < 0.3:
            state["format"] = random.choice((1, 2))
        files = dict[str, bytes | None]()
        if random.random() < 0.4:
            name = random.choice(TENSORS)
            tensors = damage_tensors(random, self._whole[name])
            files[name] = tensors
            state["sha256"][name] = hashlib.sha256(tensors).hexdigest()
        if not files or random.random() < 0.3:
            state = mutate.damage_tree(random, state, random.choice((1, 1, 2, 4)))
        try:
            body = json.dumps(state, indent=1)
        except (TypeError, ValueError):
            body = "{}"
        sealed = not isinstance(state, dict) or state.get("format") not in (1, 2)
        files[STATE] = seal(body) if sealed else body.encode()
        return files


def write_small(folder: Path, seed: int = 0) -> dict[str, bytes]:
    """Write a checkpoint with all that one has, and give its files."""
    torch.manual_seed(seed)
    networks = nn.ModuleDict({"a": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), "teacher": nn.Linear(2, 3)})
    optimizer = torch.optim.Adam(networks.parameters(), lr=0.1)
    for _ in range(2):
        for parameter in networks.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    checkpoints.save(folder, networks, optimizer, Counters(2, ("a.jpg: missing", "é.jpg"), ("v.png",)),
                     configs.to_dict(demo()), MPII)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def damage_tensors(random: Random, content: bytes) -> bytes:
    """A file of safetensors whose header is damaged as a tree, with its length right."""
    length = int.from_bytes(content[:8], "little")
    header = mutate.damage_tree(random, json.loads(content[8:8 + length]), random.choice((1, 1, 2, 3)))
    try:
        written = json.dumps(header).encode()
    except (TypeError, ValueError):
        written = b"{}"
    written += b" " * (-len(written) % 8)
    return len(written).to_bytes(8, "little") + written + content[8 + length:]


def seal(body: str) -> bytes:
    """A state with the checksum of itself at its end."""
    covered = (body.removesuffix("\n}") + _SEAL).encode()
    return covered + hashlib.sha256(covered).hexdigest().encode() + b'"\n}\n'


def require_equal(found: Checkpoint, expected: Checkpoint) -> None:
    """Everything is as it was written, to the last bit."""
    require_same_tensors(found.networks, expected.networks)
    require_same_tensors(found.optimizer, expected.optimizer)
    assert (found.counters, found.config, found.skeleton) == (expected.counters, expected.config, expected.skeleton)


def require_same_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert found[name].numpy().tobytes() == tensor.numpy().tobytes(), name


def require_sound(found: Checkpoint, expected: Checkpoint) -> None:
    """Whoever wrote it, it is of the types that everything behind relies on."""
    assert type(found.counters.step) is int and found.counters.step >= 0
    for names in (found.counters.bad_images, found.counters.bad_val_images):
        assert isinstance(names, tuple) and all(isinstance(name, str) for name in names)
    assert configs.from_dict(configs.to_dict(found.config)) == found.config
    require_sound_skeleton(found.skeleton)
    for tensors, wanted in ((found.networks, expected.networks), (found.optimizer, expected.optimizer)):
        said = [misfit(tensors, wanted), not_finite(tensors)]
        assert all(text is None or text.isprintable() for text in said), said


def require_sound_skeleton(skeleton: Any) -> None:
    """K names, a sigma and a mirror image for each, and limbs among them."""
    count = len(skeleton.names)
    assert all(isinstance(name, str) for name in skeleton.names) and len(set(skeleton.names)) == count > 0
    assert len(skeleton.sigmas) == count
    assert all(type(sigma) in (int, float) and 0 < sigma < float("inf") for sigma in skeleton.sigmas)
    assert all(type(end) is int and 0 <= end < count for limb in skeleton.limbs for end in limb)
    if skeleton.mirror is not None:
        assert sorted(skeleton.mirror) == list(range(count))
    assert set(skeleton.guessed) <= set(skeleton.names) and dataclasses.replace(skeleton) == skeleton
