"""An application that keeps to PEP 3333, with wsgiref.validate around it to see that the server does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator


def conforming(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the method and the body's digest; `write` in the query also uses write()."""
    stream = environ["wsgi.input"]
    digest = hashlib.sha256()
    first = stream.readline()
    digest.update(first)
    for line in stream.readlines(10):
        digest.update(line)
    while piece := stream.read(1000):
        digest.update(piece)
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].flush()
    body = f"{environ['REQUEST_METHOD']} {digest.hexdigest()}".encode()
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))], None)
    if environ["QUERY_STRING"] == "write":
        write(body[:5])
        body = body[5:]
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


application = validator(conforming)
