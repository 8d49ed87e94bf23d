"""One command at a time holds a run's or a search's folder.

The holder writes down who it is, and every few seconds that it still is: a heart that beats. Who finds a lease looks
for its process, if that is of this machine, or else whether its heart beats. A holder that was suspended for so long
that another command has taken over finds that out before it writes anything more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from trs.errors import InputError, printable
from trs.files import read_json, write_text

LEASE_FILE, _LOCK_FILE = "lease.json", ".lease.lock"
BEAT_SECONDS = 5.0
"""Between two beats. A heart that has not beaten while somebody watched it for PATIENCE_SECONDS has stopped."""
PATIENCE_SECONDS = 30.0


class Lost(InputError):
    """Another command holds the folder by now."""


@dataclass(frozen=True)
class Holder:
    """Who holds a folder.

    host: the machine's name.
    machine: what tells it from others of that name, and from itself before it was started again.
    process: its number, and when it `began`, in ticks since the machine's start: a clock that is set moves none.
    since: when it took the folder, for people.
    path, inode: of the folder. In a copy both are others, and the lease is nobody's; on another machine the path may be
        another one, and where a bucket is mounted the inode.
    token: known to it alone.
    beat: counts up.
    ended: it holds the folder no more, and says so to one that it has taken over from and that may wake up.
    """

    host: str
    machine: str
    process: int
    began: int
    since: str
    path: str
    inode: int
    token: str
    beat: int = 0
    ended: bool = False

    @staticmethod
    def of_here(folder: Path) -> Holder:
        """This process, about to hold a folder."""
        now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
        return Holder(socket.gethostname(), _machine(), os.getpid(), _began(os.getpid()), now,
                      str(folder.resolve()), folder.stat().st_ino, secrets.token_hex(8))

    def __str__(self) -> str:
        """For people."""
        return f"process {self.process} on {printable(self.host)}, since {printable(self.since)}"

    @property
    def is_of_here(self) -> bool:
        """Whether it is a process of this machine."""
        return (self.host, self.machine) == (socket.gethostname(), _machine())

    @property
    def runs(self) -> bool | None:
        """Whether its process runs; None where that cannot be seen: on another machine, and while it is suspended."""
        if self.ended:
            return False
        if not self.is_of_here:
            return None
        try:
            process = psutil.Process(self.process)
            if _began(self.process) != self.began or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return None if process.status() == psutil.STATUS_STOPPED else True
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            # Where /proc hides others' processes (hidepid), as on login nodes, the first one of all is hidden too.
            return False if Path("/proc/1").exists() else None


def _began(process: int) -> int:
    """When a process began: field 22 of proc(5)'s stat, whose second, in brackets, may hold anything."""
    return int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[19])


def _machine() -> str:
    """Linux's number of this start of the machine, and of the processes' names for one another, as a container has."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.stat('/proc/self/ns/pid').st_ino}"


@dataclass(frozen=True)
class Lease:
    """What a command holds; it travels to its workers, and is asked before everything that any of them writes."""

    folder: Path
    holder: Holder

    @property
    def is_lost(self) -> bool:
        """Whether another command has taken the folder over, or it is gone; a lease that was deleted comes again."""
        if _is_gone(self.folder, self.holder):
            return True
        found = read(self.folder)
        return found is not None and found.token != self.holder.token

    def require(self) -> None:
        """Raise an error unless the folder is still held.

        Raises:
            Lost: with what has become of it.
        """
        if self.is_lost:
            raise Lost(_sentence(self.folder, self.holder))


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[Lease]:
    """Hold a folder while the context lasts; what it has made for that goes again where nothing was begun.

    Raises:
        InputError: another command holds it, or one that it lies in, or one that lies in it; or it cannot be made.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder} cannot be made: a file, or a link that leads nowhere, is in its way; name another "
                         "place with --out") from error
    try:
        _require_apart(folder)
        before = read(folder)
        lease, ended = Lease(folder, _taken(folder)), threading.Event()
        try:
            _require_apart(folder)  # once more: of two that begin this moment each has seen nobody
        except InputError:
            _let_go(lease, tell=before is not None)
            raise
        beating = threading.Thread(target=_beat, args=(lease, ended), daemon=True)
        beating.start()
        try:
            with _inode_kept(folder):
                yield lease
        finally:
            ended.set()
            beating.join()
            _let_go(lease, tell=before is not None)
    finally:
        with contextlib.suppress(OSError):  # something has begun there, or beside it
            for each in made:
                each.rmdir()


