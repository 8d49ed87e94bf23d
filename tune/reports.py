"""How what a trial's training reports comes to Ray Tune, in order and to the last.

Ray's own `TuneReportCallback` lets a trial's driver wait for itself for ever where Tune comes late, because a study is
locked or the head is busy: the driver's end then takes the one place in the queue that its main thread wants to put the
last report into (`_TrainSession._get_result_from_queues` in ray/train/_internal/session.py).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import ray
import ray.train
import ray.tune
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


class _Report(ray.train.UserCallback):
    """Called by Ray Train's controller; holds the training until the report before has been taken."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        """Hand on what the first worker reports."""
        self.queue.put(metrics[0])


@contextlib.contextmanager
def passed_on() -> Iterator[ray.train.UserCallback]:
    """A callback for a training, whose reports go to Ray Tune while the context lasts; all have when it is left.

    To be entered by a trial's driver. The queue lies on its node: with another one the trial would be lost.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    queue = Queue(1, actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def pass_on() -> None:
        while (metrics := queue.get()) is not None:
            ray.tune.report(metrics)

    passing = threading.Thread(target=pass_on, daemon=True)
    passing.start()
    try:
        yield _Report(queue)
    finally:
        queue.put(None)
        passing.join()
        queue.shutdown()
