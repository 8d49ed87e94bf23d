"""Being told to stop, with a checkpoint first.

    SIGTERM to the command    `kill`, `ray job stop`, a pod that ends: the command leaves a file, which the workers see
    SIGTERM to a worker       a machine that shuts down
    a node that is drained    `ray drain-node`, a Kubernetes pod that ends

Workers ask after each step. After the first the run ends, to be resumed; after the others it goes on elsewhere.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray.train.torch
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.execution.context import get_train_context

from trs.errors import Interruption

_LOOK_SECONDS = 0.5
_terminated = threading.Event()


@dataclass
class Watch:
    """Asked by a worker after each step.

    file: that a stopping command leaves.
    """

    file: Path
    _looked: float = field(default=0.0, init=False)

    def __call__(self) -> Interruption | None:
        """Why this worker ought to stop, if it ought to."""
        if self._told_to_stop():
            return Interruption.STOP
        return Interruption.LEAVE if _terminated.is_set() or preempted() else None

    def _told_to_stop(self) -> bool:
        """Looked up now and then, for the file may lie on another machine."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return self.file.exists()


def preempted() -> bool:
    """Whether the node of any worker is being drained.

    Ray's public `ray.train.get_preemption_info` would make all workers wait for one another in each step.
    """
    return get_train_context().preemption_context.preemption_info is not None


def _catch_sigterm() -> None:
    def note(number: int, frame: Any) -> None:
        if _terminated.is_set():
            sys.exit(128 + number)
        _terminated.set()

    signal.signal(signal.SIGTERM, note)


class _Backend(_TorchBackend):
    """Only a worker's main thread may set signal handlers; the training runs in another one."""

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        super().on_training_start(worker_group, backend_config)
        worker_group.execute(_catch_sigterm)


@dataclass
class TorchConfig(ray.train.torch.TorchConfig):
    """Ray Train's process group, whose workers notice SIGTERM."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """What sets the process group up."""
        return _Backend
