"""Names and paths as people type them: what a shell leaves as it is, and what no program would find again."""

from __future__ import annotations

import os
import re
from pathlib import Path

from jobs.run_folder.layout import CONFIG_FILE
from trs.errors import InputError, printable
from trs.files import LONGEST_NAME, LONGEST_PATH

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*://"
                        r"|(s3[an]?|gs|gcs|hdfs|viewfs|abfss?|wasbs?|azure|az|adl|oss|dbfs|file|https?|s?ftp):/", re.I)
"""Addresses of what is no file system here, as other programs take them for a folder; of known ones a slash is lost."""
_HOME = re.compile(r"~[^/]*(/|$)")


def typed(option: str, value: str) -> str:
    """A value of the command line with the home folder in the place of `~`, which no shell expands in `--out=~/runs`.

    Raises:
        InputError: it is the address of a bucket or of another machine, or the home of somebody who is not known.
    """
    if _ELSEWHERE.match(value):
        raise InputError(f"{option}: {printable(value)} is no path of a file system; name a file or folder here, on a "
                         "cluster one on storage that every node sees, such as a bucket that is mounted there")
    if not _HOME.match(value):
        return value
    path = os.path.expanduser(value)
    if path == value:
        raise InputError(f"{option}: {printable(value)} is nobody's home; for what is really called that, write "
                         f"./{printable(value)}")
    return path


def require_name(option: str, name: str) -> None:
    """Check that a name can be that of a new folder in another one.

    Raises:
        InputError: it cannot.
    """
    path = Path(name)
    if not name.isprintable() or name.startswith("-"):
        raise InputError(f"{option} must be printable and not begin with a dash: {printable(name)}")
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise InputError(f"{option} is the name of a folder in --out, got {name}; name its place with --out")
    require_length(option, name)


def require_length(option: str, name: str) -> None:
    """Raise an InputError where a path, or a part of it, is longer than file systems take."""
    if len(os.fsencode(os.path.abspath(name))) > LONGEST_PATH:
        raise InputError(f"{option} leads to a path longer than {LONGEST_PATH} bytes: {printable(name)}")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(name).parts):
        raise InputError(f"{option} is longer than the {LONGEST_NAME} bytes of a folder's name: {printable(name)}")


def require_text(folder: Path) -> None:
    """Raise an InputError where a folder's name is not in UTF-8: neither Ray nor TensorBoard takes another."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the name of {printable(str(folder))} is not in UTF-8, and Ray takes no other; rename the "
                         "folder") from error


def resumed_folder(out: Path, name: str) -> Path:
    """The folder of a run by its name in `out`, or by a path to it, as a shell completes it; absolute."""
    require_length("--resume", name)
    require_length("--out", str(out))
    named = out / name
    if not (named / CONFIG_FILE).exists() and Path(name, CONFIG_FILE).exists():
        named = Path(name)
    return named.resolve() if ".." in named.parts else named.absolute()  # else the run has no name of its own
