"""What ends a training early: a mistake of the user's, or the loss of a machine."""

from enum import Enum


class InputError(ValueError):
    """Something the user can mend: its message is one sentence that names the fault and the remedy.

    The command line prints it instead of a traceback.
    """


class Diverged(InputError):
    """Gradients, weights or poses are NaN or infinite; other settings may keep them finite."""


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
