"""wsgiref.validate around an application, to see that the server keeps to PEP 3333.

`around('replies')` is apps.replies so, `around('frameworks.flask_app.wsgi')` a framework's application; `application`
calls everything that the validator looks at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator


class Input:
    """wsgi.input for applications that leave out the size of read(), as all frameworks do: the validator wants one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.readline = stream.readline
        self.readlines = stream.readlines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def read(self, size: int = -1) -> bytes:
        """Read."""
        data: bytes = self._stream.read(size)
        return data


def around(name: str) -> WSGIApplication:
    """Return the application of a module with the validator around it."""
    application: WSGIApplication = import_module(name if "." in name else f"apps.{name}").application

    def tolerant(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return application({**environ, "wsgi.input": Input(environ["wsgi.input"])}, start_response)

    return validator(tolerant)


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
