"""Which failure of a training is worth a restart, and what the user can mend about it."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from ray.exceptions import OutOfMemoryError, UserCodeException
from ray.train import UserCallback

from jobs.run_folder.layout import EVENTS_FILE, FAILURES_FILE, MISTAKE_FILE, append_line
from jobs.run_folder.lease import Lost
from trs import checkpoint_folders as checkpoints
from trs.errors import InputError, Interrupted, Unexpected, Unwritable
from trs.files import write_text


class Blame(Enum):
    """What a failure is to be blamed on: settings, and faults of the code, are met again by every try."""

    SETTINGS = "settings"
    MACHINE = "machine"
    """A lost process or node, memory, resources that were waited for in vain."""
    STORAGE = "storage"
    """A full disk, a folder that cannot be written: whatever is tried next would meet it too."""


class OfMachine(InputError):
    """A failure that the settings are not to blame for: the same may end well another time."""


_KINDS: dict[Blame, type[InputError]] = {Blame.STORAGE: Unwritable, Blame.SETTINGS: InputError}
"""What a run ends with that nothing but a person can mend."""


_STORAGE = {errno.ENOSPC: "make room and resume", errno.EDQUOT: "make room and resume",
            errno.EROFS: "choose another --out", errno.EACCES: "let its owner allow that, or name another folder"}
"""What to do about an error of the storage."""


_OWN_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, NotImplementedError,
               RecursionError, TypeError, ValueError)
"""Errors of the code's own, which come again at the same place; a lost machine shows as none of them."""
_NO_MEMORY = ("the machine ran low on memory, and Ray ended some of its processes; smaller batches need less, as do "
              "fewer trials at a time")
_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
"""Escape sequences of a terminal: Ray colors the texts of its errors."""


def find_mistake(error: BaseException | None) -> str | None:
    """Find what a restart would meet again behind an exception, as a sentence, also where Ray has wrapped it.

    That is what the user can mend, and an error that nobody expected at a place that is known.
    """
    for each in _behind(error):
        if isinstance(each, InputError | Unexpected):
            return sentence(each)
        if _is_of_storage(each):
            assert isinstance(each, OSError) and each.errno is not None
            return f"{each.filename or 'the storage'} cannot be written: {each.strerror}; {_STORAGE[each.errno]}"
    return None


def blame(error: BaseException | None) -> Blame:
    """What a failure is to be blamed on, wherever Ray has wrapped it."""
    found: Blame | None = None
    for each in _behind(error):
        if _is_of_storage(each) or isinstance(each, Unwritable):
            return Blame.STORAGE
        if isinstance(each, OfMachine):
            found = Blame.MACHINE
        elif isinstance(each, InputError | Unexpected):
            return found or Blame.SETTINGS
    return found or Blame.MACHINE


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it comes from: of several workers, of a task, of Ray Train's controller."""
    while error is not None:
        yield error
        for failure in getattr(error, "worker_failures", {}).values():
            yield from _behind(failure)
        error = (_inside(error) or getattr(error, "controller_failure", None)
                 or getattr(error, "health_check_failure", None) or error.__cause__)


def _is_of_storage(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _STORAGE


def would_recur(error: BaseException) -> bool:
    """Whether an error that nobody expected is the code's own, rather than the loss of a machine."""
    root = root_of(error)
    # Ray Data raises what comes from its own inside from a SystemException; a machine may have vanished there.
    of_ray_data = root is error and type(error.__cause__).__name__ == "SystemException"
    return isinstance(root, _OWN_FAULTS) and not of_ray_data


def root_of(error: BaseException) -> BaseException:
    """The error of a task that Ray has wrapped, as it was raised there."""
    while (inside := _inside(error)) is not None:
        error = inside
    if isinstance(error, UserCodeException) and error.__cause__ is not None:
        return root_of(error.__cause__)
    return error


def _inside(error: BaseException) -> BaseException | None:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) and cause is not error else None


