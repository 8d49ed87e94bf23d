"""What a command waits for, as far as the cluster can say, and without waiting for the cluster."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping

import ray

from jobs.cluster.ray_private import free_abandoned
from jobs.run_folder.console import Pace

ANSWER_SECONDS = 3.0
"""That the head has to answer a question."""
LOST_SECONDS = 120.0
"""Without an answer, after which a head is lost."""
ASLEEP_SECONDS = 10.0
"""Between two looks, which are seconds apart; in a longer time this process was suspended."""


class Head:
    """Whether the head of the cluster that this process has joined answers, asked every few seconds.

    Ray would end this process, without a word of its own, after a minute without an answer (see `quieten`).

    Args:
        enough: says when nobody wants to know it any more.
    """

    def __init__(self, enough: Callable[[], bool]) -> None:
        self.answered = self.looked = time.monotonic()
        self.enough = enough
        threading.Thread(target=self._ask, daemon=True).start()

    def is_lost(self) -> bool:
        """Look whether it has not answered for LOST_SECONDS, in which this process could have heard it."""
        now = time.monotonic()
        if now - self.looked > ASLEEP_SECONDS:
            self.answered = now
        self.looked = now
        return now - self.answered > LOST_SECONDS

    def _ask(self) -> None:
        while ray.is_initialized() and not self.enough():
            try:
                ray.cluster_resources()  # waits while the head hangs
                self.answered = time.monotonic()
            except Exception:  # whatever Ray makes of it, it is no answer
                pass
            time.sleep(ANSWER_SECONDS)


def goes_on(paces: Mapping[str, Pace]) -> str:
    """How far runs are, by their names, and where one waits or hangs, what for."""
    looks = {name: pace.look() for name, pace in paces.items()}
    lines = ", ".join(f"{name}: {line}" for name, (line, _) in looks.items()) or "nothing runs yet"
    return lines if looks and all(going for _, going in looks.values()) else f"{lines}; {waits_for()}"


def waits_for() -> str:
    """What work that does not begin may wait for: a sentence's part, with what can be done.

    CPUs that nobody holds any more are freed, and counted by the next who asks.
    """
    found = dict[str, float]()

    def ask() -> None:
        free, there = ray.available_resources(), ray.cluster_resources()
        found.update(free=free.get("CPU", 0.0), there=there.get("CPU", 0.0), gpus=there.get("GPU", 0.0),
                     free_gpus=free.get("GPU", 0.0))
        with contextlib.suppress(Exception):  # whatever Ray makes of it: the next line tries again
            free_abandoned()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    if not found:
        return ("the cluster's head does not answer: look at its machine, or end this with Ctrl-C, and --resume goes "
                "on from the last checkpoint")
    gpus = f" and {found['free_gpus']:g} of {found['gpus']:g} GPUs" if found["gpus"] else ""
    held = found["free"] < found["there"] or found["free_gpus"] < found["gpus"]
    return (f"{found['free']:g} of the cluster's {found['there']:g} CPUs{gpus} are free"
            f"{'; `ray status` says what holds the others' if held else ''}")
