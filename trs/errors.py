"""The one exception that the command line turns into a sentence instead of a traceback."""


class InputError(ValueError):
    """Something the user can mend: its message is one sentence that names the fault and the remedy."""
