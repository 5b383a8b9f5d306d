"""An endpoint without a framework: a small document, made for each request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Twenty items."""
    items = [{"id": n, "name": f"item {n}", "price": n * 100} for n in range(20)]
    body = json.dumps({"items": items}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