@contextlib.contextmanager
def _inode_kept(folder: Path) -> Iterator[None]:
    """A folder that is open keeps its inode; where a bucket is mounted one that nobody has open may get another."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_gone(folder: Path, holder: Holder) -> bool:
    """Whether a folder that was taken lies elsewhere by now, whatever has been put in its place: a copy, or by Ray.

    Other machines may see it under another inode, and are content with its path.
    """
    try:
        inode = folder.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return True
    return holder.is_of_here and inode != holder.inode


def _taken(folder: Path) -> Holder:
    """`take`, where somebody may be allowed to read a folder alone."""
    try:
        return take(folder)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise InputError(f"{folder} can be read and not written ({error.strerror}); let it be written, or copy the "
                         "folder and name the copy") from error


def _let_go(lease: Lease, tell: bool) -> None:
    """Hold a folder no more, and leave word of it where a former holder may wake up."""
    with contextlib.suppress(OSError, InputError):
        if lease.is_lost:
            return
        with _alone(lease.folder):
            if lease.is_lost:
                return  # since this moment
            if tell:
                _write(lease.folder, dataclasses.replace(lease.holder, ended=True))
            else:
                (lease.folder / LEASE_FILE).unlink()
                (lease.folder / _LOCK_FILE).unlink()


def _beat(lease: Lease, ended: threading.Event) -> None:
    beats = 0
    while not ended.wait(BEAT_SECONDS):
        beats += 1
        with contextlib.suppress(OSError, InputError):  # a full disk ends nothing, nor does a storage that stumbles
            if lease.is_lost:  # before the lock is made anew where nobody is
                return
            with _alone(lease.folder):
                if lease.is_lost:
                    return  # since this moment
                _write(lease.folder, dataclasses.replace(lease.holder, beat=beats))


def require_new(folder: Path, to_resume: str) -> None:
    """Refuse a folder that is there already.

    Args:
        folder: of a run that is to begin.
        to_resume: the options that resume what lies there.

    Raises:
        InputError: it says who holds it, or how to go on with it.
    """
    if not folder.exists():
        return
    holder = read(folder)
    if holder is not None and holder.runs:
        raise InputError(f"{folder} is held by {holder}; wait for its end, or choose another --name")
    if (folder / LEASE_FILE).exists() and {each.name for each in folder.iterdir()} <= {LEASE_FILE, _LOCK_FILE}:
        return  # nothing was begun: a command was killed that had just taken it
    raise InputError(f"{folder} exists already: resume it with {to_resume}, or choose another --name")


def take(folder: Path) -> Holder:
    """Take a folder whose holder, if it had one, has died.

    Raises:
        InputError: it is held.
    """
    before = read(folder)
    if before is not None and _lives(folder, before):
        raise InputError(f"{folder} is held by {before}; wait for its end, or end it")
    with _alone(folder):
        if read(folder) != before:
            raise InputError(f"{folder} was taken this moment by another command; wait for its end, or end it")
        mine = Holder.of_here(folder)
        _write(folder, mine)
    return mine


def read(folder: Path) -> Holder | None:
    """Who a folder says it is held by; nobody in a copy of a folder that was held."""
    try:
        content = read_json(folder / LEASE_FILE)
        holder = Holder(**content)
        if not all(type(getattr(holder, field.name)).__name__ == field.type for field in dataclasses.fields(holder)):
            return None
    except (OSError, ValueError, TypeError):  # none, or cut short by a disk that was full
        return None
    is_copy = holder.path != str(folder.resolve()) and holder.inode != folder.stat().st_ino
    return None if is_copy else holder


def _sentence(folder: Path, lost: Holder) -> str:
    """Why a holder has lost its folder."""
    if _is_gone(folder, lost):
        return f"{folder} is gone: it was moved or deleted; resume it from where it lies now"
    holder = read(folder)
    taken = "nobody holds it now" if holder is None or holder.ended else f"it is held by {holder}"
    return f"{folder} was taken over while this command was suspended: {taken}; this command writes nothing more"


def _require_apart(folder: Path) -> None:
    """Refuse a run of a search that is held, and a search of which a run is held: both would write the same files."""
    below = {file.parent for pattern in ("*", "*/*", "*/*/*") for file in folder.glob(f"{pattern}/{LEASE_FILE}")}
    for other in (*folder.resolve().parents[:3], *sorted(below)):
        holder = read(other)
        mine = holder is not None and holder.is_of_here and holder.process == os.getpid()
        if holder is not None and not mine and _lives(other, holder):
            raise InputError(f"{other} is held by {holder}; wait for its end, or end it")


def _lives(folder: Path, holder: Holder) -> bool:
    if holder.runs is not None:
        return holder.runs
    print(f"{folder} is held by {holder}; for {PATIENCE_SECONDS:.0f} s a sign of life is waited for", flush=True)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if read(folder) != holder:
            return read(folder) is not None
        time.sleep(0.2)
    return False


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other command takes the folder meanwhile, or writes its beat, which takes either of them a moment.

    Raises:
        InputError: another one does for long: it was suspended at it.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        with (folder / _LOCK_FILE).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
                continue
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
                    raise
                raise InputError(f"{folder} lies on storage that locks no files ({error.strerror}); mount it with "
                                 "locks (Lustre: -o flock), or name another place") from error
            if _is_at(file, folder / _LOCK_FILE):  # else the holder before has taken it away with its lease
                yield
                return
    if (holder := read(folder)) is None:
        raise InputError(f"{folder / _LOCK_FILE} is locked by another program (`fuser` names it); end that")
    raise InputError(f"{folder} is held by {holder}, which is suspended while it writes that down; end it")


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write(folder: Path, holder: Holder) -> None:
    write_text(folder / LEASE_FILE, json.dumps(dataclasses.asdict(holder)))
