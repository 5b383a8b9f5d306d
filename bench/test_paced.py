"""A server that stalls is charged for every request that waited, and the slow clients beside are counted."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.answers import Expected, Request
from harness.load import LoadFailed, Wrk
from harness.metrics import P50, P99, SLOW
from harness.paced import Beside, Closed, Paced, Rates, parse
from harness.report import summarize, table, verdict
from harness.rounds import Round, figures, trouble
from scenarios import SCENARIOS
from scenarios.base import Fair, Scenario, Target

CPUS = frozenset(os.sched_getaffinity(0))
EXPECTED = Expected(b"hello")
SAID = {
    "requests": 90,
    "missing": 0,
    "duration_us": 1000000,
    "bytes": 450,
    "p50_us": 250.5,
    "p99_us": 900,
    "late_p99_us": 12.5,
    "errors": {},
}
needs_go = pytest.mark.skipif(not shutil.which("go"), reason="go is not installed")
needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


class Handler(BaseHTTPRequestHandler):
    """Answers b"hello" with the server's status; one request, the tenth of all, takes as long as the server's stall."""

    protocol_version = "HTTP/1.1"
    wbufsize = 4096

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Stalling)
        with server.lock:
            server.count += 1
            number = server.count
        if number == 10:
            time.sleep(server.stall)
        self.send_response(server.status)
        self.send_header("Content-Length", "5")
        if number == server.closes_at:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"hello")

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Stalling)
        server.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Stalling(ThreadingHTTPServer):
    """A server that does what the test wants to see in the figures."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, status: int, stall: float, closes_at: int) -> None:
        self.status, self.stall, self.closes_at = status, stall, closes_at
        self.count, self.lock, self.connections = 0, threading.Lock(), 0
        self.taken: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)


@contextmanager
def serving(status: int = 200, stall: float = 0.0, closes_at: int = 0) -> Iterator[Stalling]:
    with Stalling(status, stall, closes_at) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@needs_go
def test_requests_whose_turn_came_during_a_stall_are_charged_with_their_wait() -> None:
    # 100 turns on one connection; the tenth answer takes 0.7 s, so 70 more were due meanwhile. A load that waits for
    # the answer before it takes the time would see a single slow request, and a median of less than a millisecond.
    with serving(stall=0.7) as server:
        result = Paced(rate=100, connections=1).run(server.server_port, EXPECTED, 1, CPUS)
    assert (result.requests, server.count, result.errors) == (100, 100, {})
    assert result.p50_us is not None and result.p50_us > 100_000
    assert result.p99_us is not None and result.p99_us > 600_000


@needs_go
def test_paced_load_keeps_its_rate_and_its_connections() -> None:
    with serving() as server:
        result = Paced(rate=200, connections=8).run(server.server_port, EXPECTED, 0.3, CPUS)
    assert (result.requests, server.count, result.bytes, result.errors) == (60, 60, 300, {})
    assert 0.3 <= result.seconds < 1.3
    assert result.p50_us and result.p99_us and 0 < result.p50_us <= result.p99_us
    assert result.cpu_seconds > 0


@needs_go
def test_refusals_and_what_was_never_answered_are_errors() -> None:
    with serving(503) as server:
        result = Paced(rate=100, connections=2).run(server.server_port, EXPECTED, 0.2, CPUS)
    assert result.errors == {"shed": 20}
    with serving(closes_at=20) as server:
        result = Paced(rate=100, connections=1).run(server.server_port, EXPECTED, 0.3, CPUS)
    assert result.errors == {"closed": 1, "missing": 11}
    assert "11 missing errors" in (trouble(result, scenario(Target(P99, 1.0))) or "")


@needs_go
def test_every_body_is_compared() -> None:
    with serving() as server:
        result = Closed(connections=1, requests=5).run(server.server_port, Expected(b"hellO"), 1, CPUS)
        assert (result.requests, result.errors) == (5, {"body": 5})
        assert Closed(connections=2, requests=7).run(server.server_port, EXPECTED, 1, CPUS).requests == 7


@needs_go
def test_what_is_shed_is_told_apart() -> None:
    with serving(503) as server:
        assert Closed(connections=1, requests=3).run(server.server_port, EXPECTED, 1, CPUS).errors == {"shed": 3}


@needs_go
def test_fresh_and_idle_connections_are_opened() -> None:
    with serving() as server:
        Paced(rate=100, connections=5, fresh=True).run(server.server_port, EXPECTED, 0.2, CPUS)
        assert server.connections == 20 + 5  # those that are opened before the timetable are not used
    with serving() as server:
        result = Paced(rate=100, connections=2, idle=9).run(server.server_port, EXPECTED, 0.2, CPUS)
        assert (server.connections, server.count, result.requests) == (11, 31, 20)


@needs_go
def test_a_slow_upload_takes_its_time_and_arrives_whole() -> None:
    request = Request(method="POST", body=bytes(range(200)) * 2)
    with serving() as server:
        result = Closed(3, request, trickle=2000).run(server.server_port, EXPECTED, 0.1, CPUS)
        assert (result.requests, result.errors, server.taken) == (3, {}, [request.body] * 3)
    assert result.p50_us is not None and result.p50_us >= 200_000


@needs_go
def test_each_rate_is_a_point_of_the_curve() -> None:
    with serving() as server:
        result = Rates((50, 100, 150), connections=2).run(server.server_port, EXPECTED, 0.6, CPUS)
    assert [point.rate for point in result.curve] == [50, 100, 150]
    assert (result.p99_us, result.errors) == (result.curve[1].p99_us, {})


