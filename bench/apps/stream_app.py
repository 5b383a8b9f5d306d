"""A stream of blocks whose length nobody knows beforehand, as an export or a report is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BLOCK = bytes(range(256)) * 4


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A thousand blocks, one at a time."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (BLOCK for _ in range(1000))
