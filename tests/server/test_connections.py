"""Connections: kept, pipelined, slow, idle, half closed and gone."""

from __future__ import annotations

import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from harness.client import chunks, request

from harness import Client, Gate, Server, running, until
from harness.processes import memory

pytestmark = pytest.mark.alone  # their patience is short


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.replies", workers=2, threads=4) as made:
        yield made


@pytest.fixture(scope="module")
def single() -> Iterator[Server]:
    """One worker with one thread: whoever holds it holds everybody."""
    with running("apps.replies", workers=1, threads=1) as made:
        yield made


def hello(client: Client) -> bool:
    return client.get("/").text == "hello\n"


def test_one_connection_serves_a_hundred_requests(server: Server) -> None:
    with server.connect() as client:
        for number in range(100):
            reply = client.get(f"/name?name={number}")
            assert reply.text == str(number)
            assert not reply.closes
        client.send(request("GET", "/", [("Connection", "close")]))
        assert client.reply().closes
        assert client.rest() == b""


def test_client_of_the_standard_library_is_content(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        connection.request(method, "/", body=b"body" if method in ("POST", "PUT") else None)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"" if method == "HEAD" else b"hello\n")
    connection.close()


def test_pipelined_requests_are_answered_in_order(server: Server, gate: Gate) -> None:
    """Also when they go to several workers, and the first one takes longest."""
    with server.connect() as client:
        first = request("GET", f"/gated?name=slow&gate={gate.path}")
        client.send(first + b"".join(request("GET", f"/name?name={number}") for number in range(50)))
        server.printed(r"^started slow$")
        assert client.silent(0.1)
        gate.open()
        assert client.reply().text == "gated slow\n"
        assert [client.reply().text for _ in range(50)] == [str(number) for number in range(50)]


def test_pipelined_requests_with_bodies_are_answered_in_order(server: Server) -> None:
    with server.connect() as client:
        for number in range(10):
            client.send(request("POST", f"/name?name=l{number}", body=b"x" * number * 3000))
            client.send(
                request("POST", f"/name?name=c{number}", [("Transfer-Encoding", "chunked")]) + chunks([b"y" * number])
            )
        expected = [f"{kind}{number}" for number in range(10) for kind in "lc"]
        assert [client.reply("POST").text for _ in range(20)] == expected


def test_requests_split_at_every_byte_are_understood(server: Server) -> None:
    whole = request("POST", "/name?name=a", [("X-Field", "value")], b"body") + request("GET", "/name?name=b")
    with server.connect() as client:
        for at in range(1, len(whole), 3):
            client.send(whole[:at])
            time.sleep(0.001)  # so that it comes in two pieces; if it does not, nothing is lost
            client.send(whole[at:])
            assert [client.reply().text, client.reply().text] == ["a", "b"]


def test_head_has_the_length_of_get_and_no_body(server: Server) -> None:
    with server.connect() as client:
        for target in ("/", "/length", "/shape?of=list-of-two", "/large?blocks=3"):
            get = client.get(target)
            head = client.ask("HEAD", target)
            assert (head.status, head.body) == (get.status, b"")
            assert head.get("Content-Length") == get.get("Content-Length") == str(len(get.body))
        for target in ("/shape?of=generator", "/stream?blocks=3", "/write-only", "/shape?of=closing"):
            assert client.ask("HEAD", target).status == 200
        assert hello(client)


def test_http_1_0_closes_unless_asked_to_keep(server: Server) -> None:
    with server.connect() as client:
        reply = client.ask("GET", "/", version="1.0")
        assert (reply.text, reply.closes) == ("hello\n", True)
        assert client.rest() == b""
    with server.connect() as client:
        for _ in range(3):
            reply = client.ask("GET", "/", [("Connection", "keep-alive")], version="1.0")
            assert (reply.text, reply.get("Connection")) == ("hello\n", "keep-alive")


def test_http_1_0_gets_no_chunks(server: Server, gate: Gate) -> None:
    clients = []
    for fields in ([], [("Connection", "keep-alive")]):
        client = server.connect()
        client.send(request("GET", f"/steps?gate={gate.path}", fields, version="1.0"))
        reply = client.head()
        assert (reply.chunked, reply.closes, reply.get("Content-Length")) == (False, True, None)
        clients.append(client)
    gate.open()
    for client in clients:
        assert client.rest() == b"firstsecond"
        client.close()


def test_keep_alive_of_zero_closes_after_each_reply() -> None:
    with running("apps.replies", "--keep-alive", "0") as server, server.connect() as client:
        assert client.get("/").closes
        assert client.rest() == b""


def test_idle_connection_is_closed_after_keep_alive() -> None:
    with running("apps.replies", "--keep-alive", "0.3") as server, server.connect() as client:
        assert hello(client)
        assert client.rest() == b""
        with server.connect() as other:
            assert hello(other)


def test_head_that_does_not_come_is_answered_with_408() -> None:
    with running("apps.replies", "--header-timeout", "0.3") as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        reply = client.reply()
        assert (reply.status, reply.closes) == (408, True)
        assert client.rest() == b""


def test_slow_sender_holds_no_worker(single: Server) -> None:
    """Byte by byte, head and body; one worker with one thread answers others meanwhile."""
    whole = request("POST", "/name?name=slow", [("X-Slow", "very")], b"a body that takes its time")
    replies = []

    def send_slowly() -> None:
        with single.connect() as client:
            client.slowly(whole, 0.004)
            replies.append(client.reply().text)

    sender = threading.Thread(target=send_slowly)
    sender.start()
    answered = 0
    with single.connect() as other:
        while sender.is_alive():
            assert hello(other)
            answered += 1
            sender.join(0.005)
    assert replies == ["slow"]
    assert answered > 10


