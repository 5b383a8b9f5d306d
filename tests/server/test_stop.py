"""How it ends: what was accepted is answered, and nothing is left behind. Each `running` checks the latter."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM

import pytest
from harness.client import request

from harness import PATIENCE, Client, Gate, Server, Unsound, program, running, until


def begin(server: Server, client: Client, gate: Gate, name: str) -> None:
    """Have a request under way that waits for the gate."""
    client.send(request("GET", f"/gated?name={name}&gate={gate.path}"))
    server.printed(rf"^started {name}$")


def refuses(server: Server) -> bool:
    try:
        server.connect().close()
    except OSError:
        return True
    return False


def answered(client: Client) -> bool:
    """Say whether the application's reply came, whole."""
    try:
        return client.reply().status == 200
    except Unsound:
        return False


@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=["INT", "TERM"])
@pytest.mark.parametrize("group", [False, True], ids=["to-the-front", "to-the-group"])
@pytest.mark.parametrize("threads", [1, 4])
def test_request_under_way_is_answered(number: int, group: bool, threads: int, gate: Gate) -> None:
    provoked = group and number == SIGTERM  # a worker that ends by itself is worth a warning
    with (
        running("apps.replies", workers=2, threads=threads, provoked=provoked) as server,
        server.connect() as client,
    ):
        begin(server, client, gate, "a")
        (server.interrupt_group if group else server.interrupt)(number)
        server.log(r" drain began ")
        until(lambda: refuses(server), "new connections are refused", 20)
        assert client.silent(0.2), "nothing was under way any more"
        gate.open()
        reply = client.reply()
        assert (reply.status, reply.text, reply.closes) == (200, "gated a\n", True)
        assert client.rest() == b""
        server.check_end(0)


@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=["INT", "TERM"])
def test_requests_that_wait_for_a_thread_are_answered(number: int, gate: Gate) -> None:
    """Also when the workers are told to end before the front has given them everything: service managers do so."""
    with running("apps.replies", workers=1, threads=1, provoked=number == SIGTERM) as server:
        clients = [server.connect() for _ in range(5)]
        begin(server, clients[0], gate, "first")
        for place, client in enumerate(clients[1:]):
            client.send(request("GET", f"/name?name={place}"))
        with server.connect() as last:  # accepted after those, so those are
            last.send(request("GET", "/name?name=last"))
            assert last.silent(0.1)
            server.interrupt_group(number)
            server.log(r" drain began ")
            gate.open()
            assert clients[0].reply().text == "gated first\n"
            assert [client.reply().text for client in clients[1:]] == ["0", "1", "2", "3"]
            assert last.reply().text == "last"
        server.check_end(0)


def test_streamed_reply_is_sent_to_its_end(gate: Gate) -> None:
    with running("apps.replies") as server, server.connect() as client:
        client.send(request("GET", f"/steps?gate={gate.path}"))
        head = client.head()
        pieces = client.pieces(head)
        assert next(pieces) == b"first"
        server.interrupt()
        server.log(r" drain began ")
        gate.open()
        assert list(pieces) == [b"second"]
        server.check_end(0)


def test_request_that_is_still_coming_is_answered() -> None:
    with running("apps.inputs") as server, server.connect() as client, server.connect() as chunked:
        client.send(request("POST", "/echo", [("Content-Length", "40000")]) + b"x" * 20_000)
        chunked.send(request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + b"5\r\nfirst")
        with server.connect() as other:
            assert other.get("/echo").status == 200
        server.interrupt()
        server.log(r" drain began ")
        client.send(b"x" * 20_000)
        chunked.send(b"\r\n0\r\n\r\n")
        assert client.reply().body == b"x" * 40_000
        assert chunked.reply().body == b"first"
        server.check_end(0)


def test_idle_connections_do_not_hold_up_the_stop() -> None:
    with running("apps.replies") as server:
        idle = [server.connect() for _ in range(20)]
        for client in idle[:10]:
            assert client.get("/").status == 200
        began = time.monotonic()
        server.interrupt()
        server.check_end(0, seconds=10)
        assert time.monotonic() - began < 10
        assert all(client.gone() for client in idle)


def test_idle_connection_is_closed_after_one_second() -> None:
    with running("apps.replies") as server, server.connect() as client:
        assert client.get("/").status == 200
        began = time.monotonic()
        server.interrupt()
        assert client.rest() == b""
        assert 0.9 < time.monotonic() - began < 3
        server.check_end(0)


def test_what_a_drain_did_is_logged(gate: Gate) -> None:
    with running("apps.replies", threads=2) as server, server.connect() as busy, server.connect() as idle:
        assert idle.get("/").status == 200
        begin(server, busy, gate, "a")
        server.interrupt()
        server.log(r" drain began graceful_timeout=30s connections=2 requests=1$")
        assert idle.get("/").status == 200
        gate.open()
        assert busy.reply().status == 200
        server.check_end(0)
        drained = server.log(r" INFO  drained seconds=\S+ connections=2 requests=2$")
        assert server.stderr.text().rstrip().endswith(drained)


