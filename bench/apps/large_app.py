"""Large answers that are there already, as a rendered report or an image from a cache is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY = bytes(range(256)) * 4096  # 1 MiB
HEADERS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BODY)))]


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the same to everything."""
    start_response("200 OK", HEADERS)
    return [BODY]


def huge(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same, a hundred times over."""
    start_response("200 OK", [HEADERS[0], ("Content-Length", str(100 * len(BODY)))])
    return [BODY] * 100
