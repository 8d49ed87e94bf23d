"""Every private name of Ray that this project leans on, each with its reason; checked with Ray 2.60.

Nothing else imports from Ray's private modules: what an update of Ray may break is here. Numbers are issues and pull
requests of https://github.com/ray-project/ray.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import ray
from ray import PlacementGroupID
from ray._common.utils import get_default_ray_temp_dir
from ray._private import auto_init_hook
from ray._private.ray_constants import DEFAULT_RUNTIME_ENV_DIR_NAME
from ray._private.services import get_ray_address_from_environment
from ray._private.state import state as cluster_state
from ray._private.worker import get_dashboard_url
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, without a stub
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated.gcs_pb2 import PlacementGroupTableData  # type: ignore[attr-defined]  # no stub
from ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator import get_or_create_autoscaling_coordinator
from ray.exceptions import GetTimeoutError
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2._internal.execution.context import get_train_context
from ray.train.v2._internal.util import TrainingFramework
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.placement_group import PlacementGroup, remove_placement_group

if TYPE_CHECKING:  # `ray.train` swaps its classes for V2's when it is imported; type checkers see V1's (#57570)
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.result import Result
else:
    from ray.train import FailureConfig, Result, RunConfig, ScalingConfig

__all__ = [
    "FailureConfig", "ProcessGroup", "ProcessGroupConfig", "Result", "RunConfig", "ScalingConfig",
    "WorkerGroupStartupTimeoutError", "address_of_here", "ask_head",
    "dashboard_address", "free_abandoned", "has_autoscaler", "is_being_drained", "is_in_code_of_job", "longest_socket",
    "pin_autoscaling_coordinator", "quieten_token_notice", "run_together", "start_no_cluster", "store_folder",
    "temporary_folder"]

_LEAVE_SECONDS = 30


def dashboard_address() -> str | None:
    """The dashboard's host and port, or None without one; no public call names it to a process that joins later."""
    return get_dashboard_url() or None


def address_of_here() -> str:
    """The cluster of this machine that Ray would join for the address "auto", which may have ended.

    Raises:
        ConnectionError: Ray knows of none.
    """
    return str(get_ray_address_from_environment("auto", None))


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


def free_abandoned() -> None:
    """Free the reservations of CPUs and GPUs whose makers have ended.

    Ray frees those of a command that ends, but misses a group that an actor of its makes meanwhile, as the controller
    of a training does that begins anew: its CPUs would be lost to everybody for as long as the cluster lives. The
    public tables do not say who has made a group.
    """
    ended = {job["JobID"] for job in cluster_state.job_table() if job["IsDead"]}
    table = cluster_state._connect_and_get_accessor().get_placement_group_table()
    for group in map(PlacementGroupTableData.FromString, table):
        held = not group.is_detached and group.state != PlacementGroupTableData.REMOVED
        if held and group.creator_job_id.hex() in ended and not _is_alive(group.creator_actor_id):
            remove_placement_group(PlacementGroup(PlacementGroupID(group.placement_group_id)))


def _is_alive(actor: bytes) -> bool:
    """Whether there is an actor of this number that has not ended; none has no number."""
    found = cluster_state.actor_table(actor.hex()) if actor else {}
    return bool(found) and found["State"] != "DEAD"


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


def store_folder() -> Path | None:
    """Where this node keeps its object store, /dev/shm unless that had too little room; None where it is not seen.

    Ray takes /tmp then, with a line in its own log; it is told to the node's raylet alone, on its command line.
    """
    option = "--plasma_directory="
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().parents():
            for word in process.cmdline() if process.name() == "raylet" else ():
                if word.startswith(option):
                    return Path(word.removeprefix(option)).resolve()  # /run/shm is a link to it
    return None


def is_being_drained() -> bool:
    """Whether the node of any worker of this training is being drained; to be asked by a worker.

    The public `ray.train.get_preemption_info` would make all workers wait for one another in each step (#64360).
    """
    return get_train_context().preemption_context.preemption_info is not None


