"""The load generators say what happened: wrk's line is read exactly, and errors are never lost."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.answers import Expected, Request, WrongAnswer, check, check_together
from harness.load import Counted, LoadFailed, Wrk, parse_wrk

LINE = (
    "bench requests=1234 duration_us=2000000 bytes=99000 p50_us=250 p99_us=1900 "
    "connect=0 read=0 write=0 status=0 timeout=0"
)
CPUS = frozenset(os.sched_getaffinity(0))
needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


class Handler(BaseHTTPRequestHandler):
    """Answers b"hello" with the server's status, and counts."""

    protocol_version = "HTTP/1.1"
    wbufsize = 4096

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Counting)
        with server.lock:
            server.count += 1
            server.last_body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(server.status)
        self.send_header("Content-Length", "5")
        self.send_header("X-Worker", str(server.count % 3))
        self.end_headers()
        self.wfile.write(b"hello")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Counting(ThreadingHTTPServer):
    """A server that knows how many requests it answered."""

    daemon_threads = True

    def __init__(self, status: int) -> None:
        self.status, self.count, self.last_body, self.lock = status, 0, b"", threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def serving(status: int = 200) -> Iterator[Counting]:
    with Counting(status) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_wrk_line_is_read_exactly() -> None:
    result = parse_wrk(f"Running 2s test\n  1234 requests in 2.00s\n{LINE}\n")
    assert (result.requests, result.seconds, result.bytes) == (1234, 2.0, 99000)
    assert (result.p50_us, result.p99_us) == (250, 1900)
    assert result.errors == {}


@pytest.mark.parametrize("kind", ["connect", "read", "write", "status", "timeout"])
def test_every_kind_of_error_is_kept(kind: str) -> None:
    assert parse_wrk(LINE.replace(f"{kind}=0", f"{kind}=7")).errors == {kind: 7}


@pytest.mark.parametrize(
    "output", ["", "unable to connect", f"{LINE}\n{LINE}", "bench requests=many", "bench requests=1"]
)
def test_output_without_one_whole_line_is_a_failure(output: str) -> None:
    with pytest.raises(LoadFailed):
        parse_wrk(output)


@needs_wrk
def test_wrk_counts_what_the_server_answered() -> None:
    with serving() as server:
        result = Wrk(connections=4).run(server.server_port, Expected(b"hello"), 1, CPUS)
    assert result.errors == {}
    assert 0 < result.requests <= server.count <= result.requests + 4
    assert result.bytes > 5 * result.requests
    assert result.p50_us and result.p99_us and result.p50_us <= result.p99_us
    assert result.cpu_seconds > 0


@needs_wrk
def test_wrk_reports_wrong_status_and_sends_the_body() -> None:
    with serving(503) as server:
        result = Wrk(connections=2, request=Request(method="POST", body=b"x" * 100)).run(
            server.server_port, Expected(b""), 1, CPUS
        )
        assert result.errors["status"] == result.requests > 0
        assert server.last_body == b"x" * 100


@needs_wrk
def test_requests_that_are_sent_at_once_are_each_counted() -> None:
    with serving() as server:
        check_together(server.server_port, Request(), Expected(b"hello"), 4)
        server.count = 0
        result = Wrk(connections=1, pipeline=4).run(server.server_port, Expected(b"hello"), 1, CPUS)
        assert result.errors == {}
        assert 0 < result.requests <= server.count <= result.requests + 4


@needs_wrk
def test_wrk_without_a_server_fails() -> None:
    with serving() as server:
        port = server.server_port
    with pytest.raises(LoadFailed):
        Wrk(connections=2).run(port, Expected(b""), 1, CPUS)


def test_counted_load_sends_its_number_and_sees_the_workers() -> None:
    with serving() as server:
        load = Counted(requests=60, concurrency=1, per_connection=5, worker_header="X-Worker")
        result = load.run(server.server_port, Expected(b"hello"), 0, CPUS)
        assert (result.requests, server.count, result.workers_seen) == (60, 60, 3)


def test_counted_load_stops_at_a_wrong_answer() -> None:
    with serving() as server, pytest.raises(WrongAnswer, match="body is b'hello'"):
        Counted(requests=10).run(server.server_port, Expected(b"bye"), 0, CPUS)


def test_a_server_that_keeps_no_connection_is_asked_on_two() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heads: list[bytes] = []

        def serve() -> None:
            for _ in range(3):
                with listener.accept()[0] as connection:
                    heads.append(connection.recv(4096))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        check(port, Request(), Expected(b"hello"), keep_alive=False)
        with pytest.raises((WrongAnswer, OSError, HTTPException)):
            check(port, Request(), Expected(b"hello"))
        thread.join()
    assert len(heads) == 3


@pytest.mark.parametrize("closes", [True, False])
def test_requests_that_are_lost_among_others_are_found(closes: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" * 3)
                if not closes:
                    done.wait()

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(WrongAnswer, match="of 4 requests sent at once 3 were answered"):
            check_together(listener.getsockname()[1], Request(), Expected(b"hello"), 4, seconds=0.2)
        done.set()
        thread.join()


def test_check_compares_status_headers_and_body() -> None:
    with serving() as server:
        port = server.server_port
        check(port, Request(), Expected(b"hello", headers={"content-length": "5"}))
        for expected in (Expected(b"hello", 201), Expected(b"", 200), Expected(b"hello", headers={"X-Other": "1"})):
            with pytest.raises(WrongAnswer):
                check(port, Request(), expected)
