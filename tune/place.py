"""Where the study of a search lies: in a file of its folder, or in a database elsewhere.

    study.db        SQLite, whose locks no network file system keeps
    study.journal   Optuna's journal, on a network file system
    study.json      says which study of which database it is

What is in the folder counts; a new search chooses by the file system that its folder is on, or takes what --storage
says.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import urllib.parse
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna
import psutil
import sqlalchemy
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from jobs.cluster.failures import OfMachine
from trs.errors import InputError, printable
from trs.files import open_regular, read_json, whole_file, write_text
from tune.patience import ATTEMPT_SECONDS, PatientConnection, patiently

STUDY_FILE, JOURNAL_FILE, ELSEWHERE_FILE = "study.db", "study.journal", "study.json"
_NETWORK = {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs",
            "wekafs"}
"""File systems that several machines write to, beside those that a process serves (`fuse.sshfs`, ...)."""


class Place(Protocol):
    """Where a study lies; printed, a name for people."""

    @property
    def name(self) -> str | None:
        """The name of the study there that is the search's; None where it is whichever there is."""
        ...

    def holds(self) -> bool:
        """Whether something lies there."""
        ...

    def require(self, may_be_new: bool) -> None:
        """Raise an error unless Optuna wrote what lies there, before Optuna makes something of it."""
        ...

    def separate(self) -> None:
        """See that nothing else changes when this is written to."""
        ...

    def storage(self) -> optuna.storages.BaseStorage:
        """The storage, for Optuna."""
        ...


@dataclass(frozen=True)
class SqliteFile:
    """A database in the folder."""

    file: Path
    name: None = None

    def __str__(self) -> str:
        return str(self.file)

    def holds(self) -> bool:
        """Whether there is more than an empty file."""
        return _holds(self.file)

    def require(self, may_be_new: bool) -> None:
        """Look into the database."""
        _require_study(self.file, may_be_new)

    def separate(self) -> None:
        """Have a file of its own."""
        _separate(self.file)

    def storage(self) -> optuna.storages.BaseStorage:
        """Optuna's, which waits for locks."""
        return optuna.storages.RDBStorage(self.address(), engine_kwargs={
            "connect_args": {"factory": PatientConnection, "timeout": ATTEMPT_SECONDS}})

    def address(self) -> str:
        """For SQLAlchemy, whatever characters the path has: it and SQLite each unquote once."""
        return f"sqlite:///file:{urllib.parse.quote(urllib.parse.quote(os.fsencode(self.file.absolute())))}?uri=true"


class _WholeLines(JournalFileOpenLock):
    """Held by who appends to a journal; before, what a full disk or a kill has left of a line is taken away.

    Nobody was told that such a line is written, and one that is appended to it could never be read.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def acquire(self) -> bool:
        """Wait for whoever holds it."""
        held = super().acquire()
        try:
            with open(self.path, "ab+") as journal:
                if journal.seek(0, os.SEEK_END) > 0:
                    journal.seek(-1, os.SEEK_END)
                    if journal.read() != b"\n":
                        journal.seek(0)
                        journal.truncate(journal.read().rfind(b"\n") + 1)
        except BaseException:
            self.release()  # nobody else would
            raise
        return held


@dataclass(frozen=True)
class JournalFile:
    """A journal in the folder: lines that are appended while a file beside it is held, which NFS can do."""

    file: Path
    name: None = None

    def __str__(self) -> str:
        return str(self.file)

    def holds(self) -> bool:
        """Whether there is more than an empty file."""
        return _holds(self.file)

    def require(self, may_be_new: bool) -> None:
        """See that it is a file; its lines are read by Optuna, which changes nothing by it."""
        with open_regular(self.file) as opened:
            if not (opened.read(1) in (b"{", b"") if may_be_new else opened.read(1) == b"{"):
                raise ValueError("it is no journal")

    def separate(self) -> None:
        """Have a file of its own."""
        _separate(self.file)

    def storage(self) -> optuna.storages.BaseStorage:
        """Optuna's."""
        path = str(self.file.absolute())
        return optuna.storages.JournalStorage(JournalFileBackend(path, _WholeLines(path)))


@dataclass(frozen=True)
class Elsewhere:
    """A study in a database that is not in the folder.

    url: without a password, which libpq takes from PGPASSWORD or ~/.pgpass.
    name: of the study, for a database holds those of many searches.
    """

    url: sqlalchemy.URL
    name: str

    def __str__(self) -> str:
        return f"study {self.name} of {self.url.render_as_string()}"

    def holds(self) -> bool:
        """What a folder speaks of ought to be there."""
        return True

    def require(self, may_be_new: bool) -> None:
        """Optuna looks by itself whether tables are its own."""

    def separate(self) -> None:
        """Do nothing: a database knows its studies by their names."""

    def storage(self) -> optuna.storages.BaseStorage:
        """Optuna's; once it is there, a database that restarts is waited for as a lock is."""
        patience = {"connect_timeout": 10} if self.url.get_backend_name() == "postgresql" else {}
        storage = optuna.storages.RDBStorage(self.url.render_as_string(),
                                             engine_kwargs={"pool_pre_ping": True, "connect_args": patience})

        def connect(dialect: Any, record: Any, words: Any, options: Any) -> Any:
            return patiently(str(self), "does not answer", lambda: dialect.connect(*words, **options),
                             lambda error: isinstance(error, dialect.dbapi.OperationalError))

        def tell(context: Any) -> None:
            if context.is_disconnect and not context.is_pre_ping:
                context.chained_exception = OfMachine(f"{self} was lost while it was written to; go on with --resume")

        sqlalchemy.event.listen(storage.engine, "do_connect", connect)
        sqlalchemy.event.listen(storage.engine, "handle_error", tell)
        return storage

    def write(self, folder: Path) -> None:
        """Note in a folder where its study is."""
        write_text(folder / ELSEWHERE_FILE, json.dumps({"url": self.url.render_as_string(), "study": self.name}))


