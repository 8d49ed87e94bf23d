"""A database that another program holds, or that does not answer, is waited for, and that is told."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jobs.cluster.failures import OfMachine
from jobs.run_folder.console import duration
from jobs.run_folder.silence import say
from trs.errors import Unwritable

ATTEMPT_SECONDS, TELL_SECONDS, PATIENCE_SECONDS, HASTE_SECONDS = 5.0, 25.0, 600.0, 5.0
"""SQLite's own patience with a statement; between two lines; until the search is ended, to be resumed; and where a
signal has ended it already."""
_hastens = threading.Event()

_LETS = "make room, or let the folder be written"
_UNWRITABLE: dict[int | None, str] = {
    sqlite3.SQLITE_FULL: "make room", sqlite3.SQLITE_IOERR: "make room", sqlite3.SQLITE_CANTOPEN: _LETS,
    sqlite3.SQLITE_READONLY: _LETS, sqlite3.SQLITE_PERM: _LETS}
"""What SQLite says where a disk has no room or no inode left, or a folder lets nobody write, and what to do."""

Found = TypeVar("Found")


class PatientConnection(sqlite3.Connection):
    """A connection whose statements and commits wait for a lock for minutes.

    One that met a lock has done nothing: Python begins a transaction before its first statement that writes, and what
    only reads lets its lock go again at once, so that no two of these wait for each other.
    """

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:
        super().__init__(database, *arguments, **options)
        self.file = urllib.parse.unquote(database.removeprefix("file:").partition("?")[0])

    def cursor(self, factory: Any = None) -> sqlite3.Cursor:  # type: ignore[override]
        """A cursor that waits."""
        return super().cursor(_PatientCursor)

    def commit(self) -> None:
        """Commit, once nobody reads."""
        _unlocked(self.file, super().commit)


class _PatientCursor(sqlite3.Cursor):
    connection: PatientConnection

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        return _unlocked(self.connection.file, lambda: super(_PatientCursor, self).execute(*arguments))

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        return _unlocked(self.connection.file, lambda: super(_PatientCursor, self).executemany(*arguments))


def _unlocked(file: str, do: Callable[[], Found]) -> Found:
    """Do what waits for ATTEMPT_SECONDS by itself where a database is locked.

    Raises:
        Unwritable: the disk is full, or the folder lets nobody write.
    """
    try:
        return patiently(file, "is locked by another program (a backup, a browser of databases; `fuser` names it)", do,
                         lambda error: _code(error) == sqlite3.SQLITE_BUSY)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_DBMOVED:
            raise Unwritable(f"the study {file} was moved or replaced by another program while it was written; go on "
                             "with --resume") from error
        remedy = _UNWRITABLE.get(_code(error))
        if remedy is None:
            raise
        raise Unwritable(f"the study {file} cannot be written ({error}); {remedy}, and go on with --resume"
                         ) from error


def _code(error: Exception) -> int | None:
    """SQLite's primary code of an error."""
    return error.sqlite_errorcode & 0xFF if isinstance(error, sqlite3.OperationalError) else None


def hasten() -> None:
    """Wait for nothing patiently any more: the command is ending, and may soon be ended."""
    _hastens.set()


@contextlib.contextmanager
def in_haste(at_once: bool = True) -> Iterator[None]:
    """While the context lasts, nothing is waited for patiently, at once or from `hasten` on."""
    if at_once:
        hasten()
    try:
        yield
    finally:
        _hastens.clear()


def patiently(what: str, ails: str, do: Callable[[], Found], passes: Callable[[Exception], bool]) -> Found:
    """Do again and again what may be kept from being done, and tell that every TELL_SECONDS.

    Args:
        what: is waited for, for people.
        ails: it meanwhile.
        do: the work.
        passes: whether an error is of the kind that goes away.

    Raises:
        OfMachine: it has not for PATIENCE_SECONDS, or within `in_haste` for HASTE_SECONDS.
    """
    began = time.monotonic()
    told = began - TELL_SECONDS
    while True:
        try:
            return do()
        except Exception as error:
            if not passes(error):
                raise
            waited = time.monotonic() - began
            if waited > (HASTE_SECONDS if _hastens.is_set() else PATIENCE_SECONDS):
                raise OfMachine(f"{what} {ails}, for {duration(waited)}; mend that, and go on with --resume") from error
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say(f"{what} {ails}, for {duration(waited)} now; it is waited for")
            time.sleep(0.2)
