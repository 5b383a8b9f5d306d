"""Reads the request's body in the way that the query names: `?ops=read:10,readline,iterate`.

The answer is JSON, one entry for each operation: what it returned, as lengths and digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, BinaryIO, cast
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import Routes, as_json, query

application = Routes()
kept: list[Any] = []


def digest(data: bytes) -> str:
    """Return what tells data from other data."""
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:16]}"


def digests(lines: Iterable[bytes]) -> list[str]:
    """Return what tells lines from other lines: their number, their length and the digest of all."""
    lengths = hashlib.sha256()
    together = hashlib.sha256()
    count = total = 0
    for line in lines:
        count += 1
        total += len(line)
        lengths.update(b"%d," % len(line))
        together.update(line)
    return [str(count), str(total), lengths.hexdigest()[:16], together.hexdigest()[:16]]


def perform(stream: BinaryIO, operation: str) -> object:
    """Do one operation on a stream: a method with at most one number, `iterate`, or `pieces:SIZE` for many reads."""
    name, _, argument = operation.partition(":")
    arguments = [int(argument)] if argument else []
    if name == "iterate":
        return digests(stream)
    if name == "pieces":
        return digests(iter(lambda: stream.read(int(argument)), b""))
    result = getattr(stream, name)(*arguments)
    if name == "readlines":
        return digests(result)
    assert isinstance(result, bytes), result
    return digest(result)


@application.add("/read")
def read(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Do the operations in their order."""
    stream = cast(BinaryIO, environ["wsgi.input"])
    return as_json(start_response, [perform(stream, each) for each in query(environ)["ops"].split(",")])


@application.add("/echo")
def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the body."""
    body: bytes = environ["wsgi.input"].read()
    told = ("X-Length", environ.get("CONTENT_LENGTH", "none"))
    start_response("200 OK", [("Content-Type", "application/octet-stream"), told])
    return [body]


@application.add("/ignore")
def ignore(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without having read the body."""
    return as_json(start_response, "ignored")


@application.add("/keep")
def keep(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Keep the input beyond the request."""
    kept[:] = [environ["wsgi.input"]]
    return as_json(start_response, digest(kept[0].read(4)))


@application.add("/kept")
def use_kept(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Use the input of an earlier request, in every way."""
    results = []
    for operation in ("read", "read:1", "readline", "readlines", "iterate"):
        try:
            results.append(f"{operation} returned {perform(kept[0], operation)}")
        except ValueError as error:
            results.append(f"{operation} raised {error}")
    return as_json(start_response, results)