def test_slow_reader_holds_no_worker(single: Server) -> None:
    """A reply of 448 KiB, which the client does not take, is put aside; one worker with one thread answers others."""
    readers = [single.connect() for _ in range(3)]
    for reader in readers:
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        reader.send(request("GET", "/large?blocks=7"))
    with single.connect(patience=10) as other:
        for _ in range(10):
            assert hello(other)
    for reader in readers:
        assert len(reader.reply().body) == 7 * 65536
        reader.close()


def test_client_that_reads_slowly_gets_everything(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET", "/stream?blocks=40"))
        reply = client.head()
        total = 0
        for piece in client.pieces(reply):
            total += len(piece)
            time.sleep(0.002)  # the client's pace
        assert total == 40 * 65536


def test_client_that_reads_nothing_does_not_fill_the_front(server: Server) -> None:
    before = memory(server.front)
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        client.send(request("GET", "/endless?name=unread"))
        client.head()
    with server.connect() as other:
        for _ in range(50):
            assert hello(other)
    assert memory(server.front) - before < 32 << 20
    out = server.stdout.mark
    for client in clients:
        client.reset()
    server.printed(r"^closed unread$", out, 3)


def test_half_closed_client_is_still_answered(server: Server, gate: Gate) -> None:
    for target in ("/", "/stream?blocks=3", f"/gated?name=half&gate={gate.path}"):
        with server.connect() as client:
            client.send(request("GET", target))
            client.half_close()
            if "gated" in target:
                server.printed(r"^started half$")
                gate.open()
            assert client.reply().status == 200
            assert client.rest() == b""


def test_half_closed_client_gets_all_that_it_pipelined(server: Server) -> None:
    with server.connect() as client:
        client.send(b"".join(request("GET", f"/name?name={number}") for number in range(20)))
        client.half_close()
        assert [client.reply().text for _ in range(20)] == [str(number) for number in range(20)]
        assert client.rest() == b""


def test_client_that_leaves_in_the_middle_of_a_request_reaches_nobody(server: Server) -> None:
    out = server.stdout.mark
    with server.connect() as client:
        client.send(request("POST", "/gated?name=half", [("Content-Length", "100")]) + b"not a hundred")
    with server.connect() as client:
        client.send(b"GET /gated?name=half HTT")
    with server.connect() as client:
        assert hello(client)
    assert "started half" not in server.stdout.text(out)


@pytest.mark.parametrize("target", ["/endless", "/write-endless"])
@pytest.mark.parametrize("leave", [Client.close, Client.reset], ids=["closes", "resets"])
def test_client_gone_in_a_streamed_reply_ends_it(target: str, leave: object, server: Server) -> None:
    workers = server.workers()
    out = server.stdout.mark
    client = server.connect()
    client.send(request("GET", f"{target}?name=gone"))
    reply = client.head()
    pieces = client.pieces(reply)
    for _ in range(5):
        next(pieces)
    assert callable(leave)
    leave(client)
    server.printed(r"^closed gone$" if target == "/endless" else r"^write ended with BrokenPipeError$", out)
    assert server.workers() == workers
    with server.connect() as other:
        assert hello(other)


def test_client_gone_before_the_reply_begins_harms_nobody(server: Server, gate: Gate) -> None:
    workers = server.workers()
    for number in range(10):
        client = server.connect()
        client.send(request("GET", f"/gated?name=gone{number}&gate={gate.path}"))
        if number < 8:
            server.printed(rf"^started gone{number}$")
        client.reset()
    gate.open()
    with server.connect() as other:
        for _ in range(20):
            assert hello(other)
    assert server.workers() == workers


def test_a_thousand_idle_connections_hurt_nobody(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    clients = [server.connect() for _ in range(1000)]
    for client in clients[::2]:
        client.send(b"GET /name?name=late HTTP/1.1\r\nHost:")  # half of them in the middle of a head
    began = time.monotonic()
    with server.connect() as other:
        for _ in range(100):
            assert hello(other)
    assert time.monotonic() - began < 10
    for client in clients[::2]:
        client.send(b" a\r\n\r\n")
    assert {client.reply().text for client in clients[::2]} == {"late"}
    assert all(hello(client) for client in clients[1::100])
    for client in clients:
        client.close()


def test_more_requests_at_once_than_there_are_slots_are_all_answered(single: Server, gate: Gate) -> None:
    first = single.connect()
    first.send(request("GET", f"/gated?name=crowd&gate={gate.path}"))
    single.printed(r"^started crowd$")
    clients = [single.connect() for _ in range(1200)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/name?name={number}"))
    gate.open()
    assert first.reply().text == "gated crowd\n"
    assert [client.reply().text for client in clients] == [str(number) for number in range(1200)]
    for client in [first, *clients]:
        client.close()


def test_hundred_megabytes_stream_through_bounded_memory() -> None:
    with running("apps.replies", workers=1, threads=1) as server, server.connect() as client:
        worker = server.workers()[0]
        assert client.get("/stream?blocks=16").status == 200
        before = memory(server.front), memory(worker)
        client.send(request("GET", "/stream?blocks=1600&name=hundred"))
        reply = client.head()
        total, most = 0, (0, 0)
        for number, piece in enumerate(client.pieces(reply)):
            total += len(piece)
            if number % 200 == 0:
                most = max(most[0], memory(server.front)), max(most[1], memory(worker))
        assert total == 1600 * 65536
        assert most[0] - before[0] < 24 << 20, f"the front grew by {most[0] - before[0] >> 20} MiB"
        assert most[1] - before[1] < 24 << 20, f"the worker grew by {most[1] - before[1] >> 20} MiB"
        until(lambda: "closed hundred" in server.stdout.text(), "it is closed", 20)
