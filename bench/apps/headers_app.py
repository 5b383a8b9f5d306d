"""Counts the header fields that came and answers with many of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OUT = [(f"X-Out-{n}", f"a value of some thirty bytes {n:3d}") for n in range(20)]
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "2"), *OUT]


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The number of fields whose value is the right one."""
    count = sum(environ.get(f"HTTP_X_IN_{n}") == f"a value of some thirty bytes {n:3d}" for n in range(40))
    start_response("200 OK", HEADERS)
    return [str(count).encode()]
