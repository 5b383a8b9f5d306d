"""What the applications share: a table of paths, queries, plain answers, and gates.

A gate is a file named in the query, `?gate=PATH`: the application waits until the test has made it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

Handler = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]
LONGEST = 60.0


class Routes:
    """An application that calls the handler of the request's path."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Be the application."""
        handler = self._handlers.get(environ["PATH_INFO"])
        if handler is None:
            return text(start_response, "no such path\n", status="404 Not Found")
        return handler(environ, start_response)

    def add(self, path: str) -> Callable[[Handler], Handler]:
        """Make a function the handler of a path."""

        def added(handler: Handler) -> Handler:
            self._handlers[path] = handler
            return handler

        return added


def query(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the query's fields."""
    return dict(parse_qsl(environ["QUERY_STRING"]))


def text(start_response: StartResponse, body: str, status: str = "200 OK") -> list[bytes]:
    """Answer with text."""
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode()]


def as_json(start_response: StartResponse, value: object) -> list[bytes]:
    """Answer with JSON."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


def wait_for(path: str) -> None:
    """Wait until the file is there."""
    deadline = time.monotonic() + LONGEST
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.005)


def wait_for_gate(environ: WSGIEnvironment) -> None:
    """Wait until the request's gate is open; one without a gate goes on."""
    path = query(environ).get("gate")
    if path:
        wait_for(path)
