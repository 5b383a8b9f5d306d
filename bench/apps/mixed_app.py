"""Kinds of request in one application: fast ones, ones that wait as for a database, ones that compute, uploads."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY = b"Hello World !"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
SLEEP_SECONDS = 0.2
BURN_SECONDS = 0.02


def burn(seconds: float) -> None:
    """Run Python code for so much CPU time of this thread, however long that takes."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the same to everything, after what the path asks for."""
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(SLEEP_SECONDS)
    elif environ["PATH_INFO"] == "/burn":
        burn(BURN_SECONDS)
    elif environ["REQUEST_METHOD"] == "POST":
        size = int(environ["CONTENT_LENGTH"])
        taken = environ["wsgi.input"].read(size)
        if len(taken) != size:
            raise ValueError(f"{len(taken)} bytes instead of {size}")
    start_response("200 OK", HEADERS)
    return [BODY]
