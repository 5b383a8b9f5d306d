"""`timeout`: the client is answered, the operator told where the thread stood, the thread given back or replaced."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness.client import request

from harness import PATIENCE, Gate, Server, running, until


@contextmanager
def serving(*arguments: str, workers: int = 1, threads: int = 2, timeout: str = "500ms") -> Iterator[Server]:
    limits = (f"--timeout={timeout}", "--timeout-grace=300ms")
    with running("apps.timeouts", *limits, *arguments, workers=workers, threads=threads, provoked=True) as server:
        yield server


def replaced(server: Server, before: dict[int, int]) -> None:
    def fresh() -> bool:
        now = server.workers()
        return len(now) == len(before) and not set(now.values()) & set(before.values())

    until(fresh, f"other workers than {before}", PATIENCE)


@pytest.mark.parametrize("threads", [1, 3])
def test_python_code_is_interrupted_and_its_stack_logged(threads: int) -> None:
    with serving(threads=threads) as server:
        before = server.workers()
        began = time.monotonic()
        assert server.get("/spin").status == 504
        assert 0.5 <= time.monotonic() - began
        record = server.log(r"^.* ERROR request timed out .*\n( {4}.*\n)+")
        for field in ('request="GET /spin"', "client=127.0.0.1", "age=", "worker=0", "thread=", "code=SPY0407"):
            assert field in record
        assert f" pid={before[0]} " in record and "generation=1" in record
        assert "in spin" in record and "apps/timeouts.py" in record
        assert "threading.py" not in record and "speyside/" not in record
        identifier = re.search(r" id=([0-9a-f]{8}-[0-9a-f]+) ", record)
        assert identifier
        server.printed(rf"^interrupted {identifier[1]}$")
        replaced(server, before)
        assert "signal=" not in server.stderr.text()  # it came back, so nothing was killed
        assert "application raised" not in server.stderr.text()


@pytest.mark.parametrize("path", ["/sleep", "/gil", "/swallow"])
@pytest.mark.parametrize("threads", [1, 3])
def test_thread_that_does_not_come_back_is_replaced_with_its_worker(path: str, threads: int) -> None:
    with serving(threads=threads) as server:
        before = server.workers()
        assert server.get(path).status == 504
        record = server.log(r"^.* ERROR request timed out .*\n( {4}.*\n)+")
        assert "apps/timeouts.py" in record and " application" in record or "in swallow" in record
        assert ("GIL" in record) == (path == "/gil")
        server.log(rf"worker reaped worker=0 pid={before[0]} signal=SIGKILL")
        replaced(server, before)
        assert server.get("/").status == 200


def test_other_threads_of_a_worker_that_is_replaced_finish(gate: Gate) -> None:
    with serving("--route=/patient/ timeout=60s") as server:
        before = server.workers()
        with server.connect() as other:
            other.send(request("GET", f"/patient/gated?gate={gate.path}"))
            server.printed(r"^waiting ")
            assert server.get("/sleep").status == 504
            server.log(r"worker replaced worker=0 ")
            assert server.get("/").status == 200  # by the one that took its place
            gate.open()
            assert other.reply().text.startswith(str(before[0]))
        server.log(rf"worker reaped worker=0 pid={before[0]} signal=SIGKILL")


def test_other_requests_of_a_worker_whose_gil_is_held_are_answered_in_the_same_record(gate: Gate) -> None:
    with serving("--route=/patient/ timeout=60s") as server, server.connect() as other:
        other.send(request("GET", f"/patient/gated?gate={gate.path}"))
        server.printed(r"^waiting ")
        assert server.get("/gil").status == 504
        assert other.reply().status == 504
        record = server.log(r"^.* request timed out .*$")
        assert 'request="GET /gil"' in record and "GET /patient/gated" in record


def test_time_begins_anew_with_each_block() -> None:
    with serving() as server:
        reply = server.get("/blocks")
        assert reply.status == 200 and reply.text == "012"


def test_reply_that_stalls_is_cut_visibly_and_closed() -> None:
    with serving() as server, server.connect() as client:
        client.send(request("GET", "/stalled"))
        assert client.head().status == 200
        rest = client.rest()
        assert b"0" in rest and not rest.endswith(b"0\r\n\r\n")
        server.printed(r"^closed ")
        server.log(r"request timed out .*GET /stalled")


def test_slow_client_does_not_use_up_the_time_of_the_application() -> None:
    with serving("--send-timeout=60s") as server, server.connect() as client:
        client.send(request("GET", "/large?400"))  # 25 MB, much more than the buffers take
        time.sleep(1)  # twice the timeout, by a client that reads nothing: what is to be shown is that nothing happens
        assert len(client.reply().body) == 400 * 65536
        assert "timed out" not in server.stderr.text()


def test_zero_is_no_limit_and_a_route_has_its_own(gate: Gate) -> None:
    with serving("--route=/gil timeout=300ms", timeout="0") as server, server.connect() as client:
        client.send(request("GET", f"/gated?gate={gate.path}"))
        server.printed(r"^waiting ")
        assert server.get("/gil").status == 504
        gate.open()


def test_many_timeouts_lose_nothing_of_others() -> None:
    with serving("--route=/spin timeout=200ms", workers=2, threads=2) as server:
        clients = [server.connect() for _ in range(4)]
        for _ in range(5):
            for client in clients[:3]:
                client.send(request("GET", "/spin"))
            assert clients[3].get("/").status == 200
            assert [client.reply().status for client in clients[:3]] == [504] * 3
            for number in range(3):
                clients[number].close()
                clients[number] = server.connect()
        for client in clients:
            client.close()


@pytest.mark.parametrize("path", ["/spin", "/sleep", "/stalled"])
def test_application_has_its_time_also_when_its_client_has_left(path: str) -> None:
    """Else a thread that hangs would be lost: clients are often less patient than servers."""
    with serving(threads=1) as server:
        client = server.connect()
        client.send(request("GET", path))
        server.printed(r"^began ")
        if path == "/stalled":
            client.head()  # else it sees at its first block that nobody waits
        client.reset()
        record = server.log(r"^.* ERROR request timed out .*$")
        assert f'request="GET {path}"' in record and "client=127.0.0.1" in record
        assert server.get("/").status == 200
