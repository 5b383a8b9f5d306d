"""Every way to reply that PEP 3333 allows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import cast
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import Routes, as_json, query, text, wait_for, wait_for_gate

application = Routes()
TEXT = [("Content-Type", "text/plain")]
BLOCK = bytes(range(256)) * 256  # 64 KiB


class Closing:
    """A reply that prints when it is closed; the query's `name` tells which."""

    def __init__(self, environ: WSGIEnvironment, pieces: Iterable[bytes]) -> None:
        self.name = query(environ).get("name", "?")
        self.pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        """Be an iterable."""
        return self.pieces

    def close(self) -> None:
        """Say so."""
        print(f"closed {self.name}")


@application.add("/")
def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer at once."""
    return text(start_response, "hello\n")


@application.add("/pid")
def pid(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the worker's pid."""
    return as_json(start_response, os.getpid())


@application.add("/gated")
def gated(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say that the request has begun, and answer when the gate opens."""
    name = query(environ).get("name", "?")
    print(f"started {name}")
    wait_for_gate(environ)
    return text(start_response, f"gated {name}\n")


@application.add("/name")
def name(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the query's name."""
    return text(start_response, query(environ)["name"])


@application.add("/shape")
def shape(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a body in the shape that the query names."""
    start_response("200 OK", TEXT)
    return SHAPES[query(environ)["of"]](environ)


class OneItem:
    """One item and a length, but no list."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"one item"])


class OldStyle:
    """Items by number."""

    def __getitem__(self, number: int) -> bytes:
        return [b"by ", b"number"][number]


def numbers() -> Iterator[bytes]:
    """Yield, with nothing among it."""
    yield b""
    yield b"one "
    yield b""
    yield b"two"


SHAPES: dict[str, Callable[[WSGIEnvironment], Iterable[bytes]]] = {
    "list-of-none": lambda environ: [],
    "list-of-nothing": lambda environ: [b""],
    "list-of-one": lambda environ: [b"one"],
    "list-of-two": lambda environ: [b"one ", b"two"],
    "tuple-of-one": lambda environ: (b"one",),
    "generator": lambda environ: numbers(),
    "generator-of-none": lambda environ: (piece for piece in list[bytes]()),
    "generator-of-nothing": lambda environ: (piece for piece in (b"", b"")),
    "iterator": lambda environ: iter([b"one ", b"two"]),
    "one-item": lambda environ: OneItem(),
    "old-style": lambda environ: cast(Iterable[bytes], OldStyle()),
    "closing": lambda environ: Closing(environ, [b"one ", b"two"]),
}


@application.add("/status")
def status(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the status that the query names, and without a body."""
    start_response(query(environ)["of"], [])
    return []


@application.add("/status-with-body")
def status_with_body(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the status that the query names, and with a body that some statuses may not have."""
    start_response(query(environ)["of"], [])
    return iter([b"not for ", b"every status"])


@application.add("/length")
def length(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer from a generator with a Content-Length."""
    start_response("200 OK", [*TEXT, ("Content-Length", "9")])
    return iter([b"one ", b"", b"two", b" 3"])


@application.add("/fields")
def fields(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with fields of the application's own, Date and Server among them."""
    own = [
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Server", "of-the-application/1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Latin", "caf\xe9"),
        ("X-Empty", ""),
        ("x-lower", "kept as it is"),
    ]
    start_response("299 Odd Reason", [*TEXT, *own])
    return [b"fields"]


@application.add("/write")
def write(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with write(), then with an iterable."""
    send = start_response("200 OK", TEXT)
    send(b"written ")
    wait_for_gate(environ)
    send(b"")
    send(b"twice ")
    return Closing(environ, [b"and ", b"iterated"])


@application.add("/write-only")
def write_only(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with write() and a Content-Length."""
    send = start_response("200 OK", [*TEXT, ("Content-Length", "12")])
    send(b"only ")
    send(b"written")
    return []


@application.add("/steps")
def steps(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a first piece, and a second one when the gate is open."""
    start_response("200 OK", TEXT)

    def pieces() -> Iterator[bytes]:
        yield b"first"
        wait_for_gate(environ)
        yield b"second"

    return Closing(environ, pieces())


@application.add("/lazy")
def lazy(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call start_response only when the first piece is wanted."""
    start_response("200 OK", TEXT)
    yield b"lazy"


@application.add("/again-before")
def again_before(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Replace a reply whose head has not left."""
    start_response("200 OK", [*TEXT, ("X-First", "1"), ("Content-Length", "1000")])
    try:
        raise ValueError("found too late")
    except ValueError:
        start_response("503 Replaced", [*TEXT, ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


@application.add("/stream")
def stream(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send as many blocks of 64 KiB as the query says; with a gate, no block after the first before it is open."""
    count = int(query(environ)["blocks"])
    start_response("200 OK", [("Content-Type", "application/octet-stream")])

    def blocks() -> Iterator[bytes]:
        for number in range(count):
            yield BLOCK
            if number == 0:
                wait_for_gate(environ)

    return Closing(environ, blocks())


@application.add("/large")
def large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send as many blocks of 64 KiB as the query says, in one piece."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [BLOCK * int(query(environ)["blocks"])]


@application.add("/endless")
def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send for ever."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])

    def blocks() -> Iterator[bytes]:
        while True:
            yield BLOCK

    return Closing(environ, blocks())


@application.add("/write-endless")
def write_endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write for ever, and say what ends it."""
    send = start_response("200 OK", [("Content-Type", "application/octet-stream")])
    try:
        while True:
            send(BLOCK)
    except Exception as error:
        print(f"write ended with {type(error).__name__}")
        raise


@application.add("/after-the-last")
def after_the_last(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Go on for a while after the last byte that Content-Length promised."""
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])

    def pieces() -> Iterator[bytes]:
        yield b"whole"
        wait_for(query(environ)["gate"])
        print("afterwards")

    return Closing(environ, pieces())
