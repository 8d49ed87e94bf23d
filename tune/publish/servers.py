"""optuna-dashboard and TensorBoard of a search, served to this machine alone."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

from trs.errors import InputError
from tune.leaderboard import Leaderboard
from tune.publish import pages
from tune.publish.guard import TOKEN
from tune.publish.optuna_notes import ARTIFACTS, write_notes
from tune.publish.pages import HOST
from tune.publish.tensorboard import write_hparams
from tune.report.gallery import Validation

_ROOT = Path(__file__).resolve().parents[2]
"""Where `tune` lies, wherever the command was called from."""
_START_SECONDS = 60.0


def refresh(board: Leaderboard, people: Validation) -> None:
    """Bring the notes, and what TensorBoard shows of the trials, up to a search as it is now."""
    write_hparams(board, people)
    write_notes(board)


@contextlib.contextmanager
def serve(folder: Path, optuna_port: int, tensorboard_port: int) -> Iterator[dict[str, str]]:
    """Run both servers of a search while the context lasts, on loopback and behind a secret; give their addresses,
    which have it, by name.

    Raises:
        InputError: one of them does not start.
    """
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    first = _free(optuna_port)
    ports = {"optuna-dashboard": first, "TensorBoard": _free(tensorboard_port if tensorboard_port != first else 0)}
    secret = secrets.token_urlsafe()
    with contextlib.ExitStack() as stack:
        for name, page in (("optuna-dashboard", "optuna"), ("TensorBoard", "tensorboard")):
            arguments = ["-m", pages.__name__, page, str(folder), str(ports[name])]
            _wait_for(name, stack.enter_context(_running(arguments, secret)), ports[name])
        yield {name: f"http://{HOST}:{port}/?{TOKEN}={secret}" for name, port in ports.items()}


def _free(port: int) -> int:
    """Find a free port: this one, or another if somebody listens there."""
    for wanted in (port, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, wanted))
            return int(probe.getsockname()[1])
    raise InputError("no port is free on this machine")


@dataclass(frozen=True)
class _Server:
    """A process, and the file of what it prints."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]


@contextlib.contextmanager
def _running(arguments: list[str], secret: str) -> Iterator[_Server]:
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {pages.SECRET: secret, "PYTHONPATH": path}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=said, env=environment)
        try:
            yield _Server(process, said)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(name: str, server: _Server, port: int) -> None:
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and server.process.poll() is None:
        try:
            asking.open(f"http://{HOST}:{port}/", timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.FORBIDDEN:  # the guard is there
                return
        except OSError:
            time.sleep(0.2)
    server.said.seek(0)
    lines = server.said.read().decode(errors="replace").strip().splitlines()
    raise InputError(f"{name} does not start: {lines[-1] if lines else f'no answer for {_START_SECONDS:.0f} s'}")
