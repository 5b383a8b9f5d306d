"""Clients that read slowly keep no thread while others wait: what they have not taken moves to the spool."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from signal import SIGKILL

import pytest
from apps.replies import BLOCK
from harness.client import request
from soak.segment import Inside
from soak.test_leaks import at_rest

from harness import PATIENCE, Client, Server, Unsound, running, until

SLOW = 6  # for two threads
BLOCKS = 160  # 10 MiB: more than the kernel keeps for one connection
AT_ONCE = 5.0  # seconds; without the spool the threads are not free before send_timeout


@pytest.fixture
def server() -> Iterator[Server]:
    with running("apps.replies", workers=1, threads=2) as made:
        yield made


def slow_client(server: Server, target: str) -> Client:
    """Ask, and read nothing for now."""
    client = server.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    client.send(request("GET", target))
    return client


def slow_clients(server: Server, inside: Inside) -> list[Client]:
    """Have more slow clients than there are threads, and see that another one is served beside them."""
    clients = [slow_client(server, (f"/large?blocks={BLOCKS}", f"/stream?blocks={BLOCKS}")[n % 2]) for n in range(SLOW)]
    began = time.monotonic()
    for _ in range(5):
        assert server.get("/").status == 200
    assert time.monotonic() - began < AT_ONCE
    until(lambda: inside.holding().spooled, "something is in the spool", PATIENCE)
    return clients


def test_slow_readers_keep_no_thread_and_get_all(server: Server) -> None:
    inside = Inside(server)
    idle = inside.holding()
    clients = slow_clients(server, inside)
    for number, client in enumerate(clients):
        reply = client.head()
        body = b"".join(client.pieces(reply))
        assert reply.chunked == bool(number % 2)
        assert body == BLOCK * BLOCKS, f"client {number} got {len(body)} other bytes"
        assert client.get("/name?name=next").text == "next"
        client.close()
    at_rest(inside, idle)


def test_slow_readers_that_leave_give_the_spool_back(server: Server) -> None:
    inside = Inside(server)
    idle = inside.holding()
    for number, client in enumerate(slow_clients(server, inside)):
        (client.close, client.reset)[number % 2]()
    at_rest(inside, idle)


def test_reply_of_a_dead_worker_is_cut_behind_what_is_in_the_spool() -> None:
    with running("apps.replies", workers=1, threads=1, provoked=True) as server:
        inside = Inside(server)
        client = slow_client(server, "/endless?name=cut")
        with server.connect() as other:
            other.send(request("GET", "/"))  # waits for the only thread
            until(lambda: inside.holding().spooled, "something is in the spool", PATIENCE)
            os.kill(server.workers()[0], SIGKILL)
            assert other.reply().status == 200  # by the next worker
        reply = client.head()
        got = 0
        with pytest.raises(Unsound):
            for piece in client.pieces(reply):
                assert piece == BLOCK[: len(piece)] or piece in BLOCK + BLOCK
                got += len(piece)
        assert got > 1 << 20
        assert server.get("/").status == 200


def test_without_room_in_the_spool_replies_wait_for_their_clients() -> None:
    with running("apps.replies", "--spool-limit=1MB", workers=1, threads=2) as server:
        clients = [slow_client(server, f"/stream?blocks={BLOCKS}") for _ in range(3)]
        heads = [client.head() for client in clients[:2]]
        for client, head in zip(clients, heads, strict=False):
            assert b"".join(client.pieces(head)) == BLOCK * BLOCKS
        assert clients[2].reply().body == BLOCK * BLOCKS
        for client in clients:
            assert client.get("/").status == 200
            client.close()
