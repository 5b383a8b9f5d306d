"""Reads a body while it arrives, as --stream-request allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

from .routes import Routes, as_json

application = Routes()
may_read = threading.Event()


def stream_of(environ: WSGIEnvironment) -> InputStream:
    """Return the request's body."""
    return cast(InputStream, environ["wsgi.input"])


@application.add("/lines")
def lines(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Answer each line as soon as it has come."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"got " + line for line in stream_of(environ))


@application.add("/environ")
@application.add("/environ/small")
def keys(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Tell what the environ says of the body, and its length."""
    told = {name: environ.get(name) for name in ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "wsgi.input_terminated")}
    return as_json(start_response, {**told, "read": len(stream_of(environ).read())})


@application.add("/unread")
def unread(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer without a look at the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"not read"]


@application.add("/begun")
def begun(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Begin the reply, and read the body when /now was asked for."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    may_read.wait(20)
    may_read.clear()
    yield stream_of(environ).read()


@application.add("/later")
def later(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Read only when /now was asked for."""
    print("waiting")
    may_read.wait(20)
    may_read.clear()
    return keys(environ, start_response)


@application.add("/now")
def now(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Let /later read."""
    may_read.set()
    return unread(environ, start_response)


@application.add("/leaves")
def leaves(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Tell what the read of a body raised that its client did not finish."""
    print("reading")
    try:
        print("read", len(stream_of(environ).read()))
    except OSError as error:
        print("raised", type(error).__name__, error)
        raise
    return unread(environ, start_response)
