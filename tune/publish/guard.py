"""Pages of this machine for one person alone, although whoever uses the machine may reach their port.

A web page in the person's browser reaches loopback too, by a name of its own for 127.0.0.1 (DNS rebinding) or by
forms; other users of the machine reach it by anything. So a request must name this machine as its host, and must know a
secret, which the address has that the command prints; a browser that came by it keeps the secret in a cookie, which it
hands to no other site's requests.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_OF_STUDIES = re.compile(r"/api/studies(/\d+(/rename)?)?/?")
TOKEN = "token"
"""The secret's name in an address."""


class Guard:
    """A WSGI application before another one, which lets in whoever knows the secret.

    Args:
        application: that is guarded.
        port: that it is served at, on loopback.
        secret: of letters and digits.
    """

    def __init__(self, application: Application, port: int, secret: str) -> None:
        self.application, self.secret = application, secret
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"trs_{port}"  # a browser's cookies are those of a host, whatever the port

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if host not in self.hosts or origin not in (None, *(f"http://{each}" for each in self.hosts)):
            return _refuse(start_response, "this page is for its own machine alone")
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if TOKEN in query and self._knows(query[TOKEN][0]):
            cookie = f"{self.cookie}={self.secret}; HttpOnly; SameSite=Strict; Path=/"
            start_response("303 See Other", [("Location", environ.get("PATH_INFO") or "/"), ("Set-Cookie", cookie)])
            return []
        if not self._knows(self._kept(environ)):
            return _refuse(start_response, "open the address that the command has printed: it has a token")
        return self.application(environ, start_response)

    def _kept(self, environ: dict[str, Any]) -> str:
        try:
            found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self.cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def _knows(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.secret.encode())


def keeping_the_study(application: Application) -> Application:
    """optuna-dashboard, which adds, renames and deletes no study: a search and its study belong together."""
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" and _OF_STUDIES.fullmatch(environ.get("PATH_INFO", "")):
            return _refuse(start_response, "a search has this one study: rename, copy or delete the search's folder")
        return application(environ, start_response)

    return answer


def _refuse(start_response: Callable[..., Any], why: str) -> list[bytes]:
    start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{why}\n".encode()]
