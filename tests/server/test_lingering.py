"""The end of a connection after its last reply: the client reads all of it, whatever it still sends."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest
from harness.client import request

from harness import PATIENCE, Client, Server, running

CLOSE = ("Connection", "close")
MIB = 1 << 20
MOST = 64 * MIB  # what a server throws away of what a client still sends


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.replies", workers=1, threads=2) as made:
        yield made


def await_end(client: Client) -> None:
    """Wait until the server has ended its side, without reading."""
    poll = select.poll()
    poll.register(client.socket, select.POLLRDHUP)
    assert poll.poll(PATIENCE * 1000), "the server did not end its side"


def flood(client: Client, most: int) -> int:
    """Send until the connection is reset; return how many bytes went."""
    sent, piece = 0, bytes(MIB)
    try:
        while sent < most:
            client.send(piece)
            sent += len(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return sent


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("target", ["/", "/large?blocks=2", "/stream?blocks=2"])
def test_client_that_sends_on_after_the_last_reply_reads_all_of_it(target: str, version: str, server: Server) -> None:
    with server.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        client.send(request("GET", target, [CLOSE], version=version))
        await_end(client)
        for _ in range(3):  # a reset would have come back before the second one is sent
            client.send(request("GET", "/name?name=never", version=version))
        assert client.reply().status == 200
        assert client.rest() == b""  # Unsound if it is reset
        client.send(request("GET", "/name?name=never"))
        assert client.rest() == b""


def test_refused_client_that_sends_on_reads_why(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        await_end(client)
        for _ in range(3):
            client.send(request("GET", "/"))
        assert client.reply().status == 400
        assert client.rest() == b""


def test_what_a_client_still_sends_is_bounded(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET", "/", [CLOSE]))
        await_end(client)
        assert flood(client, 4 * MOST) < 2 * MOST


def test_client_that_does_not_close_is_closed(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET", "/", [CLOSE]))
        await_end(client)
        began = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() - began < PATIENCE:
                client.send(b"x")
                time.sleep(0.05)  # the client's pace
        assert time.monotonic() - began > 1


def test_lingering_connections_make_room() -> None:
    took = []
    for _ in range(3):  # a busy machine may take the CPU for a while, but not each time
        with running("apps.replies", "--max-connections=3", workers=1, threads=1, provoked=True) as server:
            clients = [server.connect() for _ in range(3)]
            for client in clients:
                client.send(request("GET", "/", [CLOSE]))
                await_end(client)
            began = time.monotonic()
            assert server.get("/").text == "hello\n"
            took.append(time.monotonic() - began)
            assert [client.reply().text for client in clients] == ["hello\n"] * 3
            for client in clients:
                client.close()
    assert min(took) < 1, "a new client waited for those that had been answered"
