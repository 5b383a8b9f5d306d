"""Health checks: answered without the application, and true in every state of the server."""

from __future__ import annotations

import os
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM

import pytest
from harness.client import request

from harness import PATIENCE, TESTS, Client, Gate, Reply, Server, end_of, running, until

ADMIN = "--admin-bind=127.0.0.1:0"
HEALTH = "--health=on"
BUSY = "not ready: every slot is in use\n"


def admin(server: Server) -> tuple[str, int]:
    """Return the address that answers health checks alone."""
    url = server.log(r"health checks answered address=http://127\.0\.0\.1:\d+ ")
    return "127.0.0.1", int(re.findall(r":(\d+) ", url)[-1])


def ask(address: tuple[str, int] | str, path: str, method: str = "GET") -> Reply:
    with Client(address, PATIENCE) as client:
        return client.ask(method, path)


def said(address: tuple[str, int] | str, path: str) -> tuple[int, str]:
    reply = ask(address, path)
    assert reply.get("Cache-Control") == "no-store"
    return reply.status, reply.text


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Have every worker hang."""
    pids = server.workers().values()
    for pid in pids:
        os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, SIGCONT)


def test_both_checks_are_answered_on_the_addresses_of_the_application_and_on_their_own() -> None:
    with running("apps.workers", HEALTH, ADMIN) as server:
        for address in (server.address(), admin(server)):
            for path in ("/-/live", "/-/ready", "/-/ready?probe=1"):
                assert said(address, path) == (200, "ok\n")
                head = ask(address, path, "HEAD")
                assert (head.status, head.body, head.get("Content-Length")) == (200, b"", "3")
            post = ask(address, "/-/ready", "POST")
            assert (post.status, post.get("Allow")) == (405, "GET, HEAD")


def test_nothing_of_the_application_is_served_where_only_checks_are() -> None:
    with running("apps.workers", ADMIN) as server:
        assert server.get("/").text == "hello\n"
        assert ask(admin(server), "/").status == 404
        assert server.get("/-/live").text != "ok\n"  # the application's, without --health


def test_checks_are_answered_while_every_worker_hangs() -> None:
    with running("apps.workers", HEALTH, ADMIN, workers=2) as server, stopped(server):
        for address in (server.address(), admin(server)):
            assert said(address, "/-/live") == said(address, "/-/ready") == (200, "ok\n")


def test_server_is_not_ready_while_no_slot_is_free() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    clients: list[Client] = []
    try:
        with running("apps.workers", HEALTH, ADMIN, "--loops=1", threads=1) as server:
            with stopped(server):
                for _ in range(1100):
                    clients.append(server.connect())
                    clients[-1].send(request("GET", "/"))
                until(lambda: said(admin(server), "/-/ready") == (503, BUSY), "every slot in use", PATIENCE)
                assert said(server.address(), "/-/ready") == (503, BUSY)
                assert said(server.address(), "/-/live") == said(admin(server), "/-/live") == (200, "ok\n")
            assert {client.reply().text for client in clients} == {"hello\n"}
            assert said(server.address(), "/-/ready") == (200, "ok\n")
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_server_is_not_ready_while_the_queue_is_full() -> None:
    with running("apps.workers", HEALTH, ADMIN, "--queue-limit=2", threads=1) as server:
        with stopped(server), server.connect() as first, server.connect() as second:
            first.send(request("GET", "/"))
            second.send(request("GET", "/"))
            full = (503, "not ready: the queue is full\n")
            until(lambda: said(admin(server), "/-/ready") == full, "a full queue", PATIENCE)
            assert said(server.address(), "/-/ready") == full and said(server.address(), "/-/live") == (200, "ok\n")
        until(lambda: said(admin(server), "/-/ready") == (200, "ok\n"), "an empty queue", PATIENCE)


def test_server_is_not_ready_while_it_loads_and_while_no_worker_is_up(tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "late.py").write_text(
        "import os, time, pathlib\n"
        f"while not pathlib.Path({str(gate.path)!r}).exists(): time.sleep(0.01)\n"
        "def dies():\n"
        f"    if pathlib.Path({str(tmp_path / 'dies')!r}).exists(): os._exit(3)\n"
        "os.register_at_fork(after_in_child=dies)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'late']\n"
    )
    (tmp_path / "dies").touch()
    server = Server(["late:app", "--bind=127.0.0.1:0", "--workers=1", HEALTH, ADMIN], {}, tmp_path, provoked=True)
    try:
        down = (503, "not ready: no worker is up\n")
        assert said(admin(server), "/-/live") == (200, "ok\n")
        assert said(admin(server), "/-/ready") == down
        gate.open()
        server.await_banner()
        server.log("worker delayed")
        assert said(admin(server), "/-/ready") == said(server.address(), "/-/ready") == down
        assert said(server.address(), "/-/live") == (200, "ok\n")
        (tmp_path / "dies").unlink()
        until(lambda: said(server.address(), "/-/ready") == (200, "ok\n"), "a worker", PATIENCE)
        assert said(admin(server), "/-/ready") == (200, "ok\n")
        server.stop()
    finally:
        server.kill()


def test_readiness_goes_first_in_a_drain_and_what_was_accepted_is_answered(gate: Gate) -> None:
    with (
        running("apps.workers", HEALTH, ADMIN) as server,
        server.connect() as busy,
        server.connect() as idle,
    ):
        where = admin(server)
        assert idle.get("/-/ready").status == 200
        busy.send(request("GET", f"/gated?name=a&gate={gate.path}"))
        server.printed("started a")
        server.interrupt(SIGTERM)
        until(lambda: said(where, "/-/ready") == (503, "not ready: draining\n"), "unready", PATIENCE)
        assert said(where, "/-/live") == (200, "ok\n")
        reply = idle.get("/-/ready")
        assert (reply.status, reply.text, reply.closes) == (503, "not ready: draining\n", True)
        gate.open()
        assert busy.reply().text.startswith("a pid=")
        server.check_end(0)


def test_clients_that_hang_or_send_garbage_do_not_keep_checks_from_being_answered() -> None:
    with running("apps.workers", ADMIN) as server:
        where = admin(server)
        hanging = [socket.create_connection(where) for _ in range(100)]
        for number, client in enumerate(hanging):
            client.sendall(
                [b"GET /-/live", b"\0\xff" * 100, b"X" * 9000, b"GET /-/live HTTP/1.1\r\nHost: a\r\n"][number % 4]
            )
            assert said(where, "/-/ready") == (200, "ok\n")
        for client in hanging:
            client.close()
        assert said(where, "/-/live") == (200, "ok\n")


@pytest.mark.parametrize("flags", [["--admin-bind={0}"], ["--bind={0}"]])
def test_address_of_another_server_is_refused(flags: list[str]) -> None:

    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = end_of("apps.workers", *(flag.format(where) for flag in flags), cwd=TESTS)
        assert ended.code == 1 and "SPY0003" in ended.stderr
