"""The one check of a config's values, and what a field says of itself to those who compare trainings."""

from __future__ import annotations

from trs.errors import InputError

SHARED, OWN = {"shared": True}, {"shared": False}
"""Metadata of a field in which trainings that are compared must agree, and of one in which they may differ.

A field without metadata is shared if it is one of the data's, and their own if it is another's.
"""


def require(condition: bool, message: str) -> None:
    """Refuse a config with an InputError that says this unless the condition holds."""
    if not condition:
        raise InputError(message)
