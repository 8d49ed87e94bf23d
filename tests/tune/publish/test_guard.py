"""Whom the pages of a search let in: asked over HTTP, as a browser, another user and a foreign page ask."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from tune.publish.guard import Guard, keeping_the_study

SECRET = "s" * 43


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of single requests."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a guarded application that says "in"."""
    def application(environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"in"]

    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        server.set_app(Guard(application, server.server_port, SECRET))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(port: int, path: str = "/", method: str = "GET", host: str | None = None, **headers: str
        ) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}", **headers})
    return connection.getresponse()


def test_the_printed_address_lets_a_browser_in_and_leaves_the_secret_out_of_later_ones(port: int) -> None:
    first = ask(port, f"/dashboard?token={SECRET}")
    assert first.status == 303 and first.headers["Location"] == "/dashboard"
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    kept = cookie.partition(";")[0]
    assert ask(port, "/dashboard", Cookie=kept).read() == b"in"
    assert ask(port, "/dashboard", Cookie=kept, host=f"localhost:{port}").read() == b"in"


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", f"/?token={SECRET}x", f"/?token={SECRET[1:]}"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_who_does_not_know_the_secret_is_refused(port: int, path: str, method: str) -> None:
    answer = ask(port, path, method)
    assert answer.status == 403 and b"open the address that the command has printed" in answer.read()


@pytest.mark.parametrize("cookie", ["", "trs=1", "trs_{port}=wrong", "a=b; trs_{port}=", "trs_{port}=\u00fc", ";;=",
                                    "x" * 4000])
def test_a_wrong_cookie_is_refused(port: int, cookie: str) -> None:
    answer = ask(port, Cookie=cookie.format(port=port).encode().decode("latin-1"))
    assert answer.status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1",
                                  "localhost.evil.example:{port}"])
def test_a_page_that_calls_this_machine_by_another_name_is_refused(port: int, host: str) -> None:
    answer = ask(port, f"/?token={SECRET}", host=host.format(port=port), Cookie=f"trs_{port}={SECRET}")
    assert answer.status == 403 and b"for its own machine alone" in answer.read()


def test_a_form_of_a_foreign_page_is_refused_even_with_the_cookie(port: int) -> None:
    kept = {"Cookie": f"trs_{port}={SECRET}"}
    assert ask(port, method="POST", Origin="http://evil.example", **kept).status == 403
    assert ask(port, method="POST", Origin=f"http://127.0.0.1:{port}", **kept).status == 200


@pytest.mark.parametrize(("method", "path", "is_kept"), [
    ("POST", "/api/studies", False), ("POST", "/api/studies/1/rename", False), ("DELETE", "/api/studies/12", False),
    ("GET", "/api/studies", True), ("GET", "/api/studies/1", True), ("PUT", "/api/studies/1/note", True)])
def test_the_study_of_a_search_is_not_renamed_deleted_or_joined_by_another(method: str, path: str, is_kept: bool
                                                                           ) -> None:
    answered = list[str]()
    application = keeping_the_study(lambda environ, start_response: [b"in"])
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
    body = b"".join(application(environ, lambda status, headers: answered.append(status)))
    assert (body == b"in") is is_kept and (not answered) is is_kept
