"""What the fields of a config may hold, by their annotations, and what they say of themselves to those who compare.

Every number of a config is finite and none is negative: one walk over a dataclass's fields sees to both, so that a new
field has nothing to remember.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import reprlib
import sys
from collections.abc import Callable, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin, get_type_hints

from trs.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SHARED, OWN = {"shared": True}, {"shared": False}
"""Metadata of a field in which trainings that are compared must agree, and of one in which they may differ.

A field without metadata is shared if it is one of the data's, and their own if it is another's.
"""

MAY_CHANGE, KEPT = {"may_change": True}, {"may_change": False}
"""Metadata of a field that a run may be resumed with another value of, and of one that it keeps.

A field without metadata is kept if it is one of what is learned, and may change if it is one of the machines'.
"""

ADDED = {"added": True}
"""Metadata of a field that 0.1 did not have: with its default a training is the one that 0.1 knew."""

Fault = Callable[[object], str | None]
"""Says in words what a value would have to be; None where it is that."""

_SURROGATE = re.compile("[\ud800-\udfff]")

MOST_IMAGES = 4096
"""The largest batch: more images than a device's memory holds."""

_LARGEST = 2**53
"""The largest whole number: further ones are not exact in files that other programs read."""


def within(least: float, most: float = math.inf) -> dict[str, float]:
    """Metadata of a field whose numbers lie between two ends, these included."""
    return {"least": least, "most": most}


def require(condition: bool, message: str) -> None:
    """Refuse a config with an InputError that says this unless the condition holds."""
    if not condition:
        raise InputError(message)


def check_fields(settings: DataclassInstance, section: str) -> None:
    """Check that all fields hold what their annotations say, and finite numbers that are not negative.

    Names among a few, such as those of backbones, are checked where they are read from a file: whoever extends the
    library may hand in names of their own.

    Raises:
        InputError: one does not; the message names it as `section.field`.
    """
    check_values(type(settings), vars(settings), section)


def check_values(kind: type[DataclassInstance], values: Mapping[str, object], section: str) -> None:
    """As `check_fields`, for what a dataclass of this kind is to be made of."""
    for name, fault in _faults(kind):
        needed = fault(values[name])
        if needed is not None:
            raise refusal(f"{section}.{name}", needed, values[name])


def refusal(name: str, needed: str, value: object) -> InputError:
    """What to say of a field that holds something else than it needs."""
    return InputError(f"{name} must be {needed}, got {shown(value)}")


def shown(value: object) -> str:
    """A value of any size and kind, as a message may hold it."""
    try:
        return _brief.repr(value)
    except ValueError:  # Python does not write numbers of many thousand digits
        return "a number of thousands of digits"


_brief = reprlib.Repr()
_brief.maxlevel, _brief.maxlist, _brief.maxtuple, _brief.maxdict = 2, 4, 4, 4
_brief.maxstring = _brief.maxother = _brief.maxlong = 80


@functools.cache
def _faults(kind: type[DataclassInstance]) -> tuple[tuple[str, Fault], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _fault_of(hints[field.name], field.metadata.get("least", 0),
                                        field.metadata.get("most", math.inf))) for field in dataclasses.fields(kind))


def _fault_of(hint: object, least: float, most: float) -> Fault:
    """What a value of this annotation lacks.

    Raises:
        TypeError: there is no rule for the annotation; so no field goes unchecked.
    """
    origin, of = get_origin(hint), get_args(hint)
    if hint is bool:
        return lambda value: None if isinstance(value, bool) else "true or false"
    if hint is int or hint is float:
        return _fault_of_number(hint, least, min(most, _LARGEST if hint is int else sys.float_info.max))
    if hint is str or origin is Literal:
        return _fault_of_text
    if origin is tuple:
        return _fault_of_list(_fault_of(of[0], least, most), None if of[-1] is Ellipsis else len(of))
    if origin in (Union, UnionType) and len(of) == 2 and of[1] is type(None):
        return _fault_or_none(_fault_of(of[0], least, most))
    raise TypeError(f"no rule for a field of the type {hint}")


def _fault_of_number(kind: type[int] | type[float], least: float, most: float) -> Fault:
    def fault(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            return "a whole number such as 6" if kind is int else "a number such as 0.5"
        if least <= value <= most:
            return None
        if value < least:
            return f"at least {least:g}"
        return f"at most {most:.16g}" if kind is int or most < sys.float_info.max else "finite"

    return fault


def _fault_of_text(value: object) -> str | None:
    if not isinstance(value, str):
        return "text, in quotes if it looks like something else"
    unfit = "\0" in value or (not value.isascii() and _SURROGATE.search(value))
    return "text without NUL or lone surrogates" if unfit else None


def _fault_of_list(of_one: Fault, length: int | None) -> Fault:
    def fault(value: object) -> str | None:
        if not isinstance(value, tuple) or length not in (None, len(value)):
            return f"a list{'' if length is None else f' of {length}'}, such as [a, b]"
        needed = next((needed for one in value if (needed := of_one(one)) is not None), None)
        return None if needed is None else f"a list, each of its values {needed}"

    return fault


def _fault_or_none(of_one: Fault) -> Fault:
    def fault(value: object) -> str | None:
        if value is None:
            return None
        return "text, or null, but not empty" if value == "" else of_one(value)

    return fault
