"""Requests that are none: answered by the front, closed, and never seen by the application."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from harness import PATIENCE, Server, running

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSED: dict[str, tuple[int, bytes]] = {
    "nothing-of-http": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "no-version": (400, b"GET /\r\n\r\n"),
    "two-spaces": (400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "tab-for-space": (400, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "space-in-target": (400, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "fragment-in-target": (400, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "relative-target": (400, b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    "odd-method": (400, b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "endless-method": (501, b"G" * 200 + b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "connect": (501, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "version-2": (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    "version-lower-case": (400, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    "version-long": (400, b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    "bare-linefeeds": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "bare-linefeed-in-field": (400, HEAD + b"X-A: b\nX-C: d\r\n\r\n"),
    "bare-return-in-field": (400, HEAD + b"X-A: b\rc\r\n\r\n"),
    "null-in-value": (400, HEAD + b"X-A: b\0c\r\n\r\n"),
    "control-in-value": (400, HEAD + b"X-A: b\x07c\r\n\r\n"),
    "space-before-colon": (400, HEAD + b"X-A : b\r\n\r\n"),
    "space-in-name": (400, HEAD + b"X A: b\r\n\r\n"),
    "no-name": (400, HEAD + b": b\r\n\r\n"),
    "no-colon": (400, HEAD + b"X-A\r\n\r\n"),
    "folded-line": (400, HEAD + b"X-A: b\r\n c\r\n\r\n"),
    "no-host": (400, b"GET / HTTP/1.1\r\nX-A: b\r\n\r\n"),
    "two-hosts": (400, HEAD + b"Host: b\r\n\r\n"),
    "odd-host": (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "length-twice": (400, POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "length-twice-the-same": (400, POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    "length-list": (400, POST + b"Content-Length: 1, 1\r\n\r\na"),
    "length-empty": (400, POST + b"Content-Length: \r\n\r\n"),
    "length-signed": (400, POST + b"Content-Length: +1\r\n\r\na"),
    "length-negative": (400, POST + b"Content-Length: -1\r\n\r\na"),
    "length-hex": (400, POST + b"Content-Length: 0x1\r\n\r\na"),
    "length-underscore": (400, POST + b"Content-Length: 1_0\r\n\r\n0123456789"),
    "length-large": (413, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "length-and-chunked": (400, POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    "chunked-and-length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED),
    "coding-unknown": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "coding-identity": (501, POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n"),
    "coding-with-tab": (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "coding-quoted": (400, POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    "coding-twice": (400, POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "coding-space-before-colon": (400, POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "coding-in-1.0": (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunk-size-odd": (400, CHUNKED + b"g\r\n\r\n"),
    "chunk-size-empty": (400, CHUNKED + b"\r\n\r\n"),
    "chunk-size-signed": (400, CHUNKED + b"+1\r\na\r\n0\r\n\r\n"),
    "chunk-size-prefixed": (400, CHUNKED + b"0x1\r\na\r\n0\r\n\r\n"),
    "chunk-size-space": (400, CHUNKED + b" 1\r\na\r\n0\r\n\r\n"),
    "chunk-size-linefeed": (400, CHUNKED + b"1\na\r\n0\r\n\r\n"),
    "chunk-size-large": (413, CHUNKED + b"fffffffffffffffff\r\n"),
    "chunk-too-long": (400, CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
    "chunk-end-linefeed": (400, CHUNKED + b"1\r\na\n0\r\n\r\n"),
    "chunk-extension-endless": (400, CHUNKED + b"1;" + b"x" * 100_000),
    "trailer-odd": (400, CHUNKED + b"0\r\nX A: b\r\n\r\n"),
    "trailers-endless": (431, CHUNKED + b"0\r\n" + b"X-A: bbbbbbbbbb\r\n" * 10_000),
    "line-long": (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "line-endless": (414, b"GET /" + b"a" * 200_000),
    "field-long": (431, HEAD + b"X-A: " + b"b" * 9000 + b"\r\n\r\n"),
    "field-endless": (431, HEAD + b"X-A: " + b"b" * 200_000),
    "fields-many": (431, HEAD + b"X-A: b\r\n" * 101 + b"\r\n"),
    "head-long": (431, HEAD + (b"X-A: " + b"b" * 8000 + b"\r\n") * 20 + b"\r\n"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.witness") as made:
        yield made


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed_and_never_seen_by_the_application(name: str, server: Server) -> None:
    status, data = REFUSED[name]
    out = server.stdout.mark
    with server.connect() as client:
        client.send(data)
        reply = client.reply()
        assert (reply.status, reply.closes) == (status, True)
        assert reply.text.strip()
        assert client.rest() == b""
    with server.connect() as other:  # what the application saw before is printed by now
        assert other.get("/witness").status == 200
    server.printed(r"^seen /witness$", out)
    assert server.stdout.text(out) == "seen /witness\n"


def test_refusal_after_a_good_request_comes_after_its_reply(server: Server) -> None:
    with server.connect() as client:
        client.send(HEAD + b"\r\n" + b"BAD\r\n\r\n" + SMUGGLED)
        assert client.reply().status == 200
        assert client.reply().status == 400
        assert client.rest() == b""
    assert "/smuggled" not in server.stdout.text()


def test_limits_can_be_set() -> None:
    limits = (
        "--limit-request-line=100",
        "--limit-request-fields=3",
        "--limit-request-field-size=50",
    )
    with running("apps.witness", *limits) as server:
        for status, data in (
            (414, b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
            (431, HEAD + b"X-A: b\r\n" * 3 + b"\r\n"),
            (431, HEAD + b"X-A: " + b"b" * 50 + b"\r\n\r\n"),
            (200, b"GET /" + b"a" * 80 + b" HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 40 + b"\r\nX-C: d\r\n\r\n"),
        ):
            with server.connect() as client:
                client.send(data)
                assert client.reply().status == status


def test_largest_allowed_head_reaches_the_application(server: Server) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"b" * 600) for number in range(90))
    with server.connect() as client:
        client.send(b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        assert client.reply().status == 200
        client.send(HEAD + b"\r\n")
        assert client.reply().status == 200


def test_endless_garbage_is_cut_off(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    with server.connect() as client, pytest.raises(OSError):
        while time.monotonic() < deadline:
            client.send(b"\0" * 4096)
            time.sleep(0.01)  # the client's pace
    with server.connect() as other:
        assert other.get("/").status == 200
