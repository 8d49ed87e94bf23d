"""The command line: presets, config files and every field of the config as an option, with its help and default."""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import datetime
import functools
import inspect
import io
import itertools
import os
import re
import select
import shlex
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypedDict, TypeVar, cast, get_type_hints

import tyro

from jobs import config as jobs_config
from jobs.cluster.failures import find_mistake
from jobs.cluster.ray_private import is_in_code_of_job
from jobs.cluster.stopping import Stopped, Terminated, end, end_on_signals
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import CONFIG_FILE
from jobs.run_folder.paths import require_length, require_name, require_text, resumed_folder, typed
from trs import presets
from trs.config import METHOD_NAMES, Config
from trs.config.checks import MAY_CHANGE
from trs.config.effects import changed, require_effect
from trs.config.files import MACHINES
from trs.config.training import most_backbones
from trs.errors import InputError, printable
from trs.files import try_to_write
from trs.presets import PRESETS

if TYPE_CHECKING:  # to the type checker a name is a string; the command line knows which ones there are
    PresetName: TypeAlias = str
    MethodName: TypeAlias = str
else:
    PresetName = tyro.extras.literal_type_from_choices(PRESETS)
    MethodName = tyro.extras.literal_type_from_choices(METHOD_NAMES)

Given: TypeAlias = dict[str, Any]
"""The fields of a section that were given on the command line, see `overrides`."""

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
    """Name of the run's folder in --out; by default the preset's name and the time."""
    out: Path = field(default=Path("runs"), metadata=MAY_CHANGE)
    """Folder of the runs; on a cluster, storage that every node sees."""
    resume: str | None = field(default=None, metadata=MAY_CHANGE)
    """Resume the run of this name, or in this folder, under the config that lies there; what does not change what is
    learned may be given anew, such as --data.root and the machines."""
    settings: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)
    cluster: Annotated[ClusterConfig, tyro.conf.arg(name="")] = field(default_factory=ClusterConfig)

    @property
    def job(self) -> Job:
        """The training and its machines."""
        return Job(self.settings, self.cluster)

    @functools.cached_property
    def folder(self) -> Path:
        """The run's folder, absolute; without a name it has the time of the first look."""
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        if self.resume is not None:
            return resumed_folder(self.out, self.resume)
        return (self.out / (self.name or f"{self.title}-{stamp}")).absolute()

    @classmethod
    def resumed(cls, folder: Path) -> dict[str, Any]:
        """The fields of its own, beside the training and its machines, that the folder of a run says."""
        return {}

    @property
    def to_resume(self) -> str:
        """The options that resume the run, as a shell reads them."""
        if self.folder.name.startswith(("-", "~")):  # an option to some, somebody's home to others
            return f"--resume={shlex.quote(str(self.folder))}"
        return f"--resume {shlex.quote(self.folder.name)} --out {shlex.quote(str(self.folder.parent))}"

    @property
    def title(self) -> str:
        """What the settings come from."""
        return self.config.stem if self.config else self.preset


CommandType = TypeVar("CommandType", bound=Command)


