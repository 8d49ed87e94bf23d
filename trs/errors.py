"""What ends a training early: a mistake of the user's, or the loss of a machine."""

from enum import Enum

_LONGEST = 300
"""Characters of a name in a message."""


class InputError(ValueError):
    """Something the user can mend: its message is one sentence that names the fault and the remedy.

    The command line prints it instead of a traceback.
    """


class Unwritable(InputError):
    """The storage is full, or cannot be written: the same goes on once that is mended."""


def printable(text: str) -> str:
    """A name from elsewhere, as a message may hold it: on one line, without control characters, not endless."""
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
                    for letter in text[:_LONGEST])
    return shown + ("..." if len(text) > _LONGEST else "")


class Diverged(InputError):
    """Gradients, weights or poses are NaN or infinite; other settings may keep them finite."""


class Unexpected(Exception):
    """A fault of the code's own that would come again at the same place; the message is a sentence that names it.

    A restart would meet it again, so it is told at once.
    """

    @classmethod
    def at(cls, place: str, error: BaseException) -> "Unexpected":
        """Tell an error that nobody expected, and where it was met."""
        said = printable(str(error).strip().partition("\n")[0])
        return cls(f"unexpected {type(error).__name__} {place}{f': {said}' if said else ''}")


class Interruption(Enum):
    """Why a training ends before its last step, the stronger reason first."""

    STOP = "a stop was asked for"
    LEAVE = "a machine is about to be taken away"


class Interrupted(Exception):
    """A training was interrupted after a step; its state is saved.

    stop: whether it is to stop for good, and not only to leave a machine that is about to be taken away.
    """

    def __init__(self, step: int, stop: bool) -> None:
        super().__init__(step, stop)
        self.step, self.stop = step, stop

    def __str__(self) -> str:
        return f"interrupted after step {self.step}, whose state is saved"