class Failures(UserCallback):
    """Asked by Ray Train's controller, which would restart the workers whatever they failed from.

    A mistake of the user's would meet every restart again and ends the run, and so would an error of the code's own,
    such as one about a certain image. So do failures that recur from the same checkpoint, at once if they are alike to
    the step; as long as it gets further, a run may lose its machines any number of times.

    Args:
        folder: of the run.
        max_failures: failures in a row, without a newer checkpoint, that a run survives.
    """

    def __init__(self, folder: Path, max_failures: int) -> None:
        self.folder, self.max_failures = folder, max_failures
        self.failures, self.newest = 0, ""
        self.said: list[str] = []

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Note the failure.

        Raises:
            InputError: a restart would meet it again; of its kinds, Unwritable where the storage takes nothing, and
                OfMachine after too many tries.
        """
        errors = list(worker_exceptions.values())
        mistake = next((found for error in errors if (found := find_mistake(error)) is not None), None)
        blamed_on = {blame(error) for error in errors if find_mistake(error) is not None}
        kind = next((_KINDS[each] for each in (Blame.STORAGE, Blame.SETTINGS) if each in blamed_on), OfMachine)
        if mistake is not None and not any(isinstance(root_of(error), InputError | OSError) for error in errors):
            mistake += f" (see {FAILURES_FILE})"
        if mistake is None and not any(isinstance(error, Interrupted) or _preempted(error) for error in errors):
            blamed = blamed_of(errors)
            kind = InputError if would_recur(blamed) else OfMachine
            mistake = (self._count(cause_of(errors), getattr(blamed, "__notes__", [])) if kind is OfMachine else
                       f"{Unexpected.at('in a worker', root_of(blamed))} (see {FAILURES_FILE})")
        if mistake is not None and any(isinstance(root_of(error), Lost) for error in errors):
            raise InputError(mistake)  # the folder is another's
        if mistake is not None:
            with contextlib.suppress(OSError):  # the mistake may be a storage that is full
                if kind is InputError:
                    write_text(self.folder / MISTAKE_FILE, mistake)
                else:
                    append_line(self.folder / EVENTS_FILE, mistake)
            raise kind(mistake)

    def _count(self, cause: str, notes: list[str]) -> str | None:
        """What to say if it is one failure too many.

        Args:
            cause: in a line.
            notes: of the error, if a worker still lived to say after which step it came.
        """
        with contextlib.suppress(OSError):
            append_line(self.folder / EVENTS_FILE, f"the workers failed: {cause}")
        newest, said = self._newest(), [cause, *notes]
        alike = bool(notes) and (newest, said) == (self.newest, self.said)
        self.failures, self.newest, self.said = self.failures + 1 if newest == self.newest else 1, newest, said
        if alike:
            return (f"the training has failed twice alike {notes[0]}, by {cause} (see {FAILURES_FILE}); mend it and "
                    "resume")
        if self.failures <= self.max_failures:
            return None
        return (f"the training has failed {self.failures} times in a row from the same checkpoint, the last time by "
                f"{cause} (see {FAILURES_FILE}); mend it and resume, or raise --max-failures")

    def _newest(self) -> str:
        try:
            return checkpoints.newest(self.folder).name
        except InputError:
            return ""


def blamed_of(errors: Sequence[Exception]) -> Exception:
    """The error that the others come from: when a worker dies, the others fail by its silence."""
    dead: list[Exception] = [error.health_check_failure for error in errors if hasattr(error, "health_check_failure")]
    own = [error for error in errors if would_recur(error)]
    return (*dead, *own, *errors)[0]


def lacked_memory(error: Exception) -> bool:
    """Whether Ray has ended a process because the machine ran low on memory."""
    return any(isinstance(each, OutOfMemoryError) for each in _behind(error))


def cause_of(errors: Sequence[Exception]) -> str:
    """One line for a failure, or for that of several workers."""
    if any(lacked_memory(error) for error in errors):
        return _NO_MEMORY
    error = root_of(blamed_of(errors))
    reasons = [line for line in plain(str(error)).splitlines() if line.startswith("The actor is dead because")]
    if reasons or isinstance(error, Unexpected):
        return reasons[0] if reasons else first_line(error)
    return f"{type(error).__name__}: {first_line(error)}"


def _preempted(error: Exception) -> bool:
    """Whether a worker died with a node that was taken back; Ray tells so as long as the others still run."""
    return bool(getattr(getattr(error, "health_check_failure", error), "preempted", False))


def first_line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return plain(str(error)).strip().partition("\n")[0]


def sentence(error: InputError | Unexpected) -> str:
    """A mistake's own words.

    Ray raises a task's error with the task's traceback for its text, and Ray Data adds lines of advice below it.
    """
    return first_line(root_of(error))


def plain(text: str) -> str:
    """A text without the codes that color it in a terminal."""
    return _CODES.sub("", text)
