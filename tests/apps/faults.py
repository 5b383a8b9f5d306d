"""Every way to break PEP 3333 or to fail, and the worker's pid to see that it lives on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIEnvironment

from .replies import Closing
from .routes import Routes, as_json, query, text

application = Routes()
TEXT = [("Content-Type", "text/plain")]
Fault = Callable[[WSGIEnvironment, Any], Any]
FAULTS: dict[str, Fault] = {}


class Expected(Exception):
    """What the tests look for in the log."""


def fault(function: Fault) -> Fault:
    """Make a function the one of its name: raise_early is `raise-early`."""
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


@application.add("/pid")
def pid(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the worker's pid."""
    return as_json(start_response, os.getpid())


@application.add("/fault")
def one(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Do what the query names."""
    return cast(Iterable[bytes], FAULTS[query(environ)["of"]](environ, start_response))


@application.add("/odd\x1b[31m\npath")
def odd_path(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail under a path that a terminal would obey."""
    raise Expected("odd\x1b[31m path")


@fault
def raise_early(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise Expected("before start_response")


@fault
def raise_begun(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    raise Expected("after start_response")


@fault
def raise_first(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    def pieces() -> Iterator[bytes]:
        raise Expected("before the first piece")
        yield b""

    return Closing(environ, pieces())


@fault
def raise_later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise Expected("after the first piece")

    return Closing(environ, pieces())


@fault
def raise_in_close(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    class Bad(Closing):
        def close(self) -> None:
            super().close()
            raise Expected("in close")

    return Bad(environ, [b"whole"])


@fault
def raise_chained(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise Expected("the effect") from error


@fault
def exit_early(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    sys.exit(3)


@fault
def interrupt_itself(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise KeyboardInterrupt


@fault
def again_plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"never"]


@fault
def again_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)

    def pieces() -> Iterator[bytes]:
        yield b"first"
        try:
            raise Expected("too late for another head")
        except Expected:
            start_response("500 Too Late", TEXT, sys.exc_info())
        yield b"never"

    return Closing(environ, pieces())


@fault
def no_start(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return Closing(environ, [b"without a head"])


@fault
def no_start_list(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return [b"without a head"]


@fault
def no_start_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return []


@fault
def text_list(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[Any]:
    start_response("200 OK", TEXT)
    return ["text"]


@fault
def text_alone(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return "text"


@fault
def bytes_alone(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return b"bytes"


@fault
def none_alone(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)


@fault
def number_alone(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return 42


@fault
def text_later(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return Closing(environ, cast(Iterable[bytes], [b"first", "text"]))


@fault
def write_text(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)(cast(bytes, "text"))
    return []


@fault
def length_too_small(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "3")])
    return [b"longer"]


@fault
def length_too_large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "100")])
    return [b"shorter"]


@fault
def length_too_small_later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "7")])
    return Closing(environ, iter([b"first", b"second"]))


@fault
def length_too_large_later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "100")])
    return Closing(environ, iter([b"first", b"second"]))


def refused(status: Any, headers: Any) -> Fault:
    """Return a fault that is in start_response's arguments."""

    def function(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        start_response(status, headers)
        return [b"never"]

    return function


FAULTS |= {
    "newline-value": refused("200 OK", [("X-Split", "a\r\nSet-Cookie: stolen=1")]),
    "linefeed-value": refused("200 OK", [("X-Split", "a\nSet-Cookie: stolen=1")]),
    "newline-name": refused("200 OK", [("X-Split\r\nX", "a")]),
    "colon-name": refused("200 OK", [("X-Split:", "a")]),
    "wide-value": refused("200 OK", [("X-Wide", "\u20ac")]),
    "bytes-value": refused("200 OK", [("X-Bytes", b"a")]),
    "headers-dict": refused("200 OK", {"X-A": "b"}),
    "headers-tuple": refused("200 OK", (("X-A", "b"),)),
    "status-short": refused("200", []),
    "status-number": refused(200, []),
    "status-interim": refused("103 Early Hints", [("Link", "</style.css>; rel=preload")]),
    "status-newline": refused("200 OK\r\nX-Split: 1", []),
    "length-text": refused("200 OK", [("Content-Length", "many")]),
    "length-negative": refused("200 OK", [("Content-Length", "-1")]),
    "length-twice": refused("200 OK", [("Content-Length", "5"), ("Content-Length", "6")]),
    "headers-large": refused("200 OK", [("X-Large", "x" * 20000)]),
    **{
        f"hop-{name.lower()}": refused("200 OK", [(name, "x")])
        for name in (
            "Connection",
            "Keep-Alive",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "TE",
            "Trailer",
            "Trailers",
            "Transfer-Encoding",
            "Upgrade",
        )
    },
}


@application.add("/")
def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer at once."""
    return text(start_response, "hello\n")
