"""A process that serves one of a search's pages, guarded: `python -m tune.publish.pages optuna FOLDER PORT`."""

from __future__ import annotations

import os
import socketserver
import sys
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tune.place import place_of
from tune.publish.guard import Application, Guard, keeping_the_study
from tune.publish.optuna_notes import ARTIFACTS

SECRET = "TRS_PAGES_SECRET"
"""The variable of the environment that holds the secret: other users see a command's words, and not this."""
HOST = "127.0.0.1"


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing of single requests."""


def serve(application: Application, port: int, secret: str) -> None:
    """Serve an application on loopback, to whoever knows the secret, until the process ends."""
    guard = Guard(application, port, secret)
    with make_server(HOST, port, guard, _Server, _Quiet) as server:
        server.serve_forever()


def serve_optuna(folder: Path, port: int, secret: str) -> None:
    """Serve optuna-dashboard of a search."""
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi

    dashboard = wsgi(place_of(folder).storage(), FileSystemArtifactStore(str(folder / ARTIFACTS)))
    serve(keeping_the_study(dashboard), port, secret)


def serve_tensorboard(folder: Path, port: int, secret: str) -> None:
    """Serve TensorBoard of a search's runs."""
    from tensorboard import default, program

    class Guarded(program.TensorBoardServer):
        """Stands in the place of TensorBoard's own server."""

        def __init__(self, application: Application, flags: Any) -> None:
            self.application = application

        def serve_forever(self) -> None:
            serve(self.application, port, secret)

        def get_url(self) -> str:
            return f"http://{HOST}:{port}/"

    board = program.TensorBoard(default.get_plugins(), server_class=Guarded)
    board.configure(argv=["tensorboard", "--logdir", str(folder), "--reload_interval", "15"])
    board.main()


if __name__ == "__main__":
    page, of, at = sys.argv[1:]
    {"optuna": serve_optuna, "tensorboard": serve_tensorboard}[page](Path(of), int(at), os.environ[SECRET])