def parse(kind: type[CommandType], arguments: list[str], program: str) -> CommandType:
    """Read a command line, each argument once.

    The options that say what to start from (preset, config file, run to resume, method) are taken out first; tyro then
    reads the others, with what was found there for their defaults.

    Raises:
        InputError: a name or a config that does not exist, or a value out of range.
        SystemExit: an option that does not exist, or --help; what there is has been printed.
    """
    arguments = checked_values(arguments)
    first = argparse.ArgumentParser(program, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for option, convert in (("preset", str), ("config", Path), ("method", str), ("resume", str), ("out", Path),
                            ("epochs", int), ("workers", int)):
        first.add_argument(f"--{option}", type=convert)
    chosen, rest = first.parse_known_args(moved_options(arguments))
    start = _starting_job(chosen, rest)
    begun = dataclasses.replace(kind(), settings=start.config, cluster=start.cluster)
    if "resume" in chosen:
        begun = dataclasses.replace(begun, **kind.resumed(resumed_folder(_out_of(chosen), chosen.resume)))
    command = _read_options(kind, rest, program, dataclasses.replace(begun, **vars(chosen)))
    if command.resume is not None:
        _require_kept(command, begun)
    if command.name is not None:
        require_name("--name", command.name)
    require_place(command.folder)
    require_effect(changed(command.settings, start.config), command.settings)
    jobs_config.require_effect(command.cluster, [name for name, value in vars(command.cluster).items()
                                                 if value != getattr(start.cluster, name)])
    return dataclasses.replace(command, settings=_absolute(command.settings))


def _require_kept(command: Command, begun: Command) -> None:
    """Check that a command resumes its run with the settings that this has; others may have been given anew.

    Raises:
        InputError: with the options that may not.
    """
    stored = {"epochs": begun.settings.train.epochs, "workers": begun.settings.train.workers}
    own = [option.name for option in dataclasses.fields(command) if option.init and option.name not in
           ("settings", "cluster", "resume") and not option.metadata.get("may_change")]
    given = [f"--{'no-' if getattr(command, name) is False else ''}{name}".replace("_", "-") for name in own
             if getattr(command, name) not in (getattr(begun, name), stored.get(name, getattr(begun, name)))]
    given += jobs_config.changed_for_good(command.job, begun.job)
    if given:
        raise InputError(f"a resumed run keeps its settings; leave out {', '.join(given)}, or start a new run with "
                         f"--config {shlex.quote(str(command.folder / CONFIG_FILE))}")


def require_place(folder: Path) -> None:
    """Check that results can be written to an absolute folder, and stay there.

    Raises:
        InputError: a submitted job's folder lies in Ray's own copy of the code, or its name is no text or too long.
    """
    require_text(folder)
    require_length("--out", str(folder))
    if is_in_code_of_job(folder):
        raise InputError(f"{folder} lies in Ray's own copy of the submitted code, which other nodes do not see and Ray "
                         "deletes; name with --out a folder on storage that every node sees")


def _read_options(kind: type[CommandType], arguments: list[str], program: str, default: CommandType) -> CommandType:
    """Read the options with tyro, which prints what is wrong with them; a value that a config refuses is a sentence."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            options = tyro.cli(kind, prog=program, args=arguments, default=default,
                               config=(tyro.conf.AvoidSubcommands,))
    except SystemExit as ended:
        error = ended.__context__
        while error is not None and not isinstance(error, InputError):
            error = error.__context__
        if error is not None:
            raise error from None
        sys.stderr.write(printed.getvalue())
        raise
    sys.stderr.write(printed.getvalue())
    return options


ADDRESSES = {"--storage"}
"""The options that name no file."""


def checked_values(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `~` expanded where a shell has not, see `jobs.run_folder.paths.typed`.

    Raises:
        InputError: a value is empty, as one is that a shell takes from a variable which is not set, or is an address
            where there is room for a path.
    """
    option, checked = "an argument", list[str]()
    for argument in arguments:
        name, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        option = name or option
        if not value.strip() and (equals or not name):
            raise InputError(f"{option} is empty: is the shell variable set that it comes from?")
        checked.append(argument if option in ADDRESSES else f"{name}{equals}{typed(option, value)}")
    return checked


def moved_options(arguments: list[str]) -> list[str]:
    """Rewrite the options that had another name in 0.1, and say so in a line each."""
    moved = {f"--train.{no}{name}": f"--{no}{name}" for name in MACHINES for no in ("", "no_")}
    found = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        new = moved.get(f"--{name.removeprefix('--').replace('-', '_')}") if name.startswith("--") else None
        if new is not None:
            new = new.replace("_", "-")
            print(f"note: {name} is now {new}", file=sys.stderr)
        found.append(argument if new is None else new + equals + value)
    return found


def overrides(kind: type, without: Collection[str] = ()) -> Any:
    """A type for the command line whose options are the fields of a dataclass, and whose values are those given.

    A dataclass of options always has a value for each field; of this dictionary it is known which ones were given, to
    be applied to settings that are looked up later, see `trs.config.change`.

    Args:
        kind: the dataclass, with a docstring below each field, which is its help.
        without: fields that are no options.
    """
    body = cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]).body
    helps = {field.target.id: inspect.cleandoc(str(text.value.value)) for field, text in itertools.pairwise(body)
             if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
             and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)}
    hints = get_type_hints(kind)
    options = {field.name: Annotated[hints[field.name], tyro.conf.arg(help=helps.get(field.name))]
               for field in dataclasses.fields(kind) if field.name not in without}
    return TypedDict(kind.__name__, options, total=False)  # type: ignore[operator]  # fields known at run time alone


