"""The line: how many may wait for a worker, how long, and what those are told who may not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL

from harness.client import request

from harness import PATIENCE, Client, Gate, Server, running, until


@contextmanager
def serving(*arguments: str, workers: int = 1, threads: int = 2) -> Iterator[Server]:
    with running("apps.workers", *arguments, workers=workers, threads=threads, provoked=True) as server:
        yield server


def hold(server: Server, gate: Gate, count: int) -> list[Client]:
    """Keep threads busy until the gate opens."""
    held = [server.connect() for _ in range(count)]
    for number, client in enumerate(held):
        client.send(request("GET", f"/gated?name=held{number}&gate={gate.path}"))
        server.printed(rf"^started held{number} pid=\d+$")
    return held


def test_request_beyond_the_limit_is_refused_at_once_and_those_in_line_are_served(gate: Gate) -> None:
    with serving("--queue-limit=3") as server:
        held = hold(server, gate, 2)
        waiting = [server.connect() for _ in range(3)]
        for client in waiting:
            client.send(request("GET", "/"))

        def refused() -> bool:
            with server.connect(patience=1) as client:
                client.send(request("GET", "/"))
                if client.silent(0.1):
                    return False  # it has come before one of those in line
                reply = client.reply()
                assert reply.status == 503 and reply.get("Retry-After") and reply.closes
                return True

        until(refused, "a refusal", PATIENCE)
        record = server.log(r"^.* WARN  requests refused .*$")
        assert "code=SPY0408" in record and "hint=" in record
        gate.open()
        assert [client.reply().status for client in held + waiting] == [200] * 5
        assert server.get("/").status == 200
        for client in held + waiting:
            client.close()


def test_request_that_waits_too_long_is_answered_and_never_started(gate: Gate) -> None:
    with serving("--queue-timeout=500ms") as server:
        held = hold(server, gate, 2)
        with server.connect() as client:
            began = time.monotonic()
            client.send(request("GET", f"/gated?name=late&gate={gate.path}"))
            reply = client.reply()
            assert reply.status == 503 and reply.get("Retry-After")
            assert time.monotonic() - began >= 0.5
        assert "code=SPY0409" in server.log(r"^.* WARN  requests refused .*$")
        gate.open()
        assert [client.reply().status for client in held] == [200, 200]
        assert server.get("/").status == 200
        assert "started late" not in server.stdout.text()
        for client in held:
            client.close()


def test_zero_means_no_limit(gate: Gate) -> None:
    with serving("--queue-limit=0", "--queue-timeout=0") as server:
        held = hold(server, gate, 2)
        waiting = [server.connect() for _ in range(1100)]  # more than there are slots
        for client in waiting:
            client.send(request("GET", "/"))
        gate.open()
        assert all(client.reply().status == 200 for client in held + waiting)
        for client in held + waiting:
            client.close()


def test_clients_that_wait_for_a_slot_count_and_time_out(gate: Gate) -> None:
    with serving("--queue-limit=1200", "--queue-timeout=1s") as server:
        held = hold(server, gate, 2)
        waiting = [server.connect() for _ in range(1300)]
        for client in waiting:
            client.send(request("GET", "/"))
        answers = [client.reply() for client in waiting]
        assert all(answer.status == 503 and answer.get("Retry-After") for answer in answers)
        server.log(r"requests refused .*code=SPY0408")
        gate.open()
        assert [client.reply().status for client in held] == [200, 200]
        for client in held + waiting:
            client.close()


def test_requests_wait_while_no_worker_is_up() -> None:
    with serving(threads=1) as server:
        for _ in range(3):  # the third death is followed by a pause
            pid = server.workers()[0]
            os.kill(pid, SIGKILL)
            server.log(rf"worker reaped .*pid={pid} ")
            reply = server.get("/")
            assert reply.status == 200
            until(lambda dead=pid: server.workers().get(0) not in (None, dead), "another worker", PATIENCE)  # type: ignore[misc]
