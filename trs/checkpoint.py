"""The whole state of a training as files: safetensors for tensors, JSON for the rest. Nothing is ever unpickled.

A checkpoint is a folder:
    networks.safetensors   every network of the method, by name
    optimizer.safetensors  Adam's state, by parameter number
    state.json             counters, config, skeleton, the SHA-256 of the two files above, and at its end that of itself

There is no random state to save: every random number is keyed by (seed, pass, sample), see `trs.keyed_random`, and the
step says which samples come next. The learning rate is a function of the step, see `trs.schedule`.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trs import config as configs
from trs import skeleton as skeletons
from trs.checkpoint_folders import STATE, exists, folder_name, newest, of_run
from trs.config import Config
from trs.errors import InputError, Unwritable, printable
from trs.files import Unreadable, open_regular, parse_json, read_bytes, whole_folder
from trs.skeleton import Skeleton

__all__ = ["Checkpoint", "Counters", "Damaged", "WrittenLater", "exists", "folder_name", "load", "newest", "of_run",
           "read_skeleton", "save"]

_NETWORKS, _OPTIMIZER = "networks.safetensors", "optimizer.safetensors"
_FORMAT = 3
"""Until 2 the state had no checksum of itself; 1 had the next rows among the counters, and the machines in the config.
They are read too."""
_SEAL = "state_sha256"
_LARGEST_STATE = 64 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


class Damaged(InputError):
    """A checkpoint is missing, incomplete or altered; an earlier one may be whole."""


class WrittenLater(InputError):
    """A checkpoint is of a format that a later version of this library writes."""


@dataclass(frozen=True)
class Counters:
    """How far a training has come; which rows come next follows from the step, see `trs.data.sampler`.

    step: completed ones.
    bad_images: names of the images that could not be used so far, on all workers, each once.
    bad_val_images: the same of the validation set, each by what was wrong with it.
    sums: of the loss terms since the last report, over `summed` steps: the means of an epoch are the same, whether it
        was interrupted or not.
    seconds: that the `timed` steps since the last report took, without evaluations.
    """

    step: int = 0
    bad_images: tuple[str, ...] = ()
    bad_val_images: tuple[str, ...] = ()
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0
    seconds: float = field(default=0.0, compare=False)
    timed: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint."""

    networks: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    counters: Counters
    config: Config
    skeleton: Skeleton


def save(folder: Path, networks: nn.Module, optimizer: torch.optim.Optimizer, counters: Counters,
         config: dict[str, Any], skeleton: Skeleton) -> None:
    """Write a checkpoint; the folder appears whole or not at all.

    Args:
        folder: its name, see `folder_name`.
        networks: every network of the method.
        optimizer: of the trained ones.
        counters: how far the training is.
        config: as plain values, which a training makes once for all its checkpoints.
        skeleton: of the keypoints.

    Raises:
        Unwritable: the storage is full or cannot be written; what was there before is as it was.
        OSError, SafetensorError: it failed otherwise.
    """
    try:
        with whole_folder(folder, replace=True) as partial:
            _write(partial, networks, optimizer, counters, config, skeleton)
    except (OSError, SafetensorError) as error:
        if not any(f"rrno {number}" in str(error) or f"os error {number}" in str(error) for number in _NO_ROOM):
            raise  # a storage that is out of reach for a while is no mistake of the user's
        raise Unwritable(f"the checkpoint {folder} cannot be written ({error}); make room or choose another folder, "
                         "and resume") from error


