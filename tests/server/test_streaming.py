"""With --stream-request an application reads the body while it arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from harness.client import chunks, request

from harness import Server, running
from harness.processes import memory

CHUNKED = ("Transfer-Encoding", "chunked")
MIB = 1 << 20


def length(size: int) -> tuple[str, str]:
    return ("Content-Length", str(size))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    route = (
        "--route",
        "/environ stream_request=off",
        "--route",
        "/environ/small stream_request=on limit_request_body=10",
    )
    with running("apps.streamed", "--stream-request", "on", *route, workers=1, threads=3) as made:
        yield made


def test_application_reads_what_has_come_while_the_rest_has_not(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/lines", [length(12)]) + b"first\n")
        reply = client.head()
        pieces = client.pieces(reply)
        assert next(pieces) == b"got first\n"
        client.send(b"secnd\n")
        assert list(pieces) == [b"got secnd\n"]


def test_connection_goes_on_after_a_streamed_body(server: Server) -> None:
    with server.connect() as client:
        both = (
            request("POST", "/lines", [length(4)])
            + b"one\n"
            + request("POST", "/lines", [CHUNKED])
            + chunks([b"t", b"wo\n"])
        )
        client.send(both + request("GET", "/lines"))
        assert [client.reply().body for _ in range(3)] == [b"got one\n", b"got two\n", b""]


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 65_537, 3 * MIB])
def test_body_of_any_size_arrives_whole(server: Server, size: int) -> None:
    body = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
    expected = b"".join(b"got " + line for line in body.splitlines(keepends=True))
    for message in (
        request("POST", "/lines", [length(size)]) + body,
        request("POST", "/lines", [CHUNKED]) + chunks([body]),
    ):
        with server.connect() as client:
            sender = threading.Thread(target=client.send, args=[message])
            sender.start()  # the application answers before it has read all
            assert client.reply().body == expected
            sender.join()


def test_length_is_told_when_it_is_known(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/later", [CHUNKED]) + chunks([b"abc"]))
        server.get("/now")
        told = client.reply().json
        assert told == {
            "CONTENT_LENGTH": None,
            "HTTP_TRANSFER_ENCODING": None,
            "wsgi.input_terminated": True,
            "read": 3,
        }
        client.send(request("POST", "/later", [length(3)]) + b"abc")
        server.get("/now")
        assert client.reply().json["CONTENT_LENGTH"] == "3"


def test_route_says_otherwise_for_its_paths(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/environ", [CHUNKED]) + chunks([b"abc"]))
        assert client.reply().json["CONTENT_LENGTH"] == "3", "it was not kept until it was complete"
        client.send(request("POST", "/environ/small", [CHUNKED]) + chunks([b"12345", b"678901"]))
        assert client.reply().status == 413


def test_client_that_leaves_is_an_error_to_the_reader_and_to_nobody_else(server: Server) -> None:
    since = server.stdout.mark
    for leave in ("close", "half_close", "reset"):
        with server.connect() as client:
            client.send(request("POST", "/leaves", [length(100)]) + b"part")
            server.printed("reading", since)  # a request that nobody has begun is dropped
            getattr(client, leave)()
            server.printed("raised ConnectionResetError the client left", since)
            since = server.stdout.mark
    assert server.post("/lines", b"x").body == b"got x"


def test_broken_framing_is_refused_and_told_to_the_reader(server: Server) -> None:
    since = server.stdout.mark
    with server.connect() as client:
        client.send(request("POST", "/leaves", [CHUNKED]) + b"3\r\nabc\r\n")
        server.printed("reading", since)
        client.send(b"nonsense\r\n")
        assert client.reply().status == 400
    server.printed("raised ConnectionResetError", since)


def test_continue_is_sent_at_the_first_read_and_not_before(server: Server) -> None:
    since = server.stdout.mark
    with server.connect() as client:
        client.send(request("POST", "/later", [length(3), ("Expect", "100-continue")]))
        server.printed("waiting", since)
        assert client.silent(0.2)
        server.get("/now")
        assert client.head().status == 100
        client.send(b"abc")
        assert client.reply().json["read"] == 3
        client.send(request("POST", "/unread", [length(3), ("Expect", "100-continue")]))
        assert client.head().status == 200


def test_continue_is_not_put_into_a_reply_that_has_begun(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/begun", [length(3), ("Expect", "100-continue")]))
        pieces = client.pieces(client.head())
        assert next(pieces) == b"begun"
        server.get("/now")
        assert client.silent(0.1)
        client.send(b"abc")
        assert list(pieces) == [b"abc"]


def test_reply_before_the_body_is_read_ends_the_connection(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/unread", [length(1000)]) + b"part")
        reply = client.reply()
        assert (reply.body, reply.closes) == (b"not read", True)
        assert client.gone()


def test_client_is_slowed_down_by_an_application_that_does_not_read() -> None:
    with running("apps.streamed", "--stream-request", "on", workers=1, threads=2) as server:
        before = memory(server.front)
        with server.connect() as client:
            client.send(request("POST", "/later", [length(64 * MIB)]))
            server.printed("waiting")
            sender = threading.Thread(target=client.send, args=[bytes(64 * MIB)])
            sender.start()
            sender.join(0.3)
            assert sender.is_alive(), "the server took 64 MiB that nobody reads"
            assert memory(server.front) - before < 8 * MIB
            server.get("/now")
            assert client.reply().json["read"] == 64 * MIB
            sender.join()
