"""Clients that leave: what they asked and nobody has begun is dropped, and what has begun can be told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from harness.client import request

from harness import Client, Gate, Server, running
from harness.processes import processor_time

Leave = Callable[[Client], None]
LEAVES = pytest.mark.parametrize("leave", [Client.half_close, Client.close, Client.reset])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.leaving", workers=1, threads=4) as made:
        yield made


@pytest.fixture(scope="module")
def single() -> Iterator[Server]:
    """One worker with one thread: whoever holds it holds everybody."""
    with running("apps.leaving", "--log-level=debug", workers=1, threads=1) as made:
        yield made


def hold(server: Server, gate: Gate, name: str) -> Client:
    """Have the only thread wait for the gate."""
    client = server.connect()
    client.send(request("GET", f"/gated?name={name}&gate={gate.path}"))
    server.printed(rf"^started {name}$")
    return client


def test_queued_requests_of_clients_that_reset_never_reach_a_worker(single: Server, gate: Gate) -> None:
    with hold(single, gate, "holder") as holder:
        out, err = single.stdout.mark, single.stderr.mark
        clients = [single.connect() for _ in range(300)]  # more than the window holds
        for number, client in enumerate(clients):
            client.send(request("GET", f"/gated?name=n{number}"))
        with single.connect() as last:
            last.send(request("GET", "/name?name=last"))
            assert last.silent(0.1)
            for client in clients[::2]:
                client.reset()
            single.log(r"request abandoned reason=gone .*request=\"GET /gated\?name=n\d+\" abandoned=\d+$", err, 150)
            gate.open()
            assert holder.reply().status == 200
            assert last.reply().text == "last"
        assert {client.reply().status for client in clients[1::2]} == {200}
        single.printed(r"^started n\d+$", out, 150)
        text = single.stdout.text(out)
        assert [number for number in range(300) if f"started n{number}\n" in text] == list(range(1, 300, 2))
        for client in clients:
            client.close()


def test_queued_request_is_dropped_a_second_after_its_client_has_ended(single: Server, gate: Gate) -> None:
    out, err = single.stdout.mark, single.stderr.mark
    with hold(single, gate, "busy") as holder, single.connect() as client, single.connect() as gone:
        client.send(request("GET", "/gated?name=late"))
        gone.send(request("GET", "/gated?name=closed"))
        began = time.monotonic()
        client.half_close()
        gone.close()
        reply = client.reply()
        assert 0.95 < time.monotonic() - began < 5
        assert (reply.status, reply.closes, reply.get("Retry-After") is not None) == (503, True, True)
        assert client.rest() == b""
        single.log(r"request abandoned reason=abandon_after client=127.0.0.1 ", err, 2)
        gate.open()
        assert holder.reply().status == 200
        assert single.get("/name?name=next").text == "next"
        assert "started late" not in single.stdout.text(out) and "started closed" not in single.stdout.text(out)


def test_half_closed_client_is_answered_when_its_turn_comes_in_time(single: Server, gate: Gate) -> None:
    with hold(single, gate, "soon") as holder, single.connect() as client:
        client.send(request("GET", "/name?name=a") + request("GET", "/name?name=b"))
        client.half_close()
        assert client.silent(0.2)
        gate.open()
        assert holder.reply().status == 200
        assert [client.reply().text, client.reply().text] == ["a", "b"]
        assert client.rest() == b""


@LEAVES
@pytest.mark.parametrize("thread", ["own", "the-request's"])
@pytest.mark.parametrize("target", ["/watch", "/watch-late"])
def test_application_sees_that_its_client_has_left(target: str, thread: str, leave: Leave, server: Server) -> None:
    name = f"{target[1:]}-{thread}-{leave.__name__}"
    with server.connect() as client:
        client.send(request("GET", f"{target}?name={name}&thread={thread}"))
        if target == "/watch":
            server.printed(rf"^watching {name} False$")
        else:
            assert next(client.pieces(client.head())) == b"first"
        leave(client)
        server.printed(rf"^left {name}$")


def test_half_closed_client_of_a_request_that_has_begun_is_answered(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET", "/watch?name=half"))
        client.half_close()  # it may be seen before the request is begun
        server.printed(r"^left half$")
        assert client.reply().text == "watched\n"
        assert client.rest() == b""


def test_client_that_stays_is_not_said_to_have_left(server: Server, gate: Gate) -> None:
    """Also where another one has left that had the same slot; what was kept stays as it was at the request's end."""
    expected = {}
    with server.connect() as stays:
        for number in range(5):
            gone, name = number % 2 == 1, f"stays{number}"
            with server.connect() as client:
                client.send(request("GET", f"/keep?name={name}&gate={gate.path}.{number}"))
                server.printed(rf"^keeping {name}$")
                if gone:
                    client.half_close()
                    watched = time.monotonic() + 20
                    while not server.json("/kept")[name] and time.monotonic() < watched:  # type: ignore[index]
                        pass
                gate.path.with_name(f"{gate.path.name}.{number}").touch()
                assert client.reply().text == "kept\n"
            expected[name] = gone
            assert stays.get("/").text == "hello\n"
    assert server.json("/kept") == expected


@LEAVES
def test_client_that_has_left_does_not_keep_the_loop_busy(leave: Leave, server: Server, gate: Gate) -> None:
    name = f"quiet-{leave.__name__}"
    with server.connect() as client:
        client.send(request("GET", f"/gated?name={name}&gate={gate.path}") + request("GET", "/"))
        server.printed(rf"^started {name}$")
        leave(client)
        assert server.get("/").text == "hello\n"
        before = processor_time(server.front)
        time.sleep(0.5)  # what is measured
        assert processor_time(server.front) - before < 0.1
        gate.open()
