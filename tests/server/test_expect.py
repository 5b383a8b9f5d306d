"""Expect: 100-continue where settings decide: a final status that the head alone is enough for comes instead of 100."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.client import request

from harness import Client, Server, running

KIB = 1024
EXPECT = ("Expect", "100-continue")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The spool keeps 200 kB, and bodies up to 16 kB stay in memory."""
    arguments = ["--spool-threshold=16kB", "--spool-limit=200kB", "--limit-request-body=1MB"]
    route = "--route=/small limit_request_body=1kB"
    with running("apps.inputs", *arguments, route, workers=1, threads=2, provoked=True) as made:
        yield made


def expecting(size: int, target: str = "/echo") -> bytes:
    return request("POST", target, [EXPECT, ("Content-Length", str(size))])


def first(client: Client, size: int, target: str = "/echo") -> int:
    """Announce a body, and return the status of the first answer; a final one is the last."""
    client.send(expecting(size, target))
    reply = client.head()
    if reply.status != 100:
        reply.pieces = list(client.pieces(reply))
        assert reply.closes and client.rest() == b""
        assert (reply.get("Retry-After") is not None) == (reply.status == 503)
    return reply.status


def test_body_that_the_spool_can_never_keep_gets_503_at_once(server: Server) -> None:
    with server.connect() as client:
        assert first(client, 201 * KIB) == 503
    with server.connect() as client:
        assert first(client, 199 * KIB) == 100
        client.send(b"x" * 199 * KIB)
        assert client.reply("POST").body == b"x" * 199 * KIB


def test_body_that_the_spool_has_no_room_for_now_gets_503_at_once(server: Server) -> None:
    with server.connect() as other, server.connect() as client:
        assert first(other, 150 * KIB) == 100
        other.send(b"x" * 140 * KIB)
        with server.connect() as witness:  # what was sent before is with the front
            while witness.ask("POST", "/echo", [EXPECT], b"x" * 100 * KIB).status == 200:
                pass
        assert first(client, 100 * KIB) == 503
        other.send(b"x" * 10 * KIB)
        assert len(other.reply("POST").body) == 150 * KIB
    with server.connect() as client:  # there is room again
        assert first(client, 100 * KIB) == 100


def test_body_too_large_for_its_path_gets_413_at_once(server: Server) -> None:
    for size, target, status in ((1 << 20, "/echo", 503), ((1 << 20) + 1, "/echo", 413), (KIB + 1, "/small", 413)):
        with server.connect() as client:
            assert first(client, size, target) == status


def test_what_the_head_refuses_gets_no_100(server: Server) -> None:
    for field, status in (
        (("X-Large", "x" * 9000), 431),
        (("Transfer-Encoding", "gzip, chunked"), 501),
        (("Transfer-Encoding", "chunked"), 400),
        (("Content-Length", "1"), 400),
    ):
        with server.connect() as client:
            client.send(request("POST", "/echo", [EXPECT, ("Content-Length", "1000"), field]))
            assert client.reply("POST").status == status
            assert client.rest() == b""


def test_request_that_comes_while_draining_is_taken(server: Server) -> None:
    """It was on its way when the server was told to stop: it is answered, and the reply announces the end."""
    with running("apps.inputs", workers=1, threads=1) as stopping, stopping.connect() as client:
        assert client.get("/echo").status == 200
        stopping.interrupt()
        stopping.log(r" drain began ")
        assert first(client, 5000) == 100
        client.send(b"x" * 5000)
        reply = client.reply("POST")
        assert (reply.body, reply.closes) == (b"x" * 5000, True)
        assert client.rest() == b""
        client.close()
        stopping.check_end(0)