def _write(partial: Path, networks: nn.Module, optimizer: torch.optim.Optimizer, counters: Counters,
           config: dict[str, Any], skeleton: Skeleton) -> None:
    save_file(_contiguous(networks.state_dict()), partial / _NETWORKS)
    save_file(_contiguous(_flatten(optimizer)), partial / _OPTIMIZER)
    state = {"format": _FORMAT, "counters": dataclasses.asdict(counters), "config": config,
             "skeleton": dataclasses.asdict(skeleton),
             "sha256": {name: _sha256(partial / name) for name in (_NETWORKS, _OPTIMIZER)}}
    (partial / STATE).write_bytes(_sealed(json.dumps(state, indent=1).removesuffix("\n}").encode()))
    for file in partial.iterdir():  # on the disk before its name is: a machine may vanish as well as a process
        with file.open("rb") as written:
            os.fsync(written.fileno())


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        Damaged: it is missing, incomplete or altered.
        WrittenLater: it is of a format that is not known here.
        OSError: the storage cannot be read.
    """
    try:
        state = _read_state(folder)
        for name in (_NETWORKS, _OPTIMIZER):
            if _sha256(folder / name) != state["sha256"][name]:
                raise _altered(folder, name)
        return Checkpoint(
            networks=load_file(folder / _NETWORKS), optimizer=load_file(folder / _OPTIMIZER),
            counters=_counters(state["counters"]),
            config=configs.from_dict(state["config"]), skeleton=skeletons.from_dict(state["skeleton"]))
    except (Damaged, WrittenLater):
        raise
    except (*_NO_CHECKPOINT, SafetensorError) as error:
        raise _not_whole(folder, error) from error


def _counters(state: dict[str, Any]) -> Counters:
    # 0.1 kept a number, of encounters: such a run counts its images anew.
    bad = state["bad_images"] if isinstance(state["bad_images"], list) else []
    sums = {str(name): float(value) for name, value in dict(state.get("sums", {})).items()}
    return Counters(state["step"], tuple(map(str, bad)), tuple(map(str, state.get("bad_val_images", ()))),
                    sums, int(state.get("summed", 0)), float(state.get("seconds", 0.0)), int(state.get("timed", 0)))


def read_skeleton(folder: Path) -> Skeleton:
    """Read the keypoints that a checkpoint's networks have learned, and nothing else of it.

    Raises:
        Damaged: it is missing, or is none.
        WrittenLater: it is of a format that is not known here.
    """
    try:
        return skeletons.from_dict(_read_state(folder)["skeleton"])
    except (Damaged, WrittenLater):
        raise
    except _NO_CHECKPOINT as error:
        raise _not_whole(folder, error) from error


_NO_CHECKPOINT = (FileNotFoundError, NotADirectoryError, Unreadable, ValueError, KeyError, TypeError,
                  RecursionError)
"""What reading raises where there is no checkpoint; other errors are the storage's, and may pass."""


def _read_state(folder: Path) -> dict[str, Any]:
    """Read state.json, of this format or an earlier one.

    Raises:
        Damaged: it is not what was written.
        WrittenLater: it is of a format that is not known here.
        OSError, ValueError, KeyError, TypeError: it is not there, or is no state.
    """
    content = read_bytes(folder / STATE, _LARGEST_STATE)
    state = parse_json(content)
    if not isinstance(state, dict):
        raise ValueError(f"{STATE} holds no object")
    if _SEAL in state and content != _sealed(content[:-len(_sealed(b""))]):
        raise _altered(folder, STATE)
    version = state.get("format")
    if type(version) is not int or version < 1:
        raise ValueError(f"{STATE} names no format")
    if version > _FORMAT:
        raise WrittenLater(f"{folder} was written by a later version of this library, in format "
                           f"{printable(str(version))}; update the library")
    if version == _FORMAT and _SEAL not in state:
        raise _altered(folder, STATE)
    step = state["counters"]["step"]
    if type(step) is not int or step < 0:
        raise ValueError(f"{STATE} counts no steps")
    return state


def _sealed(body: bytes) -> bytes:
    """The whole of a state that begins with `body`: its last field is the SHA-256 of all bytes before it."""
    covered = body + f',\n "{_SEAL}": "'.encode()
    return covered + hashlib.sha256(covered).hexdigest().encode() + b'"\n}\n'


def _altered(folder: Path, name: str) -> Damaged:
    return Damaged(f"checkpoint {folder} is damaged: {name} is not what was written; use an earlier one")


def _not_whole(folder: Path, error: Exception) -> Damaged:
    reason = (f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else
              f"there is no {error}" if isinstance(error, KeyError) else str(error))
    return Damaged(f"{folder} is not a whole checkpoint ({printable(reason)}); it needs {STATE}, {_NETWORKS} and "
                   f"{_OPTIMIZER}: use an earlier one")


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {f"{index}.{name}": value for index, values in optimizer.state_dict()["state"].items()
            for name, value in values.items()}


def _contiguous(tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