@needs_go
def test_paced_load_without_a_server_fails() -> None:
    with serving() as server:
        port = server.server_port
    with pytest.raises(LoadFailed, match="refused"):
        Paced(rate=10, connections=1).run(port, EXPECTED, 1, CPUS)


@needs_go
def test_a_load_that_cannot_be_built_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import paced

    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LoadFailed, match="no go in PATH"):
        paced.generator.__wrapped__()


@needs_go
@needs_wrk
def test_slow_clients_are_counted_and_their_errors_named() -> None:
    load = Beside(Paced(rate=100, connections=2), Wrk(connections=2))
    with serving() as server:
        result = load.run(server.server_port, EXPECTED, 1, CPUS)
        assert (result.requests, result.errors) == (100, {})
        assert result.slow_per_second is not None
        assert server.count == pytest.approx(100 + result.slow_per_second, rel=0.3)
        assert figures(result, 1.0, True)[SLOW.key] == result.slow_per_second
    with serving(500) as server:
        assert load.run(server.server_port, EXPECTED, 1, CPUS).errors.keys() == {"status", "slow status"}


def test_the_generators_object_is_read_exactly() -> None:
    result = parse(json.dumps(SAID))
    assert (result.requests, result.seconds, result.bytes) == (90, 1.0, 450)
    assert (result.p50_us, result.p99_us, result.errors) == (250.5, 900.0, {})
    assert parse(json.dumps(SAID | {"missing": 10, "errors": {"read": 2}})).errors == {"missing": 10, "read": 2}


@pytest.mark.parametrize(
    "output", ["", "[]", "{}", json.dumps(SAID | {"errors": 3}), json.dumps(SAID | {"p50_us": ""})]
)
def test_what_is_no_result_is_a_failure(output: str) -> None:
    with pytest.raises(LoadFailed):
        parse(output)


def scenario(target: Target) -> Scenario:
    return Scenario("s", "", "", "m:app", EXPECTED, Paced(10, 1), 2, 4, False, target, ("granian", "waitress"))


def turn(server: str, p99: float, slow: float, failure: str | None = None) -> Round:
    return Round("s", server, 1, failure, {P99.key: p99, P50.key: p99 / 10, SLOW.key: slow})


@pytest.mark.parametrize(
    ("slow", "limit", "state"), [(8.0, 0.5, "met"), (8.0, 0.49, "not met"), (7.9, 0.5, "void"), (7.9, 0.1, "void")]
)
def test_a_target_that_was_reached_at_the_slow_clients_expense_is_void(slow: float, limit: float, state: str) -> None:
    # The best peer in p99 is the one that counts, not the one that does most for the slow.
    rounds = [turn("speyside", 5.0, slow), turn("granian", 10.0, 10.0), turn("waitress", 20.0, 30.0)]
    outcome = verdict(summarize(rounds), Target(P99, limit, fair=Fair(SLOW, 0.8)))
    assert outcome.state == state
    assert ("less than 0.80 × granian's 10.0" in outcome.text) == (state == "void")


@pytest.mark.parametrize(("p99", "slow", "state"), [(3.0, 8.0, "met"), (3.1, 8.0, "not met"), (3.0, 7.0, "void")])
def test_an_absolute_target_knows_no_peer_but_is_void_as_well(p99: float, slow: float, state: str) -> None:
    target = Target(P50, 0.3, absolute=True, fair=Fair(SLOW, 0.8))
    assert verdict(summarize([turn("speyside", p99, slow), turn("granian", 1.0, 10.0)]), target).state == state
    assert verdict(summarize([turn("granian", 1.0, 10.0)]), target).state == "not measured"
    assert verdict(summarize([turn("speyside", p99, slow, "no")]), target).state == "not met"


def test_the_table_has_the_columns_that_the_load_can_tell() -> None:
    target = Target(P99, 0.5, fair=Fair(SLOW, 0.8))
    text = table(scenario(target), [turn("speyside", 5.0, 9.0), turn("granian", 10.0, 10.0)], {}, 1)
    heading = next(line for line in text.splitlines() if line.startswith("server"))
    assert "slow req/s" in heading and "PSS" not in heading


def test_the_applications_slow_requests_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "apps")
    mixed_app: Any = importlib.import_module("mixed_app")
    began, used = time.monotonic(), time.thread_time()
    mixed_app.app({"PATH_INFO": "/burn"}, lambda *_: None)
    assert mixed_app.BURN_SECONDS <= time.thread_time() - used < 5 * mixed_app.BURN_SECONDS
    used = time.thread_time()
    mixed_app.app({"PATH_INFO": "/sleep"}, lambda *_: None)
    assert time.monotonic() - began >= mixed_app.SLEEP_SECONDS + mixed_app.BURN_SECONDS
    assert time.thread_time() - used < mixed_app.BURN_SECONDS


@pytest.mark.parametrize("name", ["keepalive-1000", "keepalive-1000-64", "keepalive-10000-64"])
def test_no_peer_closes_a_connection_that_the_load_keeps(name: str) -> None:
    entry = SCENARIOS[name]
    assert isinstance(entry.load, Paced)
    limits = {"gunicorn": entry.extra["gunicorn"][-1], "granian": entry.extra["granian"][-1]}
    opened = entry.load.connections + entry.load.idle
    assert all(int(limit) // entry.workers >= opened for limit in limits.values())
    assert entry.files > opened
