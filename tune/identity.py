"""A search knows itself: its identity lies in its study, not in the name of the folder that it lies in.

    renamed, moved, seen through a link, or from another machine    the same search
    copied                                                          another one, from its first write on

What was trained before a copy was made belongs to both.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna

from jobs.run_folder.suggestion import SUGGESTION_FILE, Suggestion, read_suggestion
from trs.errors import InputError
from tune.place import Elsewhere, holds_study, place_of
from tune.plan import SUPERVISED, TRIALS, trial_name
from tune.space import Values
from tune.storage import own_study, read_study

IDENTITY, HOME, ORIGIN = "identity", "home", "origin"
"""User attributes of the study: who it is, where it was last written, and what it was copied from."""


@dataclass(frozen=True)
class Home:
    """Where a search lies: a rename keeps the inode, a copy has another one."""

    host: str
    path: str
    device: int
    inode: int

    @staticmethod
    def of(folder: Path) -> Home:
        """The folder itself, whatever links lead to it."""
        there = folder.resolve()
        status = there.stat()
        return Home(socket.gethostname(), str(there), status.st_dev, status.st_ino)


def settle(study: optuna.Study, folder: Path) -> tuple[optuna.Study, str | None]:
    """Make a study, opened to be written into, know itself in the folder that it lies in by now.

    Returns: the study to go on with, and what to tell: that it is a copy, and of what.
    """
    attrs, here = study.user_attrs, Home.of(folder)
    if IDENTITY not in attrs:  # new, or begun by 0.1
        study.set_user_attr(IDENTITY, [uuid.uuid4().hex])
    if HOME not in attrs:  # the same, or killed in between
        study.set_user_attr(HOME, dataclasses.asdict(here))
        return study, None
    home = Home(**attrs[HOME])
    if home == here:
        return study, None
    told = None
    elsewhere = isinstance(place_of(folder), Elsewhere)
    if _is_copy(home, here, attrs[IDENTITY], elsewhere):
        study = own_study(study, folder)
        study.set_user_attr(IDENTITY, [uuid.uuid4().hex, *attrs[IDENTITY]])
        study.set_user_attr(ORIGIN, home.path)
        there = home.path if home.host == here.host else f"{home.path} on {home.host}"
        told = f"{folder} is a copy of {there} and goes on as a search of its own"
    study.set_user_attr(HOME, dataclasses.asdict(here))
    return study, told


def identities(study: optuna.Study) -> list[str]:
    """Who a search is, and then whom it was copied from, the last first; none where 0.1 alone has written it."""
    return list(study.user_attrs.get(IDENTITY, []))


def _is_copy(home: Home, here: Home, known: list[str], elsewhere: bool) -> bool:
    """Whether a study that was last written elsewhere has been copied, rather than renamed or moved.

    Args:
        home: where it was last written from.
        here: where it is written from now.
        known: its identities.
        elsewhere: it is in a database, which every machine reaches.
    """
    if elsewhere and home.host != here.host:
        # Storage that both machines see shows them one inode. Else nobody here knows whether the other still goes on,
        # with a lease in a folder of its own: to be a copy harms no search, to share a study would.
        return home.inode != here.inode
    if (home.device, home.inode) == (here.device, here.inode):
        return False
    if home.path == here.path:  # restored, or another machine's view of it; or the original lies beside it, renamed
        return (home.host, home.device) == (here.host, here.device) and _is_beside(home, known)
    if (home.host, home.device) == (here.host, here.device):
        return True  # a rename would have kept the inode
    try:  # moved between file systems it has left its old place
        return identities(read_study(Path(home.path)))[:1] == known[:1]
    except InputError:
        return False
    except PermissionError:  # of somebody else's place nobody sees what is left there: to be a copy harms no search
        return True


def _is_beside(home: Home, known: list[str]) -> bool:
    """Whether the search that was at home there lies in another folder beside it by now."""
    with os.scandir(Path(home.path).parent) as entries:
        beside = [Path(entry.path) for entry in entries if entry.inode() == home.inode]
    try:
        return any(identities(read_study(folder))[:1] == known[:1] for folder in beside)
    except InputError:
        return False


def suggestion_of(known: Sequence[str], name: str, values: Values) -> Suggestion:
    """What a worker is to state in the folder of a trial, or of the reference.

    Args:
        known: the search's `identities`.
        name: the trial's.
        values: of the searched settings.
    """
    return Suggestion(known[0] if known else "", name, values)


def disagreement(written: Suggestion | None, known: Sequence[str], name: str, values: Values) -> str | None:
    """What a run's folder states, if anything, against the study's word for a trial, in a sentence, or None."""
    return None if written is None else suggestion_of(known, name, values).contradicted_by(written, known)


def require_own(run: Path, known: Sequence[str], name: str, values: Values) -> None:
    """Raise an InputError where a run's folder was trained with something else than the study says."""
    fault = disagreement(read_suggestion(run), known, name, values)
    if fault is not None:
        raise InputError(f"{run}: {fault}; study and folder do not belong together: restore both from one copy")


def unknown_to(study: optuna.Study, folder: Path) -> list[str]:
    """The names of the trials that were trained and that a study does not have: it is older than they, or another's."""
    known = {trial_name(trial.number) for trial in study.get_trials(deepcopy=False)}
    trained = (file.parent.name for file in sorted((folder / TRIALS).glob(f"[0-9]*/{SUGGESTION_FILE}")))
    return [name for name in trained if name not in known]


def require_whole(folder: Path, storage: str | None = None) -> None:
    """Refuse to go on with a search whose study is lost or damaged, or tells of other trials than were trained.

    Args:
        folder: of the search.
        storage: the address of a database where its study is by now, if it has moved.

    Raises:
        InputError: with the first trial that contradicts the study.
    """
    runs = folder / TRIALS
    if not any(runs.glob("*")) and (storage is None or not holds_study(folder)):
        return  # killed before its first trial
    study = read_study(folder, storage)
    for trial in study.get_trials(deepcopy=False):
        name = trial_name(trial.number)
        require_own(runs / name, identities(study), name, dict(trial.params))
    require_own(runs / SUPERVISED, identities(study), SUPERVISED, {})
    if unknown := unknown_to(study, folder):
        raise InputError(f"{runs / unknown[0]} was trained, and the study of this search does not know it: it is an "
                         "older copy, or another search's; restore study and folders from one copy")
