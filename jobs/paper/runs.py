"""Which training is which, where it lies, and what it has measured."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jobs.run_folder.layout import CONFIG_FILE
from jobs.run_folder.metrics import Metrics, read_metrics
from jobs.training.prepare import prepare
from trs import checkpoint_folders as checkpoints
from trs import config as configs
from trs.config import Config
from trs.config.before import as_0_1_trained, as_0_1_wrote
from trs.errors import InputError
from trs.files import read_json, write_text


@dataclass(frozen=True)
class Run:
    """A training, and the trainings whose networks it starts from, one a peer (`train.init_from`)."""

    config: Config
    starts_from: tuple[Run, ...] = ()

    @functools.cached_property
    def name(self) -> str:
        """The name for its folder where it has none yet, see `RunsFolder`: equal trainings get the same."""
        plain = configs.to_dict(configs.from_dict(configs.to_dict(self.config)))  # 40 and 40.0 are one number
        for section, settings in vars(self.config).items():
            for field in dataclasses.fields(settings):
                if field.metadata.get("added") and plain[section][field.name] == field.default:
                    del plain[section][field.name]  # the name that the training got before there was the field
        plain = as_0_1_wrote(plain)
        plain["data"]["root"] = str(Path(self.config.data.root).absolute())
        content = json.dumps([plain, [start.name for start in self.starts_from]], sort_keys=True)
        identity = hashlib.sha256(content.encode()).hexdigest()[:10]
        return f"{self.config.method.name}-{identity}-seed{self.config.train.seed}"

    @functools.cached_property
    def key(self) -> str:
        """The name that it has wherever the data lie."""
        return self.changed(lambda config: configs.change(config, {"data.root": "/"})).name

    def changed(self, change: Callable[[Config], Config]) -> Run:
        """The run with a changed config, and so all that it starts from."""
        return Run(change(self.config), tuple(start.changed(change) for start in self.starts_from))

    def repeated(self, number: int) -> Run:
        """The same training on another split, from other weights; 0 is the training itself.

        A manifest says who is labeled, and so who of the others may choose.
        """
        def again(config: Config) -> Config:
            moved = 0 if config.data.manifest is not None else number
            return configs.change(config, {"data.split_seed": config.data.split_seed + moved,
                                           "train.seed": config.train.seed + 1000 * number})

        return self.changed(again)


def with_starts(runs: Iterable[Run]) -> list[Run]:
    """The runs and those they start from, these first, each once."""
    ordered: dict[Run, None] = {}
    for run in runs:
        ordered |= dict.fromkeys([*with_starts(run.starts_from), run])
    return list(ordered)


RESULTS_FILE = "results.json"


def _read_results(file: Path) -> dict[str, Metrics]:
    """Read results.json; nothing before there is one.

    Raises:
        InputError: it holds something else.
    """
    try:
        found = read_json(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); restore it, or delete it") from error
    if not isinstance(found, dict) or not all(isinstance(metrics, dict) for metrics in found.values()):
        raise InputError(f"{file} does not hold the metrics of trainings by their names; restore it, or delete it")
    return found


class RunsFolder:
    """A folder of runs: where each training lies, and what it has measured.

    A training is known by its config rather than by its folder's name: what was trained before a field was added is
    found under the name that it got then. Where it runs does not matter.

    results.json in it has the last metrics of each run that is done, by `Run.key`: a table goes on from that file
    alone, on another machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.measured: dict[str, Metrics] = _read_results(path / RESULTS_FILE)
        self._names: dict[Run, str] = {}
        self._results: dict[Run, Metrics] = {}

    def find(self, run: Run) -> Path:
        """The folder of a run, or of an equal one that is there under another name."""
        if run not in self._names:
            there = (self.path / run.name).exists()
            self._names[run] = run.name if there else self._known.get(_identity(self.config(run)), run.name)
        return self.path / self._names[run]

    def config(self, run: Run) -> Config:
        """The config with the folders of the runs that it starts from, valid in any working directory."""
        starts = tuple(str(self.find(start)) for start in run.starts_from)
        return _absolute(dataclasses.replace(run.config, train=dataclasses.replace(run.config.train, init_from=starts)))

    def result(self, run: Run) -> Metrics | None:
        """The metrics of a run that is done: those of its last epoch, if the checkpoint of that step is there too, or
        what results.json says of it.
        """
        if run not in self._results:
            found = self._trained(run) or self.measured.get(run.key)
            if found is None:
                return None
            self._results[run] = found
        return self._results[run]

    def is_trained(self, run: Run) -> bool:
        """Whether its checkpoint is here, for others to start from."""
        return self._trained(run) is not None

    def write_results(self, runs: Iterable[Run]) -> None:
        """Write results.json with what is known of these runs, beside what it has of others."""
        self.measured |= {run.key: result for run in runs if (result := self.result(run)) is not None}
        write_text(self.path / RESULTS_FILE, json.dumps(self.measured, indent=1, sort_keys=True) + "\n")

    def _trained(self, run: Run) -> Metrics | None:
        folder = self.find(run)
        metrics = read_metrics(folder)
        if not metrics or metrics[-1]["epoch"] < run.config.train.epochs:
            return None
        there = checkpoints.exists(folder / checkpoints.folder_name(int(metrics[-1]["step"])))
        return metrics[-1] if there else None

    def began_before(self, runs: Iterable[Run]) -> bool:
        """Whether 0.1 has trained some of these here, as it understood their settings, and nothing since."""
        changed = [(run, run.changed(as_0_1_trained)) for run in runs]
        there = [(self.find(run).exists(), self.find(old).exists()) for run, old in changed if old != run]
        return any(old for _, old in there) and not any(new for new, _ in there)

    @functools.cached_property
    def _known(self) -> dict[Config, str]:
        """The names of the runs that are there, by what they have learned; what cannot be read is none."""
        known: dict[Config, str] = {}
        for file in sorted(self.path.glob(f"*/{CONFIG_FILE}")):
            try:
                known.setdefault(_identity(configs.load(file)), file.parent.name)
            except InputError:
                continue
        return known


def _absolute(config: Config) -> Config:
    """The config whose paths do not depend on the working directory."""
    data = dataclasses.replace(config.data, root=str(Path(config.data.root).absolute()))
    return dataclasses.replace(config, data=data, model=config.model.with_absolute_paths())


def _identity(config: Config) -> Config:
    """The config with what it starts from by name: a folder of runs may have been moved."""
    names = tuple(Path(start).name for start in config.train.init_from)
    return _absolute(dataclasses.replace(config, train=dataclasses.replace(config.train, init_from=names)))


def check(runs: list[Run], folder: RunsFolder) -> None:
    """Find a fault in the data or a config before anything starts, in what is not done and starts from nothing.

    Raises:
        InputError: the fault.
    """
    seen = set()
    for run in runs:
        key = run.config.data, run.config.model, run.config.method.name
        if key not in seen and not run.starts_from and folder.result(run) is None:
            seen.add(key)
            prepare(run.config, folder.find(run))