def dotted(**sections: dict[str, Any]) -> dict[str, Any]:
    """What `overrides` has found, by dotted names: `dotted(data={"root": "x"})` is {"data.root": "x"}."""
    return {f"{section}.{name}": value for section, given in sections.items() for name, value in given.items()}


def _absolute(config: Config) -> Config:
    """Make the paths that workers read absolute, wherever these run."""
    model, train = config.model.with_absolute_paths(), config.train
    starts = tuple(str(Path(folder).absolute()) for folder in train.init_from)
    return dataclasses.replace(config, model=model, train=dataclasses.replace(train, init_from=starts))


def _size_of_demo(given: dict[str, Any], rest: list[str]) -> dict[str, int]:
    """What the demo's numbers are a part of, where the command line says it: people, and how long it trains."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    peek.add_argument("--data.drawn-people", "--data.drawn_people", dest="people")
    peek.add_argument("--data.unlabeled-count", "--data.unlabeled_count", dest="unlabeled")
    peek.add_argument("--train.epochs", dest="epochs")
    peek.add_argument("--train.batch-size", "--train.batch_size", dest="batch")
    peek.add_argument("--train.workers", dest="workers")
    found = vars(peek.parse_known_args(rest)[0]) | {
        name: str(given[name]) for name in ("epochs", "workers") if name in given}
    # What is no such number is told with the other options.
    return {name: int(value) for name, value in found.items() if value.isdecimal() and int(value) > 0}


def _out_of(chosen: argparse.Namespace) -> Path:
    out: Path = getattr(chosen, "out", Command.out)
    return out


def _starting_job(chosen: argparse.Namespace, rest: list[str]) -> Job:
    given: dict[str, Any] = vars(chosen)
    for option, names in (("preset", PRESETS), ("method", METHOD_NAMES)):
        if option in given and given[option] not in names:
            raise InputError(f"there is no {option} {given[option]!r}; there are {', '.join(names)}")
    if "resume" in given:
        return jobs_config.load(resumed_folder(_out_of(chosen), given["resume"]) / CONFIG_FILE)
    job = jobs_config.load(given["config"]) if "config" in given else jobs_config.preset(given.get("preset", "demo"))
    config = job.config
    if "config" not in given and given.get("preset", "demo") == "demo":
        config = presets.demo(**_size_of_demo(given, rest))
    if "method" in given and not isinstance(config.method, METHOD_NAMES[given["method"]]):
        method = METHOD_NAMES[given["method"]]()
        model = dataclasses.replace(config.model, backbones=config.model.backbones[: most_backbones(method)])
        config = dataclasses.replace(config, method=method, model=model)
    # The short forms are defaults of the long ones, so that both are checked together with the rest.
    short = {name: given[name] for name in ("epochs", "workers") if name in given}
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, **short))
    return dataclasses.replace(job, config=config)


_KINDS: dict[str, tuple[Any, ...]] = {
    section: tuple(METHOD_NAMES.values()) if section == "method" else (kind,)
    for section, kind in get_type_hints(Config).items()} | {"cluster": (ClusterConfig,)}
"""The config's sections and that of the machines, and the dataclasses that each may be."""


