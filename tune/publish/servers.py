"""optuna-dashboard and TensorBoard of a search, served to this machine alone."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trs.errors import InputError
from tune.leaderboard import Leaderboard
from tune.publish.optuna_notes import ARTIFACTS, write_notes
from tune.publish.tensorboard import write_hparams
from tune.report.gallery import Validation
from tune.storage import STUDY_FILE, address

HOST = "127.0.0.1"

_START_SECONDS = 60.0


def refresh(board: Leaderboard, people: Validation) -> None:
    """Bring the notes, and what TensorBoard shows of the trials, up to a search as it is now."""
    write_hparams(board, people)
    write_notes(board)


@contextlib.contextmanager
def serve(folder: Path, optuna_port: int, tensorboard_port: int) -> Iterator[dict[str, str]]:
    """Run both servers of a search while the context lasts, on loopback only; give their addresses by name.

    Raises:
        InputError: one of them does not start.
    """
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    first = _free(optuna_port)
    ports = {"optuna-dashboard": first, "TensorBoard": _free(tensorboard_port if tensorboard_port != first else 0)}
    commands = {
        "optuna-dashboard": ["-c", "from optuna_dashboard._cli import main; main()",
                             address(folder / STUDY_FILE), "--artifact-dir", str(folder / ARTIFACTS), "--quiet"],
        "TensorBoard": ["-m", "tensorboard.main", "--logdir", str(folder), "--reload_interval", "15"]}
    with contextlib.ExitStack() as stack:
        for name, arguments in commands.items():
            server = stack.enter_context(_running([*arguments, "--host", HOST, "--port", str(ports[name])]))
            _wait_for(name, server, ports[name])
        yield {name: f"http://{HOST}:{port}/" for name, port in ports.items()}


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
def _running(arguments: list[str]) -> Iterator[_Server]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=said)
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
            return
        except OSError:
            time.sleep(0.2)
    server.said.seek(0)
    lines = server.said.read().decode(errors="replace").strip().splitlines()
    raise InputError(f"{name} does not start: {lines[-1] if lines else f'no answer for {_START_SECONDS:.0f} s'}")