def place_of(folder: Path, wanted: str | None = None) -> Place:
    """Where the study of a search lies, or would.

    Args:
        folder: of the search.
        wanted: the address of a database, as SQLAlchemy writes it, for a new search; or, for one that lies there, with
            the name that its machine has by now.

    Raises:
        InputError: an address that is none, or for a search whose study lies in its folder.
    """
    noted = folder / ELSEWHERE_FILE
    if noted.exists():
        url, name = _noted(noted)
        return Elsewhere(url if wanted is None else url_of(wanted), name)
    inside = next((place for place in (SqliteFile(folder / STUDY_FILE), JournalFile(folder / JOURNAL_FILE))
                   if place.file.exists()), None)
    if inside is not None:
        if wanted is not None:
            raise InputError(f"the study of this search is {inside}; leave out --storage")
        return inside
    if wanted is not None:
        return Elsewhere(url_of(wanted), new_name(folder))
    mounted = ((Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True))
    on_network = is_of_network(file_system_of(folder.resolve(), mounted))
    return JournalFile(folder / JOURNAL_FILE) if on_network else SqliteFile(folder / STUDY_FILE)


def new_name(folder: Path) -> str:
    """A name for the study of a folder among those of a database."""
    return f"{folder.name}-{uuid.uuid4().hex[:8]}"


def holds_study(folder: Path) -> bool:
    """Whether a folder is that of a search which has begun."""
    return any((folder / name).exists() for name in (STUDY_FILE, JOURNAL_FILE, ELSEWHERE_FILE))


def _holds(file: Path) -> bool:
    return file.exists() and not (file.is_file() and file.stat().st_size == 0)  # a pipe's size is 0 as well


def _separate(file: Path) -> None:
    """Give a name a file of its own, where `cp -al`, `cp -as` or a backup has linked it with another name's."""
    if file.is_symlink() or file.stat().st_nlink > 1:
        with whole_file(file) as partial:
            shutil.copyfile(file, partial)


def file_system_of(folder: Path, mounted: Iterable[tuple[Path, str]]) -> str:
    """The type of the file system that a folder is on, of those that are mounted and where."""
    above = [(len(where.parts), number, kind) for number, (where, kind) in enumerate(mounted)
             if folder.is_relative_to(where)]
    return max(above)[2] if above else ""  # of two at one place the later lies above


def is_of_network(file_system: str) -> bool:
    """Whether other machines may write to a file system of this type, whose locks they do not see."""
    return file_system in _NETWORK or file_system.startswith("fuse.")


def url_of(text: str) -> sqlalchemy.URL:
    """The address of a database; PostgreSQL's is spoken to by the driver that the extra `postgresql` brings.

    A password goes to where libpq looks for it, and into no file.

    Raises:
        InputError: it is none, or one that no search can share.
    """
    try:
        url = sqlalchemy.make_url(text)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        url.get_dialect()
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # also of a database that is not known, or such a port
        raise InputError("--storage is the address of a database, such as postgresql://user@host/name") from error
    password = url.password if url.password is not None else url.query.get("password")
    if password is not None:
        os.environ["PGPASSWORD"] = str(password)
        query = {name: value for name, value in url.query.items() if name != "password"}
        url = sqlalchemy.URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)
    if url.get_backend_name() == "sqlite":
        raise InputError("--storage is for a database elsewhere, such as postgresql://user@host/name; without it the "
                         "study is a file in the search's folder")
    return url


def _noted(file: Path) -> tuple[sqlalchemy.URL, str]:
    try:
        content = read_json(file)
        return sqlalchemy.make_url(content["url"]), str(content["study"])
    except (OSError, ValueError, TypeError, KeyError, sqlalchemy.exc.ArgumentError) as error:
        raise InputError(f"{file} does not say where the study of the search is ({printable(str(error))}); restore it "
                         "from a copy") from error


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
    # Not to be read alone: a search that was killed may have left a journal.
    address = f"file:{urllib.parse.quote(os.fsencode(file))}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, uri=True, factory=PatientConnection,
                                            timeout=ATTEMPT_SECONDS)) as database:
        def select(what: str) -> list[Any]:
            return database.cursor().execute(what).fetchall()

        tables = {name for name, in select("select name from sqlite_master where type = 'table'")}
        (damage,), *_ = select("pragma quick_check(1)")
        if damage != "ok":
            raise ValueError(damage)
        if "studies" not in tables and (tables or not may_be_new):
            raise ValueError("it is a database of something else")
        begun = bool(tables) and select("select count(*) from studies") > [(0,)]
    missing = _TABLES - tables
    if begun and missing:  # Optuna would make them anew, without what they held
        raise ValueError(f"its table {min(missing)} is missing")
