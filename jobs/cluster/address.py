"""Whether a Ray cluster answers where RAY_ADDRESS says, asked before Ray is: Ray would wait a quarter of an hour."""

from __future__ import annotations

import os
import socket
import threading

import ray

from jobs.cluster.ray_private import address_of_here, ask_head
from trs.errors import InputError

ANSWER_SECONDS = 10.0


def joined_address() -> str | None:
    """The cluster that RAY_ADDRESS names; None where a command starts its own. Ray takes an empty one for none too."""
    address = os.environ.get("RAY_ADDRESS")
    return None if address in (None, "", "local") else address


def require_answer(address: str) -> None:
    """Refuse to join a cluster that is not there, or wants a token.

    Args:
        address: host:port of a head, or auto, which Ray looks up by itself.

    Raises:
        InputError: with what to do.
    """
    if address.startswith("http"):
        raise InputError(f"RAY_ADDRESS={address} is the address for submitting jobs: start this with `ray job submit`, "
                         "or unset RAY_ADDRESS to run on this machine")
    if address.startswith("ray://"):
        raise InputError(f"RAY_ADDRESS={address} is the address of Ray Client, through which this does not train: "
                         "submit it with `ray job submit`, or start it on one of the cluster's machines with "
                         "RAY_ADDRESS=auto")
    if address == "local":
        return
    remedy = "start the cluster with `ray start --head`, mend RAY_ADDRESS, or unset it to run on this machine"
    named = f"RAY_ADDRESS={address}"
    if address == "auto":
        try:
            address = address_of_here()
        except ConnectionError as error:
            raise InputError(f"no Ray cluster runs on this machine, as {named} wants it; {remedy}") from error
        named = f"{address}, which {named} finds"
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        raise InputError(f"{named} is no address of a cluster; it is like 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, UnicodeError, OverflowError) as error:  # the latter of names and ports that cannot be
        why = getattr(error, "strerror", None) or error
        raise InputError(f"no Ray cluster answers at {named} ({why}); {remedy}") from error
    _require_head(address, named, remedy)


def _require_head(address: str, named: str, remedy: str) -> None:
    said: list[Exception | None] = []

    def ask() -> None:
        try:
            ask_head(address)
            said.append(None)
        except Exception as error:
            said.append(error)

    asking = threading.Thread(target=ask, daemon=True)  # a head that hangs is waited for without end
    asking.start()
    asking.join(ANSWER_SECONDS)
    if not said:
        raise InputError(f"the head of the cluster at {named} does not answer; look at its machine, or {remedy}")
    if isinstance(said[0], ray.exceptions.AuthenticationError):
        mode = os.environ.get("RAY_AUTH_MODE")
        raise InputError(f"the cluster at {named} wants a token: " + (
            "set RAY_AUTH_MODE=token, and it is taken from ~/.ray/auth_token" if mode != "token" else
            "that in ~/.ray/auth_token, RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH is another one; copy the head's")
        ) from said[0]
    if said[0] is not None:
        raise InputError(f"what answers at {named} is no Ray cluster of this version ({said[0]}); {remedy}"
                         ) from said[0]
