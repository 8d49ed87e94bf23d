"""The one check of a config's values."""

from __future__ import annotations

from trs.errors import InputError


def require(condition: bool, message: str) -> None:
    """Refuse a config with an InputError that says this unless the condition holds."""
    if not condition:
        raise InputError(message)