def as_options(sentence: str, own: type | None = None) -> str:
    """Spell the fields that the library names as options: `data.root` becomes `--data.root`.

    The machines' options have no section. What is written with a value, as in `--space method.mix_count=0..9`, stays.

    Args:
        sentence: of the library's.
        own: dataclass of a command that has no options of a config, and calls those that are like a field by its name.
    """
    def option(match: re.Match[str]) -> str:
        section, name = match.groups()
        if own is not None:
            is_own = name in (field.name for field in dataclasses.fields(own))
            return f"--{name.replace('_', '-')}" if is_own else match.group()
        known = any(field.name == name for kind in _KINDS[section] for field in dataclasses.fields(kind))
        spelled = name.replace("_", "-") if section == "cluster" else f"{section}.{name.replace('_', '-')}"
        return f"--{spelled}" if known else match.group()

    return re.sub(rf"(?<![\w./-])({'|'.join(_KINDS)})\.(\w+)\b(?!=)", option, sentence)


def make_folder(option: str, folder: Path) -> None:
    """Make the folder that an option names, before the work whose results it takes.

    Raises:
        InputError: it cannot be made, or nothing can be written into it for long.
    """
    require_place(folder.absolute())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_to_write(folder / "result")
    except OSError as error:
        reason = "a file is in its way" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise InputError(f"{option}: the folder {printable(str(folder))} cannot be written to: {reason}; name "
                         "another") from error


def require_file(option: str, file: Path) -> None:
    """Check that the file that an option names can be written, before the work whose result it takes.

    Its folder is made.

    Raises:
        InputError: it cannot, or what lies there is no regular file, such as a pipe, which it must not replace.
    """
    make_folder(option, file.parent)
    try:
        try_to_write(file)
    except OSError as error:
        raise InputError(f"{option}: the file {printable(str(file))} cannot be written: {error.strerror}; name "
                         "another") from error


def tell_notes(notes: Iterable[str], own: type | None = None) -> None:
    """Print who was left out of the annotation files, and what these leave open: a line a file; see `as_options`."""
    for note in notes:
        print(f"note: {as_options(note, own)}", flush=True)


def run(main: Callable[[list[str]], None], arguments: list[str], own: type | None = None) -> None:
    """Run a command: a user's mistake ends in one sentence and exit code 2, Ctrl-C in 130, SIGTERM in 143.

    Args:
        main: the command.
        arguments: of it.
        own: see `as_options`.
    """
    _open_standard_streams()
    speak_utf_8()
    end_on_signals()
    try:
        _run_to_reader(main, checked_values(arguments))
    except KeyboardInterrupt:
        end(130)
    except Stopped as stopped:
        end(stopped.code)
    except Terminated as ended:
        print(f"stopped by {ended.number.name}", file=sys.stderr)
        end(128 + ended.number)
    except SystemExit as ended:
        end(ended.code if isinstance(ended.code, int) else 1)
    except Exception as error:
        mistake = find_mistake(error)
        if mistake is None:
            raise
        print(f"error: {as_options(mistake, own)}", file=sys.stderr)
        end(2)


def _open_standard_streams() -> None:
    """Open what the command was started without (`>&-`, a daemon): nobody reads it, and no file may take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (until the end)


def speak_utf_8() -> None:
    """Run the command in UTF-8 whatever the locale is, as Ray, SQLite and TensorBoard do, who would find other files.

    What a terminal has no letters for is escaped.
    """
    if sys.getfilesystemencoding() != "utf-8":
        kept = {"PYTHONIOENCODING": sys.stdout.encoding, **os.environ, "PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], kept)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run_to_reader(main: Callable[[list[str]], None], arguments: list[str]) -> None:
    """Run a command; end quietly where whoever reads its output has seen enough, as in `--help | head`."""
    try:
        try:
            main(arguments)
        finally:  # little output is written here, not before
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        if not _has_lost_its_reader(sys.stdout.fileno()):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _has_lost_its_reader(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
