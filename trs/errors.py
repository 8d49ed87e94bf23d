"""What ends a training early: a mistake of the user's, or the loss of a machine."""


class InputError(ValueError):
    """Something the user can mend: its message is one sentence that names the fault and the remedy.

    The command line prints it instead of a traceback.
    """


class Interrupted(Exception):
    """A machine is about to be taken away; the state of the last step is saved."""
