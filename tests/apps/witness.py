"""Prints the path of every request that it sees."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import text


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer."""
    print(f"seen {environ['PATH_INFO']}")
    return text(start_response, "seen\n")
