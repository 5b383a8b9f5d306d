"""Answers /reply with what its query says, fails under /raise, and tells elsewhere what it was given, as JSON.

The query of /reply may have `hint` ("Name: value", any number, each sent by itself), `status`, `body` (several are
several blocks), `field` ("Name: value", any number), `list` (the blocks come as a list), `pause` (they come slowly) and
`unread` (the request's body is left unread).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer."""
    if environ["PATH_INFO"] == "/reply":
        return reply(environ, start_response)
    if environ["PATH_INFO"].startswith("/raise"):
        raise ValueError(environ["PATH_INFO"])
    body: bytes = environ["wsgi.input"].read()
    seen = {name: value for name, value in environ.items() if isinstance(value, str) and name != "speyside.request_id"}
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Method", environ["REQUEST_METHOD"])])
    return [json.dumps({"environ": seen, "body": body.decode("latin-1")}).encode()]


def reply(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as told."""
    told = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    if "unread" not in told:
        environ["wsgi.input"].read()
    for one in headers(told.get("hint", [])):
        environ["wsgi.early_hints"]([one])
    start_response(told.get("status", ["200 OK"])[0], headers(told.get("field", [])))
    blocks = [block.encode("latin-1") for block in told.get("body", [])]
    return blocks if "list" in told else one_by_one(blocks, "pause" in told)


def headers(lines: list[str]) -> list[tuple[str, str]]:
    """Return lines as start_response wants them."""
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def one_by_one(blocks: list[bytes], pause: bool) -> Iterator[bytes]:
    """Yield blocks; with a pause, the head has left before the second one."""
    for number, block in enumerate(blocks):
        if pause and number:
            time.sleep(0.05)
        yield block
