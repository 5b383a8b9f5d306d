"""Reads the whole body of a request, as a form or an upload is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY = b"taken"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the same to everything that is complete."""
    size = int(environ["CONTENT_LENGTH"])
    taken = environ["wsgi.input"].read(size)
    if len(taken) != size:
        raise ValueError(f"{len(taken)} bytes instead of {size}")
    start_response("200 OK", HEADERS)
    return [BODY]
