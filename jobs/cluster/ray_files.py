"""What Ray keeps on this machine for itself: its temporary folder, and the token that its dashboard asks for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jobs.cluster.ray_private import longest_socket, temporary_folder
from trs.errors import InputError, printable
from trs.files import try_to_write

LONGEST_SOCKET = 107
"""Bytes of the longest path of a socket that Linux takes."""


def require_ray_files() -> None:
    """Check that Ray can start a cluster on this machine, which would else end in the middle of it.

    Raises:
        InputError: its temporary folder has too long a name or cannot be written, or there is no place for its token;
            with the variable to set.
    """
    folder = temporary_folder()
    variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), "RAY_TMPDIR")
    length = len(os.fsencode(longest_socket()))
    if length > LONGEST_SOCKET:
        raise InputError(f"{variable} names too long a path for Ray: its sockets below {printable(str(folder))} have "
                         f"{length} bytes, and {LONGEST_SOCKET} is the most; set RAY_TMPDIR=/tmp")
    _require_writable(folder, "for its sockets and logs", "set RAY_TMPDIR to a folder that can be")
    if os.environ.get("RAY_AUTH_MODE", "token").lower() == "token" and not has_token():
        _require_writable(token_file().parent, "for the token that its dashboard asks for",
                          "set HOME to a folder that can be")


def token_file() -> Path:
    """The file of the token that Ray asks for."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    try:
        return Path(named).expanduser()
    except RuntimeError as error:  # a user that the system does not know
        raise InputError(f"Ray looks for its token in {named}, and nobody knows your home; set HOME to a folder that "
                         "can be written") from error


def has_token() -> bool:
    """Whether there is a token already, so that Ray makes none."""
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or token_file().is_file()


def token_is_exposed() -> bool:
    """Whether other users of this machine can read the token: its file, and all folders on the way to it, let them."""
    file = token_file()
    if os.environ.get("RAY_AUTH_TOKEN") or not file.is_file():
        return False
    modes = [folder.stat().st_mode for folder in file.resolve().parents]
    return any(file.stat().st_mode & read and all(mode & search for mode in modes)
               for read, search in ((stat.S_IRGRP, stat.S_IXGRP), (stat.S_IROTH, stat.S_IXOTH)))


def _require_writable(folder: Path, why: str, remedy: str) -> None:
    """Check that a folder can be written, or be made."""
    nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        try_to_write(nearest / ".trs-probe")
    except OSError as error:
        raise InputError(f"Ray needs {printable(str(folder))} {why}, and {nearest} cannot be written: "
                         f"{error.strerror}; {remedy}") from error
