"""The driver of one trial: config + suggestion -> TorchTrainer.fit()."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
from ray.train._internal.session import get_session
from ray.tune.integration.ray_train import TuneReportCallback
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from jobs.cluster.connect import quieten
from jobs.cluster.stopping import STOP_FILE
from jobs.run_folder.layout import write_run
from jobs.training.trainer import fit
from trs import config as configs
from trs.config import Config
from trs.data.datasets import Datasets
from tune.space import apply
from tune.study import SUPERVISED

TRIALS = "trials"


def trial_config(base: Config, name: str, values: dict[str, Any]) -> Config:
    """The config of a trial; that of the supervised reference has the other method and the rest alike."""
    if name == SUPERVISED:
        return configs.from_dict({**configs.to_dict(base), "method": {"name": SUPERVISED}})
    return apply(base, values)


def run_trial(suggestion: dict[str, Any], base: dict[str, Any], sets: Datasets, folder: str) -> None:
    """Train one suggestion in `folder/trials/NAME`; a trial that was broken off goes on from its last checkpoint.

    Args:
        suggestion: `name` and `values`, from `StudySearcher.suggest`.
        base: the search's config as plain values.
        sets: the sets that all trials share.
        folder: of the search.
    """
    quieten()
    config = trial_config(configs.from_dict(base), suggestion["name"], suggestion["values"])
    run = Path(folder, TRIALS, suggestion["name"])
    write_run(config, sets, run)
    # Ray would put the queue of the reports anywhere, and with its node the trial would be lost.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    get_session()._inter_actor_queue = Queue(1, actor_options={"num_cpus": 0, "scheduling_strategy": here})
    fit(config, sets, run, callbacks=[TuneReportCallback()], stop=Path(folder, STOP_FILE))
