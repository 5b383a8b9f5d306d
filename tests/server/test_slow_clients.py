"""Clients that are slow: to send a head, to send a body, to read a reply. Each costs the others nothing."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from harness.client import request

from harness import Client, Gate, Server, Unsound, running, until
from harness.processes import descriptors, processor_time

pytestmark = pytest.mark.alone  # their patience is short


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with little patience."""
    times = ("--header-timeout=0.4", "--body-timeout=1", "--send-timeout=1", "--keep-alive=2")
    with running("apps.replies", *times, workers=1, threads=2) as made:
        yield made


def hello(client: Client) -> bool:
    return client.get("/").text == "hello\n"


def late(client: Client) -> bool:
    reply = client.reply()
    return (reply.status, reply.closes) == (408, True) and client.rest() == b""


def test_head_that_comes_byte_by_byte_has_no_more_time(server: Server) -> None:
    with server.connect() as client:
        client.slowly(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"x" * 40, 0.01)  # twice its time
        assert late(client)


def test_head_of_a_second_request_has_its_own_time(server: Server) -> None:
    with server.connect() as client:
        for _ in range(4):
            time.sleep(0.2)  # idle, less than the time between requests; together more than the time of a head
            assert hello(client)
        client.send(b"GET / HTTP/1.1\r\n")
        assert late(client)


def test_client_that_sends_nothing_is_left_without_a_word(server: Server) -> None:
    with server.connect() as client:
        assert client.rest() == b""


@pytest.mark.parametrize(
    "framing", [("Content-Length", "1000"), ("Content-Length", "1000000"), ("Transfer-Encoding", "chunked")]
)
def test_body_that_does_not_come_is_answered_with_408(framing: tuple[str, str], server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/", [framing]) + b"5\r\nwhole\r\n")
        assert late(client)


def test_body_that_keeps_its_rate_may_take_longer_than_its_time(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/name?name=steady", [("Content-Length", "9000")]))
        for _ in range(15):
            client.send(b"x" * 600)
            time.sleep(0.1)  # the client's pace
        assert client.reply().text == "steady"


def test_reader_that_takes_nothing_is_cut_and_the_application_told(server: Server) -> None:
    out = server.stdout.mark
    with server.connect() as client:
        client.send(request("GET", "/endless?name=unread"))
        server.printed(r"^closed unread$", out)
        with pytest.raises(Unsound, match="reset"):
            client.rest()


def test_reader_that_takes_a_little_is_served_on(server: Server) -> None:
    out = server.stdout.mark
    with small_window(server) as slow, slow.makefile("rb") as reply:
        slow.sendall(request("GET", "/endless?name=sipped"))
        for _ in range(30):
            time.sleep(0.05)  # the client's pace
            assert len(reply.read(60_000)) == 60_000
        assert "closed sipped" not in server.stdout.text(out)
    server.printed(r"^closed sipped$", out)


def small_window(server: Server) -> socket.socket:
    """Connect so that the kernel keeps little for the client."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(20)
    client.connect(server.address())
    return client


def limit_descriptors(server: Server, more: int) -> None:
    """Allow the front so many descriptors more than it has open."""
    _, hard = resource.prlimit(server.front, resource.RLIMIT_NOFILE)
    resource.prlimit(server.front, resource.RLIMIT_NOFILE, (descriptors(server.front) + more, hard))


def test_without_descriptors_idle_connections_make_room_oldest_first() -> None:
    with running("apps.replies", provoked=True) as server:
        limit_descriptors(server, 5)
        clients = [server.connect() for _ in range(5)]
        assert all(hello(client) for client in clients)
        for _ in range(20):
            clients.append(server.connect())
            assert hello(clients[-1])
        assert all(client.gone() for client in clients[:-5])
        assert all(hello(client) for client in clients[-5:])
        server.log(r"WARN  accept limited reason=\"?too many open files\"? ")
        for client in clients:
            client.close()


def test_without_descriptors_and_idle_connections_accept_waits_and_does_not_spin(gate: Gate) -> None:
    with running("apps.replies", threads=6, provoked=True) as server:
        limit_descriptors(server, 5)
        busy = [server.connect() for _ in range(5)]
        for number, client in enumerate(busy):
            client.send(request("GET", f"/gated?name=busy{number}&gate={gate.path}"))
            server.printed(rf"^started busy{number}$")
        waiting = server.connect()
        waiting.send(request("GET", "/"))
        server.log(r"WARN  accept limited ")
        before = processor_time(server.front)
        assert waiting.silent(1.0)
        assert processor_time(server.front) - before < 0.3
        gate.open()
        assert {client.reply().status for client in busy} == {200}
        assert waiting.reply().text == "hello\n"
        for client in (*busy, waiting):
            client.close()


def test_connections_above_the_limit_wait_and_are_served(gate: Gate) -> None:
    with running("apps.replies", "--max-connections", "5", threads=6, provoked=True) as server:
        busy = [server.connect() for _ in range(5)]
        for number, client in enumerate(busy):
            client.send(request("GET", f"/gated?name=busy{number}&gate={gate.path}"))
            server.printed(rf"^started busy{number}$")
        waiting = [server.connect() for _ in range(20)]
        for client in waiting:
            client.send(request("GET", "/"))
        server.log(r"WARN  accept limited reason=max_connections ")
        before = processor_time(server.front)
        assert waiting[0].silent(1.0)
        assert processor_time(server.front) - before < 0.3
        gate.open()
        assert {client.reply().status for client in busy} == {200}
        assert {client.reply().text for client in waiting} == {"hello\n"}
        for client in (*busy, *waiting):
            client.close()


def test_worker_is_replaced_while_there_are_too_many_connections() -> None:
    with running("apps.replies", "--max-connections", "4", provoked=True) as server:
        clients = [server.connect() for _ in range(10)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\n")
        server.log(r"WARN  accept limited ")
        workers = server.workers()
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: server.workers() not in ({}, workers), "another worker", 20)
        clients[0].send(b"Host: a\r\n\r\n")
        assert clients[0].reply().text == "hello\n"
        for client in clients:
            client.close()


def test_many_slow_clients_cost_two_threads_nothing() -> None:
    """200 slow heads, 50 slow bodies and 20 slow readers, beside which 200 requests are answered."""
    with running("apps.replies", workers=1, threads=2) as server:
        heads = [server.connect() for _ in range(200)]
        bodies = [server.connect() for _ in range(50)]
        readers = [small_window(server) for _ in range(20)]
        for head in heads:
            head.send(b"GET /name?name=head HTTP/1.1\r\nHost: a")
        for body in bodies:
            body.send(request("POST", "/name?name=body", [("Content-Length", "20000")]) + b"x" * 100)
        for reader in readers:
            reader.sendall(request("GET", "/large?blocks=1"))
        with server.connect() as other:
            for number in range(200):
                assert other.get(f"/name?name={number}").text == str(number)
                heads[number].send(b"b")
                bodies[number % 50].send(b"x" * 100)
                readers[number % 20].recv(100)
        for head in heads:
            head.send(b"\r\n\r\n")
        for body in bodies:
            body.send(b"x" * (20000 - 500))
        assert {head.reply().text for head in heads} == {"head"}
        assert {body.reply().text for body in bodies} == {"body"}
        for client in (*heads, *bodies):
            client.close()
        for reader in readers:
            reader.close()
