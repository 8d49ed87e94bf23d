"""Many trainings, several at a time, queued by Ray Tune: the trials of a search, the runs of a table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.tune
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from jobs.cluster.failures import Blame, OfMachine, blame, cause_of, find_mistake, lacked_memory
from jobs.cluster.resources import DRIVER
from jobs.run_folder.lease import Lost


def train_many(driver: Callable[..., None], shared: Mapping[str, Any], searcher: Searcher, folder: Path, samples: int,
               room: Callable[[], int], callbacks: Sequence[ray.tune.Callback] = (),
               scheduler: TrialScheduler | None = None) -> None:
    """Run what a searcher hands out, until it has no more; Ray Tune's own files lie in `folder/ray`.

    Call it through `jobs.cluster.stopping.run_aside`: in the main thread Ray Tune takes Ctrl-C for itself.

    Args:
        driver: called as `driver(suggestion, **shared)` in a process of its own on the head, in another working
            directory; it drives one training and waits for it.
        shared: arguments of the driver that are the same for all; they go into the object store once.
        searcher: `suggest` returns a suggestion (a small dictionary), None to be asked again later, or
            `Searcher.FINISHED`.
        folder: on storage that every node sees.
        samples: suggestions at most, at least one; -1 leaves it to the searcher.
        room: how many drivers there may be now; asked again before each start.
        callbacks: hear what drivers report, and how they end.
        scheduler: ends drivers early; by default none is.
    """
    tuner = ray.tune.Tuner(
        ray.tune.with_resources(ray.tune.with_parameters(driver, **shared), DRIVER),
        tune_config=ray.tune.TuneConfig(search_alg=_Limiter(searcher, room),
                                        scheduler=scheduler, num_samples=samples),
        run_config=ray.tune.RunConfig(name="ray", storage_path=str(folder), verbose=0,
                                      callbacks=[*callbacks, _Silence()]))
    try:
        tuner.fit()
    except ray.tune.TuneError as error:
        # Tune has made a text of what a searcher or a callback has raised.
        if isinstance(error.__context__, Exception) and find_mistake(error.__context__) is not None:
            raise error.__context__ from None
        raise
    except RuntimeError as error:
        if lacked_memory(error):  # Ray has ended a driver too, which Tune takes for the end of everything
            raise OfMachine(f"{cause_of([error])}; go on with --resume") from error
        raise


_FAILURE, _BLAME = "failure", "blame"


@contextlib.contextmanager
def telling_failures() -> Iterator[None]:
    """Report what a driver fails from: Tune's callbacks hear that it has failed, and not why."""
    try:
        yield
    except Lost:
        raise  # its command is gone, and nothing is written any more
    except Exception as error:
        ray.tune.report({_FAILURE: find_mistake(error) or cause_of([error]), _BLAME: blame(error).value})
        raise


@dataclass(frozen=True)
class Failure:
    """What a driver has failed from, in a sentence, and what that is to be blamed on."""

    why: str
    blame: Blame

    @staticmethod
    def of(result: dict[str, Any]) -> Failure | None:
        """What a driver's report says of its failure, if it is one of that kind."""
        return Failure(result[_FAILURE], Blame(result[_BLAME])) if _FAILURE in result else None


class _Limiter(ConcurrencyLimiter):
    """Tune's limit of how many run at a time, asked for anew each time."""

    def __init__(self, searcher: Searcher, room: Callable[[], int]) -> None:
        super().__init__(searcher, max_concurrent=room())
        self.room = room

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """A suggestion, where there is room for one more."""
        self.max_concurrent = self.room()
        return super().suggest(trial_id)


class _Silence(TrialProgressCallback):
    """Stands in the place of Tune's own callback of this kind, which prints whatever `verbose` is."""

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any],
                        **info: Any) -> None:
        """Print nothing."""

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Print nothing."""

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Print nothing."""


class StatelessSearcher(Searcher):
    """A searcher of which Tune writes nothing down: what must survive is elsewhere, and a resume of Tune's own is not
    used.
    """

    def __getstate__(self) -> dict[str, Any]:
        """Leave all out."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learn nothing from how a trial ended."""
