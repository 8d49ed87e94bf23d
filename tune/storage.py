"""The study of a search: opened, looked at, and refused where it is not what it ought to be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import optuna

from trs.errors import InputError, printable
from tune.halving import Halving
from tune.place import Elsewhere, Place, new_name, place_of
from tune.plan import TRIALS


def open_study(folder: Path, grace_epochs: int, reduction_factor: int, wanted: str | None = None) -> optuna.Study:
    """Open the study of a search's folder, new or resumed, to write into; it prunes as ASHA does.

    The folder holds one, whatever its name is by now; the study's own name is that which the search began under.

    Args:
        folder: of the search.
        grace_epochs: that each trial runs.
        reduction_factor: of the halving.
        wanted: the address of a database, see `tune.place.place_of`.

    Raises:
        InputError: the folder holds something else under the study's name, a damaged one, or trials without one; or a
            database that does not answer.
    """
    place = place_of(folder, wanted)
    with _told(place):
        name = None
        if place.holds():
            place.require(may_be_new=True)
            place.separate()
            name = _name(place, place.storage())
        if name is None and any((folder / TRIALS).glob("*")):
            raise InputError(f"{place} holds no study, but {folder / TRIALS} holds trials: the study was lost; restore "
                             "it from a copy, or start the search anew under another name")
        if isinstance(place, Elsewhere):
            place.write(folder)  # before it is there: who is killed in between finds it again
        study = optuna.create_study(
            storage=place.storage(), study_name=name or place.name or folder.name, direction="maximize",
            load_if_exists=True, pruner=Halving(min_resource=grace_epochs, reduction_factor=reduction_factor))
        study.get_trials(deepcopy=False)
    return study


def require_reachable(folder: Path, wanted: str | None) -> None:
    """Refuse a database elsewhere that does not answer, before anything starts.

    Raises:
        InputError: with the remedy.
    """
    place = place_of(folder, wanted)
    if isinstance(place, Elsewhere):
        with _told(place):
            place.storage()


def is_begun(folder: Path, wanted: str | None = None) -> bool:
    """Whether there is a study yet: what was killed, or met a full disk, while it was made has none or an empty file.

    Args:
        folder: of the search.
        wanted: the address of a database where it is, or is to be.

    Raises:
        InputError: it is damaged, or out of reach.
    """
    place = place_of(folder, wanted)
    if not place.holds():
        return False
    with _told(place):
        place.require(may_be_new=True)
        return _name(place, place.storage()) is not None


def read_study(folder: Path, wanted: str | None = None) -> optuna.Study:
    """Open an existing study, to look at.

    Args:
        folder: of the search.
        wanted: the address of a database where it is by now, if it has moved.

    Raises:
        InputError: there is none, or it is damaged.
    """
    place = place_of(folder, wanted)
    with _told(place):
        place.require(may_be_new=False)
        storage = place.storage()
        name = _name(place, storage)
        if name is None:
            raise InputError(f"{place} holds no search; restore it from a copy")
        study = optuna.load_study(storage=storage, study_name=name)
        study.get_trials(deepcopy=False)
    return study


def own_study(study: optuna.Study, folder: Path) -> optuna.Study:
    """The study that a copy of a search's folder goes on with: one in a database elsewhere is the original's.

    Args:
        study: that the copy speaks of.
        folder: of the copy.
    """
    place = place_of(folder)
    if not isinstance(place, Elsewhere):
        return study
    own, storage = Elsewhere(place.url, new_name(folder)), place.storage()
    optuna.copy_study(from_study_name=place.name, from_storage=storage, to_storage=storage, to_study_name=own.name)
    own.write(folder)
    return optuna.load_study(storage=own.storage(), study_name=own.name, pruner=study.pruner)


def _name(place: Place, storage: optuna.storages.BaseStorage) -> str | None:
    """The name of the search's study in a storage; None where there is none yet.

    Raises:
        InputError: there are several, and nobody knows whose the trials are.
    """
    names = optuna.get_all_study_names(storage)
    if place.name is not None:
        return place.name if place.name in names else None
    if len(names) > 1:
        raise InputError(f"{place} holds {len(names)} searches ({', '.join(map(printable, names))}), as a folder did "
                         "that was renamed or copied and then resumed by an earlier version; restore it from a copy "
                         "of before that")
    return names[0] if names else None


@contextlib.contextmanager
def _told(place: Place) -> Iterator[None]:
    """Tell in a sentence what the readers of a study stumble upon where it is none, damaged or out of reach."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{place} needs a driver that is not installed ({error}); for PostgreSQL: pip install "
                         "'trs[postgresql]'") from error
    except Exception as error:  # SQLite's, SQLAlchemy's and Optuna's, and what damaged values lead to
        # SQLAlchemy puts the statement behind its driver's own words, the system the name behind its own.
        said = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        reason = printable(str(said).strip().partition("\n")[0])
        if isinstance(error, RuntimeError) and "version" in reason:
            raise InputError(f"{place} is of another version of Optuna ({reason.partition('. ')[0]}); install that one"
                             ) from error
        if isinstance(place, Elsewhere):
            raise InputError(f"{place} cannot be reached ({reason}); see that the database runs, and that PGPASSWORD "
                             "or ~/.pgpass has its password") from error
        raise InputError(f"{place} cannot be read as the study of a search ({reason}); restore it from a copy, or "
                         "start the search anew under another name") from error