@pytest.mark.parametrize("group", [False, True], ids=["to-the-front", "to-the-group"])
@pytest.mark.parametrize("draining", [False, True], ids=["serving", "draining"])
def test_quit_blames_nobody(group: bool, draining: bool, gate: Gate) -> None:
    with running("apps.replies", workers=2, provoked=True) as server, server.connect() as client:
        begin(server, client, gate, "never")
        if draining:
            server.interrupt()
            server.log(r" drain began ")
        (server.interrupt_group if group else server.interrupt)(SIGQUIT)
        server.check_end(0, seconds=10)
        assert not answered(client)
        text = server.stderr.text()
        assert not re.search(r"zygote died|did not drain in time| drained |worker died", text), text


def test_request_on_an_idle_connection_is_answered_while_draining(gate: Gate) -> None:
    with running("apps.replies") as server, server.connect() as busy, server.connect() as idle:
        assert idle.get("/").status == 200
        begin(server, busy, gate, "a")
        server.interrupt()
        server.log(r" drain began ")
        reply = idle.get("/")
        assert (reply.status, reply.closes) == (200, True)
        assert idle.rest() == b""
        gate.open()
        assert busy.reply().status == 200
        server.check_end(0)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("group", [False, True], ids=["to-the-front", "to-the-group"])
def test_second_interrupt_stops_at_once(threads: int, group: bool, gate: Gate, short_path: Path) -> None:
    path = short_path / "s"
    with running("apps.replies", bind=["127.0.0.1:0", f"unix:{path}"], threads=threads, provoked=True) as server:
        with server.connect() as client:
            begin(server, client, gate, "never")
            send = server.interrupt_group if group else server.interrupt
            send(SIGINT)
            server.log(r" drain began ")
            send(SIGINT)
            server.check_end(0, seconds=5)
            assert not os.path.lexists(path)
            assert not answered(client)
            assert "did not drain in time" not in server.stderr.text()


def test_second_terminate_does_not_cut_the_drain_short(gate: Gate) -> None:
    with running("apps.replies") as server, server.connect() as client:
        begin(server, client, gate, "a")
        server.interrupt(SIGTERM)
        server.log(r" drain began ")
        server.interrupt(SIGTERM)
        assert client.silent(0.2)
        gate.open()
        assert client.reply().text == "gated a\n"
        server.check_end(0)


def test_graceful_timeout_ends_the_drain(gate: Gate) -> None:
    with running("apps.replies", "--graceful-timeout", "0.3", provoked=True) as server, server.connect() as client:
        begin(server, client, gate, "never")
        server.interrupt()
        server.check_end(0, seconds=10)
        assert "drain cut short" in server.stderr.text()


def test_client_that_takes_nothing_does_not_hold_up_the_stop_beyond_the_timeout() -> None:
    with running("apps.replies", "--graceful-timeout", "0.3", provoked=True) as server, server.connect() as client:
        client.send(request("GET", "/endless"))
        client.head()
        server.interrupt()
        server.check_end(0, seconds=10)


def test_interrupt_while_the_application_is_loaded_ends_it(tmp_path: Path) -> None:
    (tmp_path / "slow_to_load.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    mark = program.new_mark()
    process = program.spawn(["slow_to_load", "--bind", "127.0.0.1:0"], {}, mark, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == b"loading\n"
    process.send_signal(SIGINT)
    assert process.wait(20) == 0
    assert program.left(mark) == []
    rest = b"".join(process.communicate())
    assert b"Traceback" not in rest and b"error" not in rest, rest


@pytest.mark.parametrize("threads", [1, 4])
def test_worker_that_is_told_to_end_finishes_and_is_replaced(threads: int, gate: Gate) -> None:
    with running("apps.replies", workers=1, threads=threads, provoked=True) as server, server.connect() as client:
        begin(server, client, gate, "a")
        worker = server.workers()[0]
        os.kill(worker, SIGTERM)
        with server.connect() as other:
            if threads == 1:
                other.send(request("GET", "/"))
                assert other.silent(0.1)
            gate.open()
            assert client.reply().text == "gated a\n"
            assert (other.reply() if threads == 1 else other.get("/")).text == "hello\n"
        until(lambda: worker not in server.workers().values() and server.workers(), "another worker", PATIENCE)
        assert server.get("/").text == "hello\n"


def test_what_the_application_registered_with_atexit_is_run(tmp_path: Path) -> None:
    (tmp_path / "with_atexit.py").write_text(
        "import atexit, os\n"
        "from wsgiref.simple_server import demo_app\n"
        "def application(environ, start_response):\n"
        "    atexit.register(print, 'the end of', os.getpid())\n"
        "    return demo_app(environ, start_response)\n"
    )
    for threads in (1, 2):
        with running("with_atexit", threads=threads, cwd=tmp_path) as server:
            worker = server.ready(1)[0]
            assert server.get("/").status == 200
            server.interrupt()
            server.check_end(0)
            assert server.stdout.text() == f"the end of {worker}\n"
