"""In a step the device is waited for once, and nothing but the batch is handed to it."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trs import config as configs
from trs import loop
from trs.config import Config, MethodSettings
from trs.data.datasets import Datasets
from trs.data.reader import stream_of
from trs.methods.build import build_method
from trs.training import start_training

SOURCE = Path(loop.__file__).parent
WAITS = ("_local_scalar_dense", "nonzero", "equal.default", "is_nonzero", "unique", "masked_select")
"""What gives the host a number of the device's, or as many as only the device knows."""
HANDED = "lift_fresh"
"""How a tensor begins that is made of what Python has."""
ALL = ("cutout", "joint_cutout", "ssco", "keypoint_mix", "rand_augment", "mixup", "cutmix")
RAND_AUGMENT = "trs/augment/rand_augment.py"
"""Which operations an image gets the host must know: it waits once more, and then reads its own memory."""


class Watch(TorchDispatchMode):
    """Which files of this project wait for the device, and which hand it something."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.handed = list[str](), list[str]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for found, names in ((self.waits, WAITS), (self.handed, (HANDED,))):
            if any(name in str(function) for name in names):
                frame = [each for each in traceback.extract_stack() if Path(each.filename).is_relative_to(SOURCE)][-1]
                found.append(f"trs/{Path(frame.filename).relative_to(SOURCE)}: {frame.line}")
        return function(*args, **(kwargs or {}))


def watched(config: Config, datasets: Datasets, change: Callable[[Any], None] = lambda method: None) -> Watch:
    """A third step, whose constants are made by then."""
    method = build_method(config, len(datasets.skeleton))
    change(method)
    training = start_training(config, datasets, method, torch.device("cpu"))
    rows = {name: stream_of(people, datasets.skeleton.flip_order, config).read(range(4))
            for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}
    watch = Watch()
    for _ in range(2):
        loop.step(training, method.trained, [rows], total_steps=10)
    with watch:
        loop.step(training, method.trained, [rows], total_steps=10)
    return watch


@pytest.mark.parametrize("method", [
    configs.TRSConfig(), configs.TRSConfig(augment=ALL, paths=2, confidence_threshold=0.1), configs.SSPCMConfig(),
    configs.DualConfig(), configs.MeanTeacherConfig(), configs.FixMatchConfig(), configs.SingleConfig(),
    configs.SupervisedConfig()], ids=lambda method: type(method).__name__)
def test_a_step_waits_once_for_the_device_and_hands_it_the_batch_alone(config: Config, datasets: Datasets,
                                                                        method: MethodSettings) -> None:
    watch = watched(dataclasses.replace(config, method=method), datasets)
    waits, handed = ([each for each in found if not each.startswith(RAND_AUGMENT)]
                     for found in (watch.waits, watch.handed))
    assert waits == ["trs/loop.py: finite = bool(norm.isfinite())"]
    assert {each.partition(":")[0] for each in handed} == {"trs/data/batch.py"}


def test_a_number_that_is_asked_for_is_seen(config: Config, datasets: Datasets) -> None:
    def ask(method: Any) -> None:
        after = method.after_step
        method.after_step = lambda step: (after(step), next(method.trained.parameters()).sum().item())

    assert len(watched(config, datasets, ask).waits) == 2
