"""The command line: presets, config files and every field of the config as an option, with its help and default."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from jobs.cluster.failures import find_mistake
from jobs.cluster.stopping import Stopped
from jobs.run_folder.layout import CONFIG_FILE
from trs import config as configs
from trs.config import METHOD_NAMES, Config
from trs.errors import InputError
from trs.presets import PRESETS, demo

PresetName = Literal["demo", "coco-1k", "coco-5k", "coco-10k", "coco-1k-resnet50", "coco-5k-resnet50",
                     "coco-10k-resnet50", "coco-5k-mixed", "coco-wild", "coco-wild-resnet101", "coco-wild-hrnet-w48",
                     "mpii-1k", "mpii-aic", "lspet", "lspet-small"]
MethodName = Literal["trs", "supervised", "pseudo_pose", "data_distill", "single", "dual", "sspcm", "mean_teacher",
                     "fixmatch"]


@dataclass(frozen=True)
class Command:
    """Train one method on one dataset, on as many workers as asked for."""

    preset: PresetName = "demo"
    """Which settings to start from; the options below change single ones."""
    config: Path | None = None
    """A config.yaml or best.yaml to start from instead of a preset."""
    method: MethodName | None = None
    """Another method, with its default settings."""
    epochs: int | None = None
    """Short for --train.epochs."""
    workers: int | None = None
    """Short for --train.workers."""
    name: str | None = None
    """Name of the run's folder; by default the preset's name and the time."""
    out: Path = Path("runs")
    """Folder of the runs; on a cluster, storage that every node sees."""
    resume: str | None = None
    """Go on with the run of this name, under the config that lies in its folder."""
    settings: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)

    @property
    def folder(self) -> Path:
        """The run's folder, absolute."""
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        return (self.out / (self.resume or self.name or f"{self.title}-{stamp}")).absolute()

    @property
    def title(self) -> str:
        """What the settings come from."""
        return self.config.stem if self.config else self.preset


CommandType = TypeVar("CommandType", bound=Command)


def parse(kind: type[CommandType], arguments: list[str], program: str) -> CommandType:
    """Read a command line.

    The starting settings (preset, config file, run to resume, method) are looked up first; then every option is read
    with them as its default.

    Raises:
        InputError: a name or a config that does not exist, or a value out of range.
        SystemExit: an option that does not exist, or --help; tyro has printed what there is.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("preset", "config", "method", "resume", "out", "epochs", "workers"):
        first.add_argument(f"--{option}")
    chosen, _ = first.parse_known_args(arguments)
    start = _starting_config(chosen)
    command = tyro.cli(kind, prog=program, args=arguments, default=dataclasses.replace(kind(), settings=start),
                       config=(tyro.conf.AvoidSubcommands,))
    if command.resume and (command.settings != start or _given(command)):
        raise InputError(f"a resumed run keeps its settings; leave out {', '.join(_given(command)) or 'the others'}, "
                         f"or start a new run with --config {command.folder / CONFIG_FILE}")
    return dataclasses.replace(command, settings=_absolute(command.settings))


def _absolute(config: Config) -> Config:
    """The files that workers read, wherever these run."""
    model, train = config.model, config.train
    if model.pretrained is not None and Path(model.pretrained).is_file():
        model = dataclasses.replace(model, pretrained=str(Path(model.pretrained).absolute()))
    starts = tuple(str(Path(folder).absolute()) for folder in train.init_from)
    return dataclasses.replace(config, model=model, train=dataclasses.replace(train, init_from=starts))


def _given(command: Command) -> list[str]:
    """Options beside the settings that differ from their default and would change what a run is."""
    free = {"resume", "out", "settings", "concurrent"}
    return [f"--{option.name.replace('_', '-')}" for option in dataclasses.fields(command)
            if option.name not in free and getattr(command, option.name) != option.default]


def _starting_config(chosen: argparse.Namespace) -> Config:
    if chosen.resume:
        return configs.load(Path(chosen.out or "runs") / chosen.resume / CONFIG_FILE)
    # A preset that does not exist is tyro's to refuse, with the list of those that do.
    preset = PRESETS.get(chosen.preset or "demo", demo)
    config = configs.load(Path(chosen.config)) if chosen.config else preset()
    if chosen.method in METHOD_NAMES and not isinstance(config.method, METHOD_NAMES[chosen.method]):
        config = dataclasses.replace(config, method=METHOD_NAMES[chosen.method]())
    # The short forms are defaults of the long ones, so that both are checked together with the rest.
    short: dict[str, Any] = {
        name: int(given) for name in ("epochs", "workers") if (given := getattr(chosen, name) or "").isdigit()}
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **short))


def run(main: Callable[[list[str]], None], arguments: list[str]) -> None:
    """Run a command: a user's mistake ends in one sentence and exit code 2, Ctrl-C in 130, SIGTERM in 143."""
    try:
        _run_to_reader(main, arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    except Stopped as stopped:
        sys.exit(stopped.code)
    except Exception as error:
        mistake = find_mistake(error)
        if mistake is None:
            raise
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)


def _run_to_reader(main: Callable[[list[str]], None], arguments: list[str]) -> None:
    """Run a command; end quietly where whoever reads its output has seen enough, as in `--help | head`."""
    try:
        main(arguments)
    except BrokenPipeError:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        raise