class ProcessGroup(Backend):
    """Workers that find one another through torch.distributed, by Ray's own functions, which the workers alone import.

    `TorchTrainer` and `TorchConfig` set up the same group, but import torch in the process that drives a training and
    in the one that controls it too: for nothing, and for half a gigabyte of the head a training.

    It also calls `in_main_thread` in each worker's main thread: only there may signal handlers be set, the training
    runs in another one, and Ray Train's public callbacks are run in the controller (#63968).
    """

    share_cuda_visible_devices = True

    @staticmethod
    def in_main_thread() -> None:
        """Run in the main thread of each worker, before the training starts."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Let the workers find the first of them."""
        address, port = worker_group.execute_single(0, get_address_and_port)
        backend = "nccl" if worker_group.get_resources_per_worker().get("GPU", 0) > 0 else "gloo"
        ray.get([worker_group.execute_single_async(rank, _join_group, address, port, backend, rank, len(worker_group),
                                                   backend_config.timeout_s) for rank in range(len(worker_group))])

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        """Call `in_main_thread` on every worker."""
        worker_group.execute(self.in_main_thread)

    def on_shutdown(self, worker_group: Any, backend_config: Any) -> None:
        """Let the workers part; one that hangs is not waited for."""
        with contextlib.suppress(GetTimeoutError):
            ray.get(worker_group.execute_async(_leave_group, len(worker_group) > 1), timeout=_LEAVE_SECONDS)


def _join_group(address: str, port: int, backend: str, rank: int, size: int, timeout_s: int) -> None:
    from ray.train.torch import config

    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = address, str(port)
    config._set_torch_distributed_env_vars()
    config._setup_torch_process_group(backend=backend, world_rank=rank, world_size=size, init_method="env://",
                                      timeout_s=timeout_s)


def _leave_group(destroy: bool) -> None:
    from ray.train.torch import config

    config._shutdown_torch(destroy_process_group=destroy)


def _on_its_device() -> AbstractContextManager[None]:
    from ray.train.torch.config import TorchConfigContextManager

    return TorchConfigContextManager()


@dataclass
class ProcessGroupConfig(BackendConfig):
    """What a `DataParallelTrainer` takes in the place of `TorchConfig`.

    timeout_s: seconds that an exchange between the workers may take.
    """

    timeout_s: int = 1800

    @property
    def backend_cls(self) -> type[ProcessGroup]:
        """The class that sets the process group up."""
        return ProcessGroup

    @property
    def train_func_context(self) -> Callable[[], AbstractContextManager[None]]:
        """What a worker trains within: with its own GPU for torch's current one."""
        return _on_its_device

    @property
    def framework(self) -> TrainingFramework:
        """What Ray's API says that it is."""
        return TrainingFramework.TORCH


class _Together(DataParallelTrainer):
    """Without the process that would hand datasets to the workers: ours open their own, and it takes 120 MB."""

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if not isinstance(each, DatasetsCallback)]


def run_together(work: Callable[[dict[str, Any]], Any], settings: dict[str, Any], scaling: ScalingConfig,
                 run: RunConfig, group: ProcessGroupConfig | None = None) -> Result:
    """Let workers do something together, in one process group; without importing torch here.

    Args:
        work: of each worker, of these settings.
        settings: that it is called with.
        scaling: which workers there are.
        run: its name and folder, and what happens when it fails.
        group: how the workers find one another.

    Raises:
        ray.train.TrainingFailedError: it has failed for good.
    """
    trainer: Any = _Together(
        work, train_loop_config=settings, backend_config=group or ProcessGroupConfig(), scaling_config=scaling,
        run_config=run)  # type: ignore[arg-type]  # a type checker sees the class of V1
    result: Result = trainer.fit()
    return result


def quieten_token_notice() -> None:
    """Silence the warning that the token is required, which is what we want."""
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
