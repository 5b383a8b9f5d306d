"""Bodies of requests and replies: chunked, large, and announced with Expect."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator

import pytest
from harness.client import chunks, request

from harness import Client, Server, running
from harness.processes import memory

CHUNKED = ("Transfer-Encoding", "chunked")
MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.inputs", workers=2, threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def blob() -> bytes:
    return random.Random(5).randbytes(5 * MIB)


def test_five_megabytes_go_up_and_down(server: Server, blob: bytes) -> None:
    with server.connect() as client:
        for _ in range(2):
            reply = client.post("/echo", blob)
            assert (reply.status, reply.get("X-Length")) == (200, str(len(blob)))
            assert reply.body == blob


@pytest.mark.parametrize("size", [0, 1, 100, 14_000, 15_360, 15_361, 16_384, 32_768, 70_000, 300_000])
def test_body_of_any_size_arrives_whole(size: int, server: Server, blob: bytes) -> None:
    body = blob[:size]
    with server.connect() as client:
        assert client.post("/echo", body).body == body
        client.send(request("POST", "/echo", [CHUNKED]) + chunks([body]))
        assert client.reply().body == body
        assert client.get("/echo").body == b""


@pytest.mark.parametrize("pieces", [1, 7, 4096, 70_000])
def test_chunked_body_is_complete_and_its_length_known(pieces: int, server: Server, blob: bytes) -> None:
    body = blob[: 200 * pieces if pieces < 100 else 5 * pieces]
    cut = [body[at : at + pieces] for at in range(0, len(body), pieces)]
    with server.connect() as client:
        client.send(request("POST", "/echo", [CHUNKED]) + chunks(cut))
        reply = client.reply()
        assert reply.body == body
        assert reply.get("X-Length") == str(len(body))
        assert client.post("/echo", b"next").body == b"next"


def test_five_megabytes_in_chunks_go_up_and_down(server: Server, blob: bytes) -> None:
    with server.connect() as client:
        sender = threading.Thread(
            target=client.send,
            args=[
                request("POST", "/echo", [CHUNKED])
                + chunks(blob[at : at + 50_000] for at in range(0, len(blob), 50_000))
            ],
        )
        sender.start()
        assert hashlib.sha256(client.reply().body).digest() == hashlib.sha256(blob).digest()
        sender.join(20)


def test_chunk_extensions_and_trailers_are_no_content(server: Server) -> None:
    with server.connect() as client:
        client.send(
            request("POST", "/echo", [CHUNKED])
            + b'3;a=b;c="d"\r\nabc\r\n0003\r\ndef\r\n0;last\r\nX-Trailer: 1\r\nContent-Length: 9\r\n\r\n'
        )
        assert client.reply().body == b"abcdef"
        assert client.post("/echo", b"next").body == b"next"


@pytest.mark.parametrize("size", [100, 100_000, 5 * MIB])
def test_body_that_the_application_ignores_does_not_become_a_request(size: int, server: Server) -> None:
    body = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n" * (size // 32 + 1)
    with server.connect() as client:
        assert client.post("/ignore", body).json == "ignored"
        assert client.post("/echo", b"next").body == b"next"


def test_many_large_bodies_at_once_arrive_whole(server: Server, blob: bytes) -> None:
    """More than fits the memory that is set aside for bodies."""
    bodies = [blob[number * 1000 :][:MIB] for number in range(12)]
    clients = [server.connect() for _ in bodies]
    for client, body in zip(clients, bodies, strict=True):
        client.send(request("POST", "/echo", body=body)[: MIB // 2])
    failed: list[int] = []

    def finish(number: int, client: Client, body: bytes) -> None:
        client.send(request("POST", "/echo", body=body)[MIB // 2 :])
        if client.reply().body != body:
            failed.append(number)

    threads = [
        threading.Thread(target=finish, args=[number, client, body])
        for number, (client, body) in enumerate(zip(clients, bodies, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failed == []
    for client in clients:
        client.close()


def test_uploads_do_not_fill_the_front(server: Server) -> None:
    before = memory(server.front)
    size = 40 * MIB
    with server.connect() as client:
        client.send(request("POST", "/ignore", [("Content-Length", str(size))]))
        piece = bytes(MIB)
        for _ in range(size // MIB):
            client.send(piece)
        assert client.reply().json == "ignored"
    assert memory(server.front) - before < 24 * MIB


def test_expect_continue_is_answered_before_the_body(server: Server) -> None:
    for size in (4, 5000, 100_000):
        with server.connect() as client:
            client.send(request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", str(size))]))
            interim = client.head()
            assert (interim.status, interim.fields) == (100, [])
            client.send(b"x" * size)
            assert client.reply().body == b"x" * size
            client.send(request("POST", "/echo", [("Expect", "100-Continue"), CHUNKED]))
            assert client.head().status == 100
            client.send(chunks([b"chunked"]))
            assert client.reply().body == b"chunked"


def test_expect_continue_is_not_answered_when_the_body_has_begun(server: Server) -> None:
    with server.connect() as client:
        for size in (5000, 100_000):
            head = request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", str(size))])
            client.send(head + b"begun")
            assert client.silent(0.1)
            client.send(b"x" * (size - 5))
            assert client.reply().body == b"begun" + b"x" * (size - 5)
        client.send(request("POST", "/echo", [("Expect", "100-continue")], b"body"))
        assert client.reply().body == b"body"
        client.send(request("GET", "/echo", [("Expect", "100-continue")]))
        assert client.reply().status == 200


def test_http_1_0_gets_no_continue(server: Server) -> None:
    with server.connect() as client:
        client.send(
            request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "4")], version="1.0") + b"body"
        )
        assert client.reply().body == b"body"


def test_other_expectations_are_refused(server: Server) -> None:
    with server.connect() as client:
        assert client.ask("GET", "/echo", [("Expect", "tea")]).status == 417
        assert client.rest() == b""
