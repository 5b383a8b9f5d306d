"""Applications that keep to PEP 3333: what they return is what the client gets, at once, and closed once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from harness.client import request

from harness import Gate, Server, running, until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.replies", workers=1, threads=4) as made:
        yield made


def test_hello_has_date_server_type_and_length(server: Server) -> None:
    reply = server.get("/")
    names = [name for name, _ in reply.fields]
    assert sorted(names) == ["Content-Length", "Content-Type", "Date", "Server"]
    assert (reply.status, reply.reason, reply.text) == (200, "OK", "hello\n")
    assert (reply.get("Server"), reply.get("Content-Length")) == ("speyside", "6")
    date = reply.get("Date") or ""
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5


@pytest.mark.parametrize(
    ("shape", "body", "length"),
    [
        ("list-of-none", "", "0"),
        ("list-of-nothing", "", "0"),
        ("list-of-one", "one", "3"),
        ("list-of-two", "one two", "7"),
        ("tuple-of-one", "one", "3"),
        ("one-item", "one item", "8"),
        ("generator", "one two", None),
        ("iterator", "one two", None),
        ("old-style", "by number", None),
        ("closing", "one two", None),
    ],
)
def test_body_of_every_shape_arrives(shape: str, body: str, length: str | None, server: Server) -> None:
    with server.connect() as client:
        for _ in range(2):
            reply = client.get(f"/shape?of={shape}")
            assert (reply.status, reply.text) == (200, body)
            if length is not None:
                assert reply.get("Content-Length") == length
            else:  # chunked, unless all of it was there before the head had left
                assert reply.chunked or reply.get("Content-Length") == str(len(body))


@pytest.mark.parametrize("shape", ["generator-of-none", "generator-of-nothing"])
def test_iterable_without_bytes_is_an_empty_body(shape: str, server: Server) -> None:
    with server.connect() as client:
        for method in ("GET", "HEAD", "POST"):
            reply = client.ask(method, f"/shape?of={shape}")
            assert (reply.status, reply.body, reply.closes) == (200, b"", False)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_status_without_body_has_none_even_if_the_application_gives_one(status: str, server: Server) -> None:
    quoted = status.replace(" ", "%20")
    with server.connect() as client:
        for path in ("/status", "/status-with-body"):
            reply = client.get(f"{path}?of={quoted}")
            assert (reply.status, reply.reason) == (int(status[:3]), status[4:])
            assert not reply.chunked
            assert reply.get("Content-Length") is None
            assert client.get("/").text == "hello\n"


@pytest.mark.parametrize("status", ["200 OK", "299 Odd", "404 Not Found", "500 x", "599 With More Words"])
def test_status_is_sent_as_it_is(status: str, server: Server) -> None:
    reply = server.get(f"/status?of={status.replace(' ', '%20')}")
    assert f"{reply.status} {reply.reason}" == status
    assert reply.get("Content-Length") == "0"


def test_fields_are_sent_as_they_are_and_date_and_server_win(server: Server) -> None:
    reply = server.get("/fields")
    assert (reply.status, reply.reason, reply.text) == (299, "Odd Reason", "fields")
    assert reply.get("Date") == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert reply.get("Server") == "of-the-application/1"
    assert reply.all("Set-Cookie") == ["a=1", "b=2"]
    assert reply.get("X-Latin") == "caf\u00e9"
    assert ("X-Empty", "") in reply.fields and ("x-lower", "kept as it is") in reply.fields


def test_length_of_the_application_is_kept(server: Server) -> None:
    with server.connect() as client:
        for target, body in (("/length", "one two 3"), ("/write-only", "only written")):
            reply = client.get(target)
            assert (reply.text, reply.get("Content-Length")) == (body, str(len(body)))


def test_write_comes_before_the_iterable(server: Server, gate: Gate) -> None:
    gate.open()
    out = server.stdout.mark
    assert server.get(f"/write?name=written&gate={gate.path}").text == "written twice and iterated"
    server.printed(r"^closed written$", out)


@pytest.mark.parametrize(("target", "first", "rest"), [("/steps", b"first", b"second"), ("/write", b"written ", None)])
def test_block_is_sent_before_the_next_is_produced(
    target: str, first: bytes, rest: bytes | None, server: Server, gate: Gate
) -> None:
    with server.connect() as client:
        client.send(request("GET", f"{target}?gate={gate.path}"))
        reply = client.head()
        pieces = client.pieces(reply)
        assert next(pieces) == first
        gate.open()
        assert b"".join(pieces) == (rest or b"twice and iterated")


def test_block_is_sent_at_once_to_http_1_0_too(server: Server, gate: Gate) -> None:
    with server.connect() as client:
        client.send(request("GET", f"/steps?gate={gate.path}", version="1.0"))
        client.head()
        assert client.exactly(5) == b"first"
        gate.open()
        assert client.rest() == b"second"


def test_generator_function_may_call_start_response_late(server: Server) -> None:
    assert server.get("/lazy").text == "lazy"


def test_exc_info_replaces_a_head_that_has_not_left(server: Server) -> None:
    reply = server.get("/again-before")
    assert (reply.status, reply.reason, reply.text) == (503, "Replaced", "replaced")
    assert (reply.get("X-First"), reply.get("X-Second"), reply.get("Content-Length")) == (None, "2", "8")


def test_close_is_called_once(server: Server, gate: Gate) -> None:
    gate.open()
    out = server.stdout.mark
    targets = [
        ("GET", "/shape?of=closing", "shape"),
        ("HEAD", "/shape?of=closing", "head"),
        ("GET", f"/steps?gate={gate.path}", "steps"),
        ("GET", "/stream?blocks=3", "stream"),
        ("GET", f"/write?gate={gate.path}", "write"),
        ("GET", f"/after-the-last?gate={gate.path}", "after"),
    ]
    with server.connect() as client:
        for method, target, name in targets:
            assert client.ask(method, f"{target}&name={name}").status == 200
        for _, _, name in targets:
            server.printed(rf"^closed {name}$", out)
        assert client.get("/").status == 200
    closed = re.findall(r"^closed (\w+)$", server.stdout.text(out), re.MULTILINE)
    assert sorted(closed) == sorted(name for _, _, name in targets)


def test_client_does_not_wait_for_what_comes_after_the_last_byte(server: Server, gate: Gate) -> None:
    out = server.stdout.mark
    with server.connect() as client:
        reply = client.get(f"/after-the-last?name=late&gate={gate.path}")
        assert reply.text == "whole"
        assert client.get("/").text == "hello\n"
        assert "afterwards" not in server.stdout.text(out)
        gate.open()
        server.printed(r"^closed late$", out)


@pytest.mark.parametrize("blocks", [1, 7, 8, 9, 80])
def test_large_reply_in_one_piece_arrives_whole(blocks: int, server: Server) -> None:
    with server.connect() as client:
        for _ in range(2):
            reply = client.get(f"/large?blocks={blocks}")
            assert reply.get("Content-Length") == str(blocks << 16)
            assert reply.body == bytes(range(256)) * 256 * blocks


def test_streamed_reply_arrives_whole(server: Server) -> None:
    with server.connect() as client:
        reply = client.get("/stream?blocks=80")
        assert reply.chunked
        assert reply.body == bytes(range(256)) * 256 * 80
        reply = client.ask("GET", "/stream?blocks=80", version="1.0")
        assert reply.body == bytes(range(256)) * 256 * 80


def test_no_worker_died_in_any_of_this(server: Server) -> None:
    assert server.json("/pid") == server.workers()[0]
    until(lambda: "reaped" not in server.stderr.text(), "nobody was reaped", 1)
