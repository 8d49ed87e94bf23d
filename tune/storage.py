"""The database of a search's study: opened, looked at, and refused where it is not what it ought to be."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import optuna

from trs.errors import InputError, printable
from trs.files import open_regular
from tune.halving import Halving
from tune.plan import TRIALS

STUDY_FILE = "study.db"


def open_study(folder: Path, grace_epochs: int, reduction_factor: int) -> optuna.Study:
    """Open the study of a search's folder, new or resumed, to write into; it prunes as ASHA does.

    The folder holds one, whatever its name is by now; the study's own name is that which the search began under.

    Raises:
        InputError: the folder holds something else under the study's name, a damaged one, or trials without one.
    """
    file = folder / STUDY_FILE
    with _told(file):
        if file.exists():
            _require_study(file, may_be_new=True)
        name = _name(file)
        if name is None and any((folder / TRIALS).glob("[0-9]*")):
            raise InputError(f"{file} holds no study, but {folder / TRIALS} holds trials: the study was lost; restore "
                             "it from a copy, or start the search anew under another name")
        study = optuna.create_study(
            storage=address(file), study_name=name or folder.name, direction="maximize", load_if_exists=True,
            pruner=Halving(min_resource=grace_epochs, reduction_factor=reduction_factor))
        study.get_trials(deepcopy=False)
    return study


def read_study(folder: Path) -> optuna.Study:
    """Open an existing study, to look at.

    Raises:
        InputError: there is none, or it is damaged.
    """
    file = folder / STUDY_FILE
    with _told(file):
        _require_study(file)
        name = _name(file)
        if name is None:
            raise InputError(f"{file} holds no search; restore it from a copy")
        study = optuna.load_study(storage=address(file), study_name=name)
        study.get_trials(deepcopy=False)
    return study


def address(file: Path) -> str:
    """The database's address for Optuna, whatever characters its path has: SQLAlchemy and SQLite each unquote once."""
    return f"sqlite:///file:{urllib.parse.quote(urllib.parse.quote(os.fsencode(file.absolute())))}?uri=true"


def _name(file: Path) -> str | None:
    """The name of the one study in a database; None where there is none yet.

    Raises:
        InputError: there are several, and nobody knows whose the trials are.
    """
    names = optuna.get_all_study_names(address(file)) if file.exists() and file.stat().st_size else []
    if len(names) > 1:
        raise InputError(f"{file} holds {len(names)} searches ({', '.join(map(printable, names))}), as a folder did "
                         "that was renamed or copied and then resumed by an earlier version; restore it from a copy "
                         "of before that")
    return names[0] if names else None


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    """Tell in a sentence what the readers of a database stumble upon where it is none, or damaged."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # SQLite's, SQLAlchemy's and Optuna's, and what damaged values lead to
        if "is locked" in str(error):
            raise  # that is not the file's fault
        # SQLAlchemy puts the statement behind its driver's own words, the system the name behind its own.
        said = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        reason = printable(str(said).strip().partition("\n")[0])
        if isinstance(error, RuntimeError) and "version" in reason:
            raise InputError(f"{file} is of another version of Optuna ({reason.partition('. ')[0]}); install that one"
                             ) from error
        raise InputError(f"{file} cannot be read as the study of a search ({reason}); restore it from a copy, or start "
                         "the search anew under another name") from error


_TABLES = {"studies", "study_directions", "trials", "trial_params", "trial_values", "trial_intermediate_values",
           "trial_user_attributes", "trial_system_attributes", "version_info"}
"""What Optuna's database holds, among others."""


def _require_study(file: Path, may_be_new: bool = False) -> None:
    """Raise an error unless a file is a database of Optuna's, which would else make one of whatever it is.

    Args:
        file: that is there.
        may_be_new: whether it may be empty, as a search leaves it that is killed when it begins.
    """
    with open_regular(file) as opened:
        beginning = opened.read(16)
    if may_be_new and not beginning:
        return
    if beginning != b"SQLite format 3\0":
        raise ValueError("it is no database")
    # To be written: a search that was killed may have left a journal.
    address = f"file:{urllib.parse.quote(os.fsencode(file))}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=60)) as database:
        tables = {name for name, in database.execute("select name from sqlite_master where type = 'table'")}
        damage, = next(database.execute("pragma quick_check(1)"))
        if damage != "ok":
            raise ValueError(damage)
        if "studies" not in tables and (tables or not may_be_new):
            raise ValueError("it is a database of something else")
        begun = bool(tables) and database.execute("select count(*) from studies").fetchone() > (0,)
    missing = _TABLES - tables
    if begun and missing:  # Optuna would make them anew, without what they held
        raise ValueError(f"its table {min(missing)} is missing")
