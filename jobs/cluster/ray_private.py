"""Every private name of Ray that this project leans on, each with its reason; checked with Ray 2.60.

Nothing else imports from Ray's private modules: what an update of Ray may break is here. Numbers are issues and pull
requests of https://github.com/ray-project/ray.
"""

from __future__ import annotations

import datetime
import itertools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray._common.utils import get_default_ray_temp_dir
from ray._private import auto_init_hook
from ray._private.ray_constants import DEFAULT_RUNTIME_ENV_DIR_NAME
from ray._private.worker import get_dashboard_url
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, without a stub
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator import get_or_create_autoscaling_coordinator
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.execution.context import get_train_context

if TYPE_CHECKING:  # `ray.train` swaps its classes for V2's when it is imported; type checkers see V1's (#57570)
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.result import Result
    from ray.train.v2.torch.torch_trainer import TorchTrainer
else:
    from ray.train import FailureConfig, Result, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

__all__ = [
    "FailureConfig", "Result", "RunConfig", "ScalingConfig", "SignalledBackend", "TorchTrainer", "ask_head",
    "dashboard_address", "has_autoscaler", "is_being_drained", "is_in_code_of_job", "longest_socket",
    "pin_autoscaling_coordinator", "quieten_token_notice", "start_no_cluster", "temporary_folder"]


def dashboard_address() -> str | None:
    """The dashboard's host and port, or None without one; no public call names it to a process that joins later."""
    return get_dashboard_url() or None


def ask_head(address: str) -> None:
    """Ask the head of the cluster at an address for its number; raises what Ray makes of the answer.

    `ray.init` asks too, but goes on for 15 minutes where nobody answers (#22413), and with no sentence.
    """
    GcsClient(address=address)


def temporary_folder() -> Path:
    """Where Ray keeps the sockets and logs of a cluster that it starts here: RAY_TMPDIR and TMPDIR have a say in it."""
    return Path(get_default_ray_temp_dir())


def longest_socket() -> Path:
    """The longest path of a socket of a cluster that this process starts (`Node` in ray/_private/node.py).

    Ray refuses one of more than 107 bytes in the middle of its start, with a traceback (verl#1120).
    """
    began = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    return temporary_folder() / f"session_{began}_{os.getpid()}" / "sockets" / "plasma_store"


def is_in_code_of_job(folder: Path) -> bool:
    """Whether a folder lies where Ray unpacks the code of submitted jobs, until it needs the room.

    It has the name in `DEFAULT_RUNTIME_ENV_DIR_NAME` and, below it, one that `WorkingDirPlugin` knows alone.
    """
    parts = folder.resolve().parts
    return (DEFAULT_RUNTIME_ENV_DIR_NAME, "working_dir_files") in itertools.pairwise(parts)


def pin_autoscaling_coordinator() -> None:
    """Make the actor that divides the cluster among trainings, on this process's node.

    Ray pins it to the node of whoever asks for it first (`soft=False` in `get_or_create_autoscaling_coordinator`).
    Left to a worker, it would die with that worker's node, and nothing could start again (#62260).
    """
    get_or_create_autoscaling_coordinator()


def has_autoscaler() -> bool:
    """Whether the cluster was started with an autoscaler of Ray's second generation, as `ray up` and KubeRay start it.

    No public call says so, and none tells what it may add: `get_max_resources_from_cluster_config` (#49568) answers
    nothing in Ray 2.60, whose autoscaler reports no configuration (#49501).
    """
    return bool(is_autoscaler_v2(fetch_from_server=True))


def start_no_cluster() -> None:
    """Let no call of this process start a cluster by itself any more, as every call does that finds none.

    RAY_ENABLE_AUTO_CONNECT says the same, but is read when Ray is imported and never again.
    """
    auto_init_hook.enable_auto_connect = False


def is_being_drained() -> bool:
    """Whether the node of any worker of this training is being drained; to be asked by a worker.

    The public `ray.train.get_preemption_info` would make all workers wait for one another in each step (#64360).
    """
    return get_train_context().preemption_context.preemption_info is not None


class SignalledBackend(_TorchBackend):
    """Ray Train's process group for torch, which calls `in_main_thread` in each worker's main thread.

    Only a main thread may set signal handlers, and the training runs in another one. Ray Train has no public hook
    there: its public callbacks are run in the controller (#63968).
    """

    @staticmethod
    def in_main_thread() -> None:
        """Run in the main thread of each worker, before the training starts."""

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        """Call `in_main_thread` on every worker."""
        super().on_training_start(worker_group, backend_config)
        worker_group.execute(self.in_main_thread)


def quieten_token_notice() -> None:
    """Silence the warning that the token is required, which is what we want."""
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
