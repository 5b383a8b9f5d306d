"""Reads the whole body of a request, as a form or an upload is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SIZE = 65536
BODY = b"taken"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the same to everything that is complete."""
    if environ["REQUEST_METHOD"] == "POST":
        taken = environ["wsgi.input"].read(SIZE)
        if len(taken) != SIZE:
            raise ValueError(f"{len(taken)} bytes instead of {SIZE}")
    start_response("200 OK", HEADERS)
    return [BODY]
